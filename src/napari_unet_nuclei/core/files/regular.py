"""Look at files that other people give us, and open them."""

from __future__ import annotations

import errno
import os
from io import BufferedReader
from pathlib import Path


def is_folder(path: Path) -> bool:
    """Tell whether there is a folder; False, where `Path.is_dir` raises, of too long a name and where none may look."""
    return os.path.isdir(path)  # noqa: PTH112


def is_file(path: Path) -> bool:
    """Tell whether there is a file; False, where `Path.is_file` raises, of too long a name and where none may look."""
    return os.path.isfile(path)  # noqa: PTH113


def open_regular(path: Path) -> BufferedReader:
    """Open a file for reading; raise OSError, as for any other that cannot be read, if it is a pipe or a device.

    Those are files by name, and whoever reads them waits for another program, for ever if none comes.
    """
    if path.exists() and not path.is_file() and not path.is_dir():
        raise OSError(errno.EINVAL, "it is a pipe or a device, not a file", os.fspath(path))
    return path.open("rb")
