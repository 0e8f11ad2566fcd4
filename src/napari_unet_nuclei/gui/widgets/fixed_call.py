"""Connect a signal to a call with fixed arguments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qtpy.QtCore import QObject


class FixedCall(QObject):
    """Calls a function with fixed arguments at every signal; use it instead of a lambda or a ``partial``.

    A signal holds a bound method of a QObject weakly, but a lambda or a ``partial`` strongly. PySide6 keeps that
    reference in C++, invisible to Python's garbage collector: a widget that its own connection refers to stays alive,
    and with it its dock and napari's window, until C++ deletes the sender. Here the reference is an attribute, which
    the collector can follow.

    Connect its `call`::

        button.clicked.connect(FixedCall(button, self._press, "undo").call)

    Parameters
    ----------
    sender : QObject
        Parent of this object, which lives as long.
    function : callable
    *arguments
        Passed to the function; the signal's own arguments are dropped.
    """

    def __init__(self, sender: QObject, function: Callable[..., object], *arguments: Any) -> None:
        super().__init__(sender)
        self._function = function
        self._arguments = arguments

    def call(self, *_signal_arguments: object) -> None:
        """Call the function."""
        self._function(*self._arguments)
