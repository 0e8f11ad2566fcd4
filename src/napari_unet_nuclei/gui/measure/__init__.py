"""The *Measure nuclei* dock."""
