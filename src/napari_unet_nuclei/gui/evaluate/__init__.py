"""The *Evaluate labels* dock."""
