"""Labels against true ones."""
