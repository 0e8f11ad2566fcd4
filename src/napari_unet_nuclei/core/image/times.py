"""Times of frames, and the units of time that microscopes write."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise

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


def ascending(times: Iterable[float]) -> tuple[float, ...]:
    """Return the times of two or more frames if each is later than the one before; else nothing, as they say nothing.

    Examples
    --------
    >>> ascending([0, 2.5, 4]), ascending([0, 0, 0])
    ((0.0, 2.5, 4.0), ())
    """
    found = tuple(float(time) for time in times)
    good = len(found) > 1 and all(map(math.isfinite, found)) and all(one < other for one, other in pairwise(found))
    return found if good else ()


def evenly(interval: float, frames: int) -> tuple[float, ...]:
    """Return the times of frames taken at an interval, in its unit; nothing where that is unknown.

    Examples
    --------
    >>> evenly(5, 3), evenly(0, 3)
    ((0, 5, 10), ())
    """
    return tuple(interval * time for time in range(frames)) if math.isfinite(interval) and interval > 0 else ()


def mean_step(times: Sequence[float]) -> float:
    """Return the mean time between two frames; 0.0 of fewer.

    Examples
    --------
    >>> mean_step([0, 2, 10]), mean_step([3])
    (5.0, 0.0)
    """
    return float(times[-1] - times[0]) / (len(times) - 1) if len(times) > 1 else 0.0
