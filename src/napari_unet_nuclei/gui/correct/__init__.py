"""The *Correct nuclei* dock."""
