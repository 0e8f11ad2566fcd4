"""The *Models* dock, and how other docks choose a model."""
