"""Does something once when nothing has happened for a while."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import QObject, QTimer


def rest_timer(parent: QObject | None, method: Callable[[], None], milliseconds: int = 0) -> QTimer:
    """Return a timer that calls a bound method once, so long after it was last started.

    Parameters
    ----------
    parent : QObject, optional
        Takes the timer along when it goes.
    method : callable
    milliseconds : int
        0 waits for the next turn of the event loop, so that several changes are answered once.
    """
    timer = QTimer(parent)
    timer.setSingleShot(True)
    timer.setInterval(milliseconds)
    timer.timeout.connect(method)
    return timer
