"""Does something once: when nothing has happened for a while, or as soon as what is going on is over."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qtpy.QtCore import QObject, QTimer

from napari_unet_nuclei.gui.widgets.fixed_call import FixedCall


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


def call_soon(owner: QObject, function: Callable[..., object], *arguments: Any) -> None:
    """Call a function in the next turn of the event loop, unless its owner is gone by then.

    ``QTimer.singleShot`` knows of no owner: PySide6 would keep that of a bound method alive for it, and call it also
    where its window was closed in between.

    Parameters
    ----------
    owner : QObject
    function : callable
    *arguments
    """
    timer = QTimer(owner)
    timer.setSingleShot(True)
    timer.timeout.connect(FixedCall(timer, function, *arguments).call)
    timer.timeout.connect(timer.deleteLater)
    timer.start(0)
