"""The subcommand ``models``: list the installed models and manage the user's own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from napari_unet_nuclei.cli.options import Json
from napari_unet_nuclei.cli.progress import TerminalProgress
from napari_unet_nuclei.core.errors import OutputFileError
from napari_unet_nuclei.core.model.onnx_design import OnnxDesign
from napari_unet_nuclei.core.model.packages.notes import PackageNotes
from napari_unet_nuclei.core.model.registry import ModelEntry, default_registry

models_command = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="List and show the installed models; import, export, rename and remove your own.",
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of an installed model.")]
NameOrFile = Annotated[str, typer.Argument(metavar="NAME_OR_FILE", help="An installed model, or a model file.")]


@models_command.command("list")
def list_models(as_json: Json = False) -> None:
    """List the installed models."""
    entries = default_registry().list()
    if as_json:
        typer.echo(json.dumps([_describe(entry) for entry in entries], indent=2, ensure_ascii=False))
        return
    for entry in entries:
        card = entry.card
        kinds = ", ".join(card.kinds)
        typer.echo(f"{entry.name} ({entry.origin}, {kinds}, nuclei of {card.diameter:g} px): {card.description}")
    if not entries:
        typer.echo("No model is installed.", err=True)


@models_command.command("show")
def show_model(model: NameOrFile, as_json: Json = False) -> None:
    """Show a model's card: its purpose, training and measured accuracy."""
    entry = default_registry().find(model)
    description = _describe(entry)
    if as_json:
        typer.echo(json.dumps(description, indent=2, ensure_ascii=False))
        return
    network = entry.card.architecture
    if isinstance(network, OnnxDesign):
        description["architecture"] = network.described
    record = entry.card.training
    training = record.model_dump(mode="json") | {"datasets": record.datasets}
    for name, value in (description | {"training": training, "metrics": entry.card.measured}).items():
        if isinstance(value, dict):
            typer.echo(f"{name}:")
            for part, what in value.items():
                lines = what if part == "datasets" else [_text(what)]  # one line each: a credit can be long
                for line in lines or [""]:
                    typer.echo(f"  {part}: {line}")
        else:
            typer.echo(f"{name}: {_text(value)}")


@models_command.command("import")
def import_model(
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="A .safetensors file of this program, or a BioImage.IO package (.zip)."),
    ],
    name: Annotated[
        str, typer.Option("--name", metavar="NAME", help="Name to install it under; by default the name on its card.")
    ] = "",
) -> None:
    """Install a model file, so that commands can refer to it by name."""
    with TerminalProgress() as progress:
        entry = default_registry().add(file, name, progress)
    typer.echo(f"Imported '{entry.name}' to {entry.path}.")


@models_command.command("export")
def export_model(
    model: Name,
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="File to write, ending in .safetensors, or in .zip for a BioImage.IO package."
        ),
    ],
    authors: Annotated[
        list[str] | None,
        typer.Option("--author", metavar="NAME", help="Who made it; of a package. Repeat for several."),
    ] = None,
    licence: Annotated[
        str, typer.Option("--licence", metavar="ID", help="Its licence, such as CC-BY-4.0; of a package.")
    ] = "",
) -> None:
    """Copy an installed model to a file, or write it as a BioImage.IO package for other programs, to share it."""
    if file.exists():
        raise OutputFileError(f"{file} exists already: choose another name.")
    said = PackageNotes(authors=tuple(authors or ()), licence=licence) if authors or licence else None
    default_registry().export(model, file, said)
    typer.echo(f"Exported '{model}' to {file}.")


@models_command.command("rename")
def rename_model(
    model: Name,
    new_name: Annotated[str, typer.Argument(metavar="NEW_NAME", help="A name that no installed model has.")],
) -> None:
    """Rename one of your models; its weights and their hash do not change."""
    entry = default_registry().rename(model, new_name)
    typer.echo(f"Renamed '{model}' to '{entry.name}'.")


@models_command.command("remove")
def remove_model(model: Name) -> None:
    """Delete one of your models."""
    default_registry().remove(model)
    typer.echo(f"Removed '{model}'.")


def _describe(entry: ModelEntry) -> dict[str, object]:
    """Return the card and the path of its file as JSON values."""
    return {"path": str(entry.path), "bundled": entry.bundled, **entry.card.model_dump(mode="json")}


def _text(value: object) -> str:
    """Format a value for the terminal."""
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
