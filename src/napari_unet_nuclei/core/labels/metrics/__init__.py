"""Compare labels with true ones."""
