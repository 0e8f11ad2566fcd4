"""Images larger than memory, segmented block by block."""
