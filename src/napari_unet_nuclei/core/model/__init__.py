"""The network, its card and file, the registry of models, and the device that runs them."""
