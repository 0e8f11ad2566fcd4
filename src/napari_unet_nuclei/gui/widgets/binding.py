"""What is known to be wrong with the Qt binding that napari runs on."""

from __future__ import annotations

import sys
from functools import cache

import qtpy
from napari.utils.notifications import show_warning

BROKEN_PYSIDE = "6.12.0"
"""Every call that returns nothing takes a reference from None without having one (``Sbk_ReturnFromPython_None``).

Python 3.12 made None immortal; an older one aborts when the count has come down to zero, within minutes.
"""

IMMORTAL_NONE = (3, 12)
"""The first Python that does not count references to None."""


def binding_problem(binding: str, number: str, python: tuple[int, ...]) -> str:
    """Say why napari will not last on a Qt binding; empty where nothing is known against it.

    Parameters
    ----------
    binding : str
        As qtpy writes it.
    number : str
        Its version.
    python : tuple of int
        Version of Python.
    """
    if binding != "pyside6" or number != BROKEN_PYSIDE or python >= IMMORTAL_NONE:
        return ""
    return (
        f"napari will crash after some minutes: PySide6 {number} has a fault that ends Python "
        f"{'.'.join(map(str, python[:2]))}. Save your work, close napari, and install another version: "
        f'pip install "pyside6!={number}"'
    )


@cache
def warn_of_binding() -> None:
    """Warn once if napari will not last on its Qt binding."""
    problem = binding_problem(qtpy.API, str(qtpy.PYSIDE_VERSION), sys.version_info[:2])
    if problem:
        show_warning(problem)
