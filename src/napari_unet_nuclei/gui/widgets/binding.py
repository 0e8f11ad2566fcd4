"""Known faults of the Qt bindings that napari can run on."""

from __future__ import annotations

import sys
from functools import cache

import qtpy
from napari.utils.notifications import show_warning

BROKEN_PYSIDE = "6.12.0"
"""This release decrements the reference count of None once too often per call (``Sbk_ReturnFromPython_None``).

Python 3.12 made None immortal; older versions abort when the count reaches zero, within minutes.
"""

IMMORTAL_NONE = (3, 12)
"""The first Python version that does not count references to None."""


def binding_problem(binding: str, number: str, python: tuple[int, ...]) -> str:
    """Return why napari will crash with this Qt binding (qtpy's name, version) and Python; empty if it will not."""
    if binding != "pyside6" or number != BROKEN_PYSIDE or python >= IMMORTAL_NONE:
        return ""
    return (
        f"napari will crash after some minutes: PySide6 {number} has a bug that aborts Python "
        f"{'.'.join(map(str, python[:2]))}. Save your work, close napari, and install another version: "
        f'pip install "pyside6!={number}"'
    )


@cache
def warn_of_binding() -> None:
    """Warn once per session if napari will crash with its Qt binding."""
    problem = binding_problem(qtpy.API, str(qtpy.PYSIDE_VERSION), sys.version_info[:2])
    if problem:
        show_warning(problem)
