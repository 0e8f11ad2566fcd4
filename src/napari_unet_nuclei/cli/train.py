"""The subcommand ``train``: a model from a set of labelled images."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import ValidationError

from napari_unet_nuclei.cli.options import (
    CLASSES_PANEL,
    Binary,
    LabelChannel,
    Quiet,
    Void,
    field_option,
    settings_options,
)
from napari_unet_nuclei.cli.progress import TerminalProgress
from napari_unet_nuclei.core.classes.coding import ClassCoding
from napari_unet_nuclei.core.errors import SettingsError
from napari_unet_nuclei.core.image.kind import InputName
from napari_unet_nuclei.core.model.about import About, read_about
from napari_unet_nuclei.core.model.card import ARCHITECTURES, Architecture, ModelCard, TaskName
from napari_unet_nuclei.core.model.registry import SUFFIX
from napari_unet_nuclei.core.settings import TrainSettings

if TYPE_CHECKING:
    from napari_unet_nuclei.core.train.division import DataSet
    from napari_unet_nuclei.core.train.layouts import Condition

INPUTS: tuple[tuple[InputName, ...], ...] = (("nuclei",), ("nuclei", "density"))
"""What networks for nuclei can read."""

FINISH = "Finishing: training ends with this epoch, and the best weights so far are kept."


@settings_options(TrainSettings)
def train_command(
    datasets: Annotated[
        list[Path],
        typer.Argument(
            metavar="DATASET",
            help="One data set or several, each divided by itself: a CSV file with a column 'image', optionally "
            "'split' (train or val) and 'field', and images/ and labels/ beside it; or a folder with images/ and "
            "labels/; or a folder with ID/images/ and ID/masks/. The epoch with the best mean of the sets is kept.",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="MODEL.safetensors", help="The model to be.")],
    settings: TrainSettings,
    task: Annotated[
        TaskName, typer.Option("--task", help="Tell nuclei apart, or tell the class of every pixel.")
    ] = "instances",
    where: Annotated[
        list[str] | None,
        typer.Option(
            "--where",
            metavar="COLUMN=VALUE",
            help="Use only rows of the CSV files with this value, or with COLUMN!=VALUE without it; may be repeated. "
            "A data set without the column is used whole, with a warning.",
        ),
    ] = None,
    weight: Annotated[
        list[str] | None,
        typer.Option(
            "--weight",
            metavar="NAME=WEIGHT",
            help="Draw images of the data set in the folder NAME this many times as often as by default; may be "
            "repeated. By default a set of n fields is drawn √n times as often as a set of one.",
        ),
    ] = None,
    base: Annotated[
        str, typer.Option("--base", metavar="NAME_OR_FILE", help="Start from the weights of this model.")
    ] = "",
    architecture: Annotated[
        str,
        typer.Option(
            "--architecture",
            metavar="NAME",
            help="compact, or classic: the 23-layer U-Net of Ronneberger et al. 2015, unpadded.",
            show_default="compact, or that of --base",
        ),
    ] = "",
    in_channels: Annotated[
        int | None,
        typer.Option(
            "--in-channels",
            min=1,
            max=64,
            help="Channels that the network takes at once: 3 for colours.",
            show_default="as --inputs says; for classes, those of the first image",
        ),
    ] = None,
    inputs: Annotated[
        str,
        typer.Option(
            "--inputs",
            metavar="NAME,...",
            help="What a network for nuclei reads: nuclei (a fluorescence channel, haematoxylin, or optical density), "
            "or nuclei,density (and the density of all stains together).",
            show_default="nuclei,density, or those of --base",
        ),
    ] = "",
    base_width: field_option(Architecture, "base_width") = None,  # type: ignore[valid-type]  # which typer reads
    depth: field_option(Architecture, "depth") = None,  # type: ignore[valid-type]
    class_names: Annotated[
        str,
        typer.Option(
            "--class-names",
            metavar="NAME,NAME,...",
            help="Names of all classes by their ids from 0; found out from the labels if not given.",
            rich_help_panel=CLASSES_PANEL,
        ),
    ] = "",
    void: Void = None,
    label_channel: LabelChannel = None,
    binary: Binary = False,
    about: Annotated[
        Path | None,
        typer.Option(
            "--about",
            metavar="FILE.json",
            help="What the model's card is to say: description, image_kind (fluorescence or brightfield), licence, "
            "limits; data_licence, of data sets whose index has no column 'licence'; credits, a list of name, licence "
            "and credit of each data set.",
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the checkpoint of a run that was ended.")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Train a model from nothing, or from another model.

    Where a data set does not say which images judge the model, some are set aside, never part of a field.
    Writes the model, and beside it a history with a row per epoch and a report with pictures. The first Ctrl+C finishes
    with this epoch and keeps the best weights so far; the second cancels, and --resume goes on later from the last
    epoch.
    """
    names = tuple(name.strip() for name in class_names.split(",")) if class_names else ()
    coding = ClassCoding(label_channel, void, binary)
    if task == "instances" and (names or coding != ClassCoding()):
        raise typer.BadParameter("Classes are told with --task semantic only.", param_hint="--task")
    shape = _shape(architecture, {"base_width": base_width, "depth": depth}, bool(base))
    _check_name(out)
    from napari_unet_nuclei.core.train.breakdown import OVERALL
    from napari_unet_nuclei.core.train.train_model import TrainRequest, train_model

    request = TrainRequest(
        _datasets(datasets, weight or []),
        out,
        settings,
        task=task,
        architecture=shape,
        base=base,
        in_channels=in_channels or 0,
        inputs=_inputs(inputs, task, in_channels),
        coding=coding,
        class_names=names,
        where=_conditions(where or []),
        resume=resume,
        about=read_about(about) if about else About(),
        command=shlex.join(["napari-unet-nuclei", *sys.argv[1:]]),
    )
    with TerminalProgress(quiet, FINISH) as progress:
        card = train_model(request, progress).card
    figures = ", ".join(f"{name} {text}" for name, text in card.measured.items() if name.startswith(OVERALL))
    typer.echo(f"{out}: {card.training.steps} steps in {card.training.seconds:.0f} s; {figures}")


