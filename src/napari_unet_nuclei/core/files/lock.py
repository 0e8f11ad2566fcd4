"""Locks on files and folders against other windows, programs, threads and computers."""

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
"""Name of the lock file beside the index; empty, and never deleted. The system releases it when its holder dies."""

PATIENCE = 30.0
"""Seconds to wait for another holder."""

_WITHOUT_LOCKS = frozenset({errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOLCK, errno.EINVAL})
"""Errors of file systems without locks."""


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Lock a folder, waiting for other holders; the folder is created if necessary.

    Raise OutputFileError if another holder does not release it in time, or the system refuses.
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
    """Keep other runs out of a place while the context lasts; fail at once if another run holds it.

    The system releases the lock file, which is removed at the end, when the process dies. Raise OutputFileError if
    another run is at work there, or the lock cannot be created.
    """
    # A soft lock is a mere file, which would outlive a killed run.
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
        # This file system has no locks: go on without one.
    try:
        yield
    finally:
        if sys.platform != "win32":  # Windows cannot delete an open file: there FileLock deletes it on release
            path.unlink(missing_ok=True)
        lock.release()
