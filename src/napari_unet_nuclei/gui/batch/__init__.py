"""The *Batch segment folder* dock."""
