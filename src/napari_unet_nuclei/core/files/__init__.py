"""Atomic writing, and locks."""
