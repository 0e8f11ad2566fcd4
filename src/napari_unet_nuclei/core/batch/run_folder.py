"""What all runs into one folder share: one of them writes at a time, and all use one number format."""

from __future__ import annotations

import errno
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast, get_args

from filelock import FileLock, Timeout

from napari_unet_nuclei.core.atomic import atomic
from napari_unet_nuclei.core.batch.plan import RECORDS
from napari_unet_nuclei.core.errors import OutputFileError
from napari_unet_nuclei.core.types import NumberFormat

LOCK, NUMBER_FORMAT = ".lock", ".number-format"

_WITHOUT_LOCKS = frozenset({errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOLCK, errno.EINVAL})


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
