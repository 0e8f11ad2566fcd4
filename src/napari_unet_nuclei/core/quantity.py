"""Numbers of things, as sentences have them."""

from __future__ import annotations


def quantity(number: int, one: str, many: str = "") -> str:
    """Return a number with what it counts; ``many`` is ``one`` with an s if not given.

    Examples
    --------
    >>> quantity(1, "image"), quantity(0, "image"), quantity(1200, "nucleus", "nuclei")
    ('1 image', '0 images', '1,200 nuclei')
    """
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"
