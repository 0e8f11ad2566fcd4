"""Synthetic sample images."""
