"""Drawn sample images."""
