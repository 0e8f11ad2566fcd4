"""The network, the file it travels in, where files are found, and the device that runs it."""
