"""The subcommand ``train``: train a model on labelled images."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_unet_nuclei.cli.options import (
    CLASSES_PANEL,
    Binary,
    LabelChannel,
    Quiet,
    TrainingChannel,
    Void,
    field_option,
    settings_options,
)
from napari_unet_nuclei.cli.progress import FINISH, TerminalProgress
from napari_unet_nuclei.core.classes.coding import ClassCoding
from napari_unet_nuclei.core.errors import SettingsError
from napari_unet_nuclei.core.image.kind import InputName
from napari_unet_nuclei.core.model.architecture import ARCHITECTURES, Architecture
from napari_unet_nuclei.core.model.author_notes import AuthorNotes, read_author_notes
from napari_unet_nuclei.core.model.card import TaskName, check_model_name
from napari_unet_nuclei.core.model.registry import SUFFIX
from napari_unet_nuclei.core.settings import TrainSettings

if TYPE_CHECKING:
    from napari_unet_nuclei.core.train.division import DataSet
    from napari_unet_nuclei.core.train.layouts import Condition

INPUTS: tuple[tuple[InputName, ...], ...] = (("nuclei",), ("nuclei", "density"))
"""Valid inputs of networks for nuclei."""


@settings_options(TrainSettings)
def train_command(
    datasets: Annotated[
        list[Path],
        typer.Argument(
            metavar="DATASET",
            help="One or more data sets, each split on its own: a CSV file with a column 'image', optionally 'split' "
            "(train or val) and 'field', and images/ and labels/ beside it; a folder with images/ and labels/; or a "
            "folder with ID/images/ and ID/masks/. The epoch with the best mean score over the sets is kept.",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="MODEL.safetensors", help="Model file to write.")],
    settings: TrainSettings,
    task: Annotated[
        TaskName, typer.Option("--task", help="Separate nuclei (instances), or classify every pixel (semantic).")
    ] = "instances",
    where: Annotated[
        list[str] | None,
        typer.Option(
            "--where",
            metavar="COLUMN=VALUE",
            help="Use only the rows of CSV files that have this value, or with COLUMN!=VALUE those that do not; "
            "repeatable. A data set without the column is used whole, with a warning.",
        ),
    ] = None,
    weight: Annotated[
        list[str] | None,
        typer.Option(
            "--weight",
            metavar="NAME=WEIGHT",
            help="Draw images of the data set in folder NAME this many times as often as by default; repeatable. "
            "By default a set of n fields is drawn √n times as often as a set of one.",
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
            help="Input channels of the network: 3 for colours.",
            show_default="from --inputs; for classes, from the first image",
        ),
    ] = None,
    inputs: Annotated[
        str,
        typer.Option(
            "--inputs",
            metavar="NAME,...",
            help="Inputs of a network for nuclei: nuclei (a fluorescence channel, haematoxylin or optical density), or "
            "nuclei,density (plus the density of all stains together).",
            show_default="nuclei,density, or those of --base",
        ),
    ] = "",
    channel: TrainingChannel = "",
    base_width: field_option(Architecture, "base_width") = None,  # type: ignore[valid-type]  # typer reads it
    growth: field_option(Architecture, "growth") = None,  # type: ignore[valid-type]
    depth: field_option(Architecture, "depth") = None,  # type: ignore[valid-type]
    class_names: Annotated[
        str,
        typer.Option(
            "--class-names",
            metavar="NAME,NAME,...",
            help="Names of all classes in the order of their ids from 0; by default numbered as in the labels.",
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
            help="Text for the model's card: description, image_kind (fluorescence or brightfield), licence, limits; "
            "data_licence, for data sets whose index has no column 'licence'; credits, a list with name, licence and "
            "credit of each data set.",
        ),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Resume from the checkpoint of an interrupted run.")] = False,
    quiet: Quiet = False,
) -> None:
    """Train a model from scratch, or from another model.

    A data set without a split of its own is split at random, whole fields at a time. Writes the model, and beside it a
    history with a row per epoch and a report with pictures. The first Ctrl+C finishes after the current epoch and keeps
    the best weights so far; the second cancels, and --resume continues later from the last epoch.
    """
    names = tuple(name.strip() for name in class_names.split(",")) if class_names else ()
    coding = ClassCoding(label_channel, void, binary)
    if task == "instances" and (names or coding != ClassCoding()):
        raise typer.BadParameter("This option requires --task semantic.", param_hint="--task")
    shape = _shape(architecture, {"base_width": base_width, "growth": growth, "depth": depth}, bool(base))
    _check_name(out)
    # After the checks: wrong usage is answered without waiting for PyTorch.
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
        channel=channel,
        coding=coding,
        class_names=names,
        where=_conditions(where or []),
        resume=resume,
        about=read_author_notes(about) if about else AuthorNotes(),
        command=shlex.join(["napari-unet-nuclei", *sys.argv[1:]]),
    )
    with TerminalProgress(quiet, FINISH) as progress:
        card = train_model(request, progress).card
    figures = ", ".join(f"{name} {text}" for name, text in card.measured.items() if name.startswith(OVERALL))
    typer.echo(f"{out}: {card.training.steps} steps in {card.training.seconds:.0f} s; {figures}")


def _shape(name: str, changed: dict[str, int | float | None], from_base: bool) -> Architecture | None:
    """Return the requested network shape; None to keep that of the base model."""
    given = {part: value for part, value in changed.items() if value is not None}
    if name and name not in ARCHITECTURES:
        raise typer.BadParameter(f"'{name}' is not one of {', '.join(ARCHITECTURES)}.", param_hint="--architecture")
    if from_base and not (name or given):
        return None
    return ARCHITECTURES[name or "compact"].model_copy(update=given)


def _inputs(text: str, task: TaskName, in_channels: int | None) -> tuple[InputName, ...]:
    """Parse the input signals of the network."""
    if not text:
        return ()
    if task == "semantic" or in_channels is not None:
        raise typer.BadParameter("This option is for nuclei only, and excludes --in-channels.", param_hint="--inputs")
    for known in INPUTS:
        if tuple(name.strip() for name in text.split(",")) == known:
            return known
    choices = " or ".join(",".join(known) for known in INPUTS)
    raise typer.BadParameter(f"'{text}' is not {choices}.", param_hint="--inputs")


def _check_name(out: Path) -> None:
    """Check that the file's stem, which becomes the model's name, is valid."""
    if out.suffix != SUFFIX:
        raise typer.BadParameter(f"'{out}' must end in {SUFFIX}.", param_hint="--out")
    try:
        check_model_name(out.stem)
    except SettingsError as error:
        raise typer.BadParameter(str(error), param_hint="--out") from error


def _datasets(paths: Sequence[Path], weights: Sequence[str]) -> tuple[DataSet, ...]:
    """Name the data sets and set their weights."""
    from napari_unet_nuclei.core.train.division import DataSet, named, weighted

    datasets = named([DataSet(path) for path in paths])
    try:
        return weighted(datasets, weights)
    except SettingsError as error:
        raise typer.BadParameter(str(error), param_hint="--weight") from error


def _conditions(where: Sequence[str]) -> tuple[Condition, ...]:
    """Parse the conditions on rows of the index."""
    from napari_unet_nuclei.core.train.layouts import Condition

    try:
        return tuple(Condition.read(text) for text in where)
    except SettingsError as error:
        raise typer.BadParameter(str(error), param_hint="--where") from error
