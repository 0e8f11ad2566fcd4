"""What the program prints goes on, whatever it is printed to: an old terminal, a full disk, nowhere."""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from napari_unet_nuclei.core.files.atomic import DISK_FULL

UNWRITABLE = DISK_FULL | {errno.EIO, errno.EBADF, errno.EPIPE}
"""Errors of a stream that takes no more."""


@contextmanager
def any_streams() -> Iterator[None]:
    """Print what an encoding lacks as escapes, nothing where streams are closed, and end in words where one is full."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed by whoever started the program
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115  # as long as the program
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        yield
    except OSError as error:
        # An error of a file names it.
        if error.filename is not None or error.errno not in UNWRITABLE:
            raise
        give_up_stdout()
        typer.echo(f"Error: What the program prints cannot be written: {error.strerror}.", err=True)
        raise SystemExit(1) from error


def give_up_stdout() -> None:
    """Send what is still to be printed nowhere: Python would try again at its end, and fail again."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
