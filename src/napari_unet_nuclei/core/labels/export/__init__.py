"""Write labels in the formats of other programs."""
