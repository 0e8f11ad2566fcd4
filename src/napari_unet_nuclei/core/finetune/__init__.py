"""Teach a model from labels that a person corrected, and find out whether it got better."""
