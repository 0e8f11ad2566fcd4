"""Times of frames, and the units of time that microscopes write."""

from __future__ import annotations

import math

_SECONDS = {
    "ms": 1e-3,
    "msec": 1e-3,
    "millisecond": 1e-3,
    "s": 1.0,
    "sec": 1.0,
    "second": 1.0,
    "min": 60.0,
    "minute": 60.0,
    "h": 3600.0,
    "hr": 3600.0,
    "hour": 3600.0,
    "d": 86400.0,
    "day": 86400.0,
}


def seconds(duration: object, unit: str = "s") -> float:
    """Convert a duration, which may be a text, to seconds; 0.0 if it is no positive number or the unit is none of time.

    Examples
    --------
    >>> seconds(5, "min"), seconds("250", "milliseconds"), seconds(1, "frame")
    (300.0, 0.25, 0.0)
    """
    name = unit.strip().lower()
    factor = _SECONDS.get(name) or _SECONDS.get(name.removesuffix("s"), 0.0)
    try:
        value = float(duration) * factor  # type: ignore[arg-type]  # whatever a file holds; anything but a number is unknown
    except (TypeError, ValueError, OverflowError):
        return 0.0
    return value if math.isfinite(value) and value > 0 else 0.0
