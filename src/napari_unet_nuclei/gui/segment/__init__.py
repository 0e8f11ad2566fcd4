"""The *Segment nuclei* dock."""
