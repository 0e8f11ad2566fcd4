"""Connects a signal to a call whose arguments are known beforehand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qtpy.QtCore import QObject


class FixedCall(QObject):
    """Calls a function with the same arguments at every signal; takes the place of a lambda or a ``partial``.

    A signal holds a bound method of a QObject weakly, but a lambda or a ``partial`` strongly. PySide6 keeps that
    reference in C++, where Python's garbage collector does not see it: a widget that its own connection refers to
    lives, and with it its dock and napari's window, until C++ deletes the sender. Here the reference is an attribute,
    which the collector follows.

    Connect its `call`::

        button.clicked.connect(FixedCall(button, self._press, "undo").call)

    Parameters
    ----------
    sender : QObject
        Owns the object, which lives as long.
    function : callable
    *arguments
        The function gets these, and nothing of what the signal carries.
    """

    def __init__(self, sender: QObject, function: Callable[..., object], *arguments: Any) -> None:
        super().__init__(sender)
        self._function = function
        self._arguments = arguments

    def call(self, *_carried: object) -> None:
        """Make the call."""
        self._function(*self._arguments)
