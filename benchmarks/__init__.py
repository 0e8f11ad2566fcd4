"""Measures speed and memory: ``python -m benchmarks`` for everything, or names of modules here for some."""
