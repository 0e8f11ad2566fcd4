"""Turns what ends a subcommand early into one line for the user and an exit code."""

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
    """Report an expected failure on stderr and exit 1; exit 130 where the user cancelled.

    Wrong usage exits 2 by typer itself. Anything else is a bug and keeps its traceback.
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
    """The message of an error without line breaks, for lists and logs."""
    return " ".join(str(error).split())
