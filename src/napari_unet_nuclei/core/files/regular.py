"""Open files that other people give us."""

from __future__ import annotations

import errno
import os
from io import BufferedReader
from pathlib import Path


def open_regular(path: Path) -> BufferedReader:
    """Open a file for reading; raise OSError, as for any other that cannot be read, if it is a pipe or a device.

    Those are files by name, and whoever reads them waits for another program, for ever if none comes.
    """
    if path.exists() and not path.is_file() and not path.is_dir():
        raise OSError(errno.EINVAL, "it is a pipe or a device, not a file", os.fspath(path))
    return path.open("rb")
