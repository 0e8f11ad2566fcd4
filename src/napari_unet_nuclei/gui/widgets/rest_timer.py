"""Do something once, later: after a pause in the changes, or in the next turn of the event loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qtpy.QtCore import QObject, QTimer

from napari_unet_nuclei.gui.widgets.fixed_call import FixedCall


def rest_timer(parent: QObject | None, method: Callable[[], None], milliseconds: int = 0) -> QTimer:
    """Return a timer that calls a bound method once, this long after it was last started.

    Parameters
    ----------
    parent : QObject or None
        Owns the timer.
    method : callable
    milliseconds : int
        0 waits for the next turn of the event loop, which answers several changes at once.
    """
    timer = QTimer(parent)
    timer.setSingleShot(True)
    timer.setInterval(milliseconds)
    timer.timeout.connect(method)
    return timer


def call_soon(owner: QObject, function: Callable[..., object], *arguments: Any) -> None:
    """Call a function in the next turn of the event loop, unless its owner has been deleted by then.

    ``QTimer.singleShot`` has no owner: PySide6 would keep the object of a bound method alive for it, and call it even
    if the window was closed in the meantime.
    """
    timer = QTimer(owner)
    timer.setSingleShot(True)
    timer.timeout.connect(FixedCall(timer, function, *arguments).call)
    timer.timeout.connect(timer.deleteLater)
    timer.start(0)
