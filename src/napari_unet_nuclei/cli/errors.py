"""Converts errors and cancellation into a one-line message and an exit code."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer

from napari_unet_nuclei.core.errors import NucleiError
from napari_unet_nuclei.core.progress import Cancelled

FAILED = 1
CANCELLED = 130


@contextmanager
def exit_codes() -> Iterator[None]:
    """Print a `NucleiError` on stderr and exit with 1; exit with 130 if the user cancelled.

    Typer itself exits with 2 on wrong usage. Any other exception is a bug and keeps its traceback.
    """
    try:
        yield
    except NucleiError as error:
        typer.echo(f"Error: {one_line(error)}", err=True)
        raise typer.Exit(FAILED) from error
    except (Cancelled, KeyboardInterrupt) as stop:
        typer.echo("Cancelled.", err=True)
        raise typer.Exit(CANCELLED) from stop


def one_line(error: NucleiError) -> str:
    """Return an error's message without line breaks, for lists and logs."""
    return " ".join(str(error).split())
