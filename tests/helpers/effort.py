"""How many examples a property test draws that takes longer than most."""

from __future__ import annotations

from hypothesis import settings


def some_examples(share: float) -> settings:
    """Draw a share of the examples of the chosen profile, and at least two: ``@some_examples(0.3)``."""
    return settings(max_examples=max(round(share * settings().max_examples), 2))
