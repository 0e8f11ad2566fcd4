"""Measure labelled nuclei."""
