"""What all runs into one folder share: one of them writes at a time, and all use one number format."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast, get_args

from napari_unet_nuclei.core.atomic import atomic
from napari_unet_nuclei.core.batch.plan import RECORDS
from napari_unet_nuclei.core.errors import OutputFileError
from napari_unet_nuclei.core.types import NumberFormat

LOCK, NUMBER_FORMAT = ".lock", ".number-format"

_TAKEN = frozenset({errno.EACCES, errno.EAGAIN, errno.EDEADLK})


def kept_number_format(out: Path, *, afresh: bool) -> NumberFormat:
    """Return the number format of the runs into a folder: that of the first one, by whichever computer.

    Parameters
    ----------
    out : Path
    afresh : bool
        All is done anew: this computer's is taken.

    Raises
    ------
    OutputFileError
        If it cannot be noted.
    """
    path = out / RECORDS / NUMBER_FORMAT
    try:
        kept = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        kept = ""
    if kept in get_args(NumberFormat) and not afresh:
        return cast("NumberFormat", kept)
    from napari_unet_nuclei.core.model.number_format import cpu_number_format  # imports PyTorch

    chosen = cpu_number_format()
    with atomic(path) as partial:
        partial.write_text(chosen + "\n", encoding="utf-8")
    return chosen


@contextmanager
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
    while True:
        with _opened(path) as file:
            try:
                _lock(file)
            except OSError as error:
                if error.errno in _TAKEN:
                    raise OutputFileError(
                        f"Another run is writing {place}: wait until it has ended, or choose another place."
                    ) from None
                # This file system knows no locks: nobody is kept out.
            if not _is_still(path, file):  # its last owner has just removed it
                continue
            try:
                yield
            finally:
                if sys.platform != "win32":  # which does not let an open file be removed
                    path.unlink(missing_ok=True)
        if sys.platform == "win32":
            path.unlink(missing_ok=True)
        return


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("ab")
    except OSError as error:
        raise OutputFileError(
            f"{path.parent} cannot be written to ({error.strerror or error}). Choose another folder."
        ) from error
    with file:
        yield file


def _lock(file: IO[bytes]) -> None:
    """Lock a file for this process, or fail at once."""
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _is_still(path: Path, file: IO[bytes]) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False
