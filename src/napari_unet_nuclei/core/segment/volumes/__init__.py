"""Stacks as nuclei in three dimensions, by the network for planes."""
