"""Locks on files and folders, held against other windows, programs, threads and computers."""

from __future__ import annotations

import contextlib
import errno
import sys
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from napari_unet_nuclei.core.errors import OutputFileError
from napari_unet_nuclei.core.files.atomic import remedy

LOCK = "index.lock"
"""Name of the file beside the index; it is empty, and stays. The system gives it free when its holder ends or dies."""

PATIENCE = 30.0
"""Seconds to wait for another one that saves."""

_WITHOUT_LOCKS = frozenset({errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOLCK, errno.EINVAL})
"""Errors of file systems that know no locks."""


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


@contextlib.contextmanager
def alone(path: Path, place: Path) -> Iterator[None]:
    """Keep other runs out of a place for as long as the context lasts; the system lets go of it with the process.

    Parameters
    ----------
    path : Path
        Of the lock, a file that is made and removed again.
    place : Path
        What must not be written by two runs at once, for the message.

    Raises
    ------
    OutputFileError
        If another run is at work there, or the lock cannot be made.
    """
    lock = FileLock(path, fallback_to_soft=False)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout:
        raise OutputFileError(
            f"Another run is writing {place}: wait until it has ended, or choose another place."
        ) from None
    except OSError as error:
        if error.errno not in _WITHOUT_LOCKS:
            raise OutputFileError(
                f"{path.parent} cannot be written to ({error.strerror or error}). Choose another folder."
            ) from error
        # This file system knows no locks: nobody is kept out.
    try:
        yield
    finally:
        if sys.platform != "win32":  # where the lock removes its file itself; here it is removed while it is held
            path.unlink(missing_ok=True)
        lock.release()
