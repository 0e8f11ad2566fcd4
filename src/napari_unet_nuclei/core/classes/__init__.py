"""Classes of nuclei and of pixels."""
