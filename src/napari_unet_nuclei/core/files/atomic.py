"""Write files and folders atomically: they are there complete or not at all, whatever ends the writing."""

from __future__ import annotations

import contextlib
import errno
import glob
import os
import secrets
import shutil
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from napari_unet_nuclei.core.errors import OutputFileError
from napari_unet_nuclei.core.files.regular import is_folder

DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
"""Errors of a disk, or a share of it, that is full."""

_LONGEST_STEM = 40

_FORBIDDEN = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})


@contextlib.contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Write a file, or fill a folder, under a hidden name beside it, and rename it when it is complete.

    Yields that name, which has the suffix of ``path``. Whatever ends the block early, Cancelled and KeyboardInterrupt
    included, leaves ``path`` as it was and no temporary file. Missing folders are created.

    Raise OutputFileError if the system refuses: disk full, no permission, the name of a folder.
    """
    # In the same folder, for renaming is atomic only within a file system; with the same suffix, for writers choose the
    # format by it.
    partial = path.with_name(secrets.token_hex(4).join(_hidden_name(path)))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield partial
        os.replace(partial, path)  # noqa: PTH105  # replaces in one step, on Windows too
    except OSError as error:
        raise OutputFileError(f"{path} was not written: {remedy(error)}") from error
    finally:
        if is_folder(partial):
            shutil.rmtree(partial, ignore_errors=True)
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def remove_remains(paths: Iterable[Path]) -> None:
    """Remove what a killed program left of files that it was writing; call it while nothing else writes them."""
    for path in paths:
        before, after = map(glob.escape, _hidden_name(path))
        for remains in path.parent.glob(f"{before}{'[0-9a-f]' * 8}{after}"):
            if is_folder(remains):
                shutil.rmtree(remains)
            else:
                remains.unlink(missing_ok=True)


def half_written(folder: Path, suffix: str = "") -> list[Path]:
    """List the half-written files or folders of a suffix in a folder; while it is locked, killed programs left them."""
    return sorted(folder.glob(f".*.part{suffix}"))


def _hidden_name(path: Path) -> tuple[str, str]:
    """Return the hidden name that a file has until it is complete: what stands before and after a random number."""
    stem = path.stem
    if len(stem) > _LONGEST_STEM:  # the name must not become too long for the file system
        stem = f"{stem[:_LONGEST_STEM]}-{zlib.crc32(os.fsencode(stem)):08x}"
    return f".{stem}-", f".part{path.suffix}"


def remedy(error: OSError) -> str:
    """Say what stood in the way, and what to do."""
    if error.errno in DISK_FULL:
        return "the disk is full. Free some space, or choose another folder."
    if isinstance(error, IsADirectoryError):
        return "a folder has that name. Choose another name."
    if error.errno in _FORBIDDEN:
        return "that is not permitted. Choose another folder, or close the program that has the file open."
    return f"{error.strerror or error}. Check the folder and its name."
