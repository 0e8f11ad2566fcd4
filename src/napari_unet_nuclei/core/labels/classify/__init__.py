"""Classes of nuclei: taught by a few examples, told of all others by their measured columns."""