def _shape(name: str, changed: dict[str, int | None], from_base: bool) -> Architecture | None:
    """The network's shape as it was asked for; None where it is that of the model to start from."""
    given = {part: value for part, value in changed.items() if value is not None}
    if name and name not in ARCHITECTURES:
        raise typer.BadParameter(f"'{name}' is not one of {', '.join(ARCHITECTURES)}.", param_hint="--architecture")
    if from_base and not (name or given):
        return None
    return ARCHITECTURES[name or "compact"].model_copy(update=given)


def _inputs(text: str, task: TaskName, in_channels: int | None) -> tuple[InputName, ...]:
    """Read which signals the network is to see."""
    if not text:
        return ()
    if task == "semantic" or in_channels is not None:
        raise typer.BadParameter("It is for nuclei only, and takes the place of --in-channels.", param_hint="--inputs")
    for known in INPUTS:
        if tuple(name.strip() for name in text.split(",")) == known:
            return known
    choices = " or ".join(",".join(known) for known in INPUTS)
    raise typer.BadParameter(f"'{text}' is not {choices}.", param_hint="--inputs")


def _check_name(out: Path) -> None:
    """A model is named after its file."""
    if out.suffix != SUFFIX:
        raise typer.BadParameter(f"'{out}' must end in {SUFFIX}.", param_hint="--out")
    try:
        ModelCard(name=out.stem)
    except ValidationError as error:
        raise typer.BadParameter(
            f"'{out.stem}' cannot be a model's name: letters, digits, '.', '_', '-' and spaces only, 80 at most.",
            param_hint="--out",
        ) from error


def _datasets(paths: Sequence[Path], weights: Sequence[str]) -> tuple[DataSet, ...]:
    """The data sets with their names and weights."""
    from napari_unet_nuclei.core.train.division import DataSet, named, weighted

    datasets = named([DataSet(path) for path in paths])
    try:
        return weighted(datasets, weights)
    except SettingsError as error:
        raise typer.BadParameter(str(error), param_hint="--weight") from error


def _conditions(where: Sequence[str]) -> tuple[Condition, ...]:
    """Which rows of the index are wanted."""
    from napari_unet_nuclei.core.train.layouts import Condition

    try:
        return tuple(Condition.read(text) for text in where)
    except SettingsError as error:
        raise typer.BadParameter(str(error), param_hint="--where") from error
