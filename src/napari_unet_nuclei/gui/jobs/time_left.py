"""How long a job will go on, from how fast it went so far."""

from __future__ import annotations

from collections.abc import Callable

SHORTEST_LOOK = 0.5
"""Seconds of watching before a forecast is made."""


class TimeLeft:
    """Forecast from the steps after the first one, which pays for all that is loaded and prepared.

    Parameters
    ----------
    clock : callable
        Seconds, from any start.

    Examples
    --------
    >>> seconds = iter([0.0, 10.0, 12.0])
    >>> left = TimeLeft(lambda: next(seconds))
    >>> for fraction in (0.0, 0.1, 0.2):
    ...     left.advance(fraction)
    >>> left.text()
    'about 16 s left'
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._first: tuple[float, float] | None = None
        self._last = (0.0, 0.0)

    def advance(self, fraction: float) -> None:
        """Note that a share of the whole job, 0 to 1, is done now."""
        self._last = (self._clock(), fraction)
        if fraction > 0 and self._first is None:
            self._first = self._last

    def text(self) -> str:
        """Return the time left for people; empty while it is too early to tell."""
        if self._first is None:
            return ""
        watched = self._last[0] - self._first[0]
        done = self._last[1] - self._first[1]
        if watched < SHORTEST_LOOK or done <= 0:
            return ""
        return f"about {duration((1 - self._last[1]) * watched / done)} left"


def duration(seconds: float) -> str:
    """Return a duration for people.

    Examples
    --------
    >>> duration(0.3), duration(42), duration(100), duration(9000)
    ('1 s', '42 s', '2 min', '2.5 h')
    """
    if seconds < 90:
        return f"{max(round(seconds), 1)} s"
    if seconds < 5400:
        return f"{round(seconds / 60)} min"
    return f"{seconds / 3600:.1f} h"
