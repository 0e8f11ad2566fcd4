"""Which nuclei a person should look at first."""
