"""The program ``napari-unet-nuclei``: thin wrappers around the core's verbs, without napari or Qt."""

from __future__ import annotations

from typing import Annotated

import typer

from napari_unet_nuclei.cli.lazy import LazyGroup

app = typer.Typer(
    cls=LazyGroup,
    no_args_is_help=True,
    # An unexpected error prints Python's own traceback, which is what a bug report needs.
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        from napari_unet_nuclei import __version__

        typer.echo(f"napari-unet-nuclei {__version__}")
        raise typer.Exit


@app.callback()
def program(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """Segment cell nuclei with a pretrained U-Net."""


def main() -> None:
    """Run the program. Exit codes: 0 success, 1 something failed, 2 wrong usage, 130 cancelled."""
    app(prog_name="napari-unet-nuclei")
