"""The program ``napari-unet-nuclei``: thin wrappers around the core's verbs, without napari or Qt.

Each subcommand is imported when it is run, so that ``--help`` is instant.
"""

from __future__ import annotations

import importlib
import logging
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from napari_unet_nuclei.cli.errors import exit_codes
from napari_unet_nuclei.cli.streams import any_streams

SUBCOMMANDS = {
    "demo": "Segment the bundled sample with the bundled model; opens napari if there is a screen.",
    "segment": "Segment the nuclei in images.",
    "track": "Follow labelled nuclei over time.",
    "measure": "Measure labelled nuclei in one or more images.",
    "train": "Train a model from scratch, or from another model.",
    "finetune": "Fine-tune a model on corrected labels, and test whether it improved.",
    "evaluate": "Compare predicted labels with true ones.",
    "models": "List and show the installed models; import, export, rename and remove your own.",
    "info": "Show versions, devices, models and folders, for bug reports.",
}
"""Summaries for ``--help``. Subcommand ``x`` is ``x_command`` in module ``x``: a function or a typer group."""


class LazyGroup(TyperGroup):
    """The program's subcommands: listed by their summaries, imported on first use."""

    def __init__(self, **attributes: Any) -> None:
        # Stand-ins without options, which is all that the list of commands shows.
        summaries = {name: TyperCommand(name, help=summary) for name, summary in SUBCOMMANDS.items()}
        super().__init__(**{**attributes, "commands": summaries})
        self._loaded: dict[str, Any] = {}

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Import a subcommand; None if there is none of that name."""
        if cmd_name in self.commands and cmd_name not in self._loaded:
            self._loaded[cmd_name] = _load(cmd_name)
        return self._loaded.get(cmd_name)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help from the summaries, without importing any subcommand."""
        TyperGroup(
            name=self.name,
            commands=dict(self.commands),
            params=self.params,
            help=self.help,
            rich_markup_mode=self.rich_markup_mode,
            context_settings=self.context_settings,
        ).format_help(ctx, formatter)

    def invoke(self, ctx: Any) -> Any:
        """Run the subcommand, and convert errors and cancellation into a message and an exit code."""
        with exit_codes():
            return super().invoke(ctx)


def _load(name: str) -> Any:
    """Import a subcommand and build its command."""
    found = getattr(importlib.import_module(f"napari_unet_nuclei.cli.{name}"), f"{name}_command")
    if isinstance(found, typer.Typer):
        group = get_command(found)
        group.name = name
        return group
    single = typer.Typer(add_completion=False, rich_markup_mode="markdown")  # "markdown" joins the lines of a paragraph
    single.command(name)(found)
    return get_command(single)


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
    # What is wrong with a file is said once and in our words, not whenever tifffile opens it.
    logging.getLogger("tifffile").addHandler(logging.NullHandler())
    with any_streams():
        app(prog_name="napari-unet-nuclei")
