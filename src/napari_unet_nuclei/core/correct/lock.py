"""One at a time may change a folder of corrections, whether windows, programs or threads want to."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from napari_unet_nuclei.core.atomic import remedy
from napari_unet_nuclei.core.errors import OutputFileError

LOCK = "index.lock"
"""Name of the file beside the index; it is empty, and stays. The system gives it free when its holder ends or dies."""

PATIENCE = 30.0
"""Seconds to wait for another one that saves."""


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Have a folder for oneself; it is made where it does not exist.

    Raises
    ------
    OutputFileError
        If another one does not let go of it, or the system refuses.
    """
    lock = FileLock(folder / LOCK)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=PATIENCE)
    except Timeout as error:
        raise OutputFileError(f"{folder} is being written to by another window or program: try again.") from error
    except OSError as error:
        raise OutputFileError(f"{folder} cannot be written to: {remedy(error)}") from error
    try:
        yield
    finally:
        lock.release()
