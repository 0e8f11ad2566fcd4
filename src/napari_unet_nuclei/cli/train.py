"""The subcommand ``train``: a model from a set of labelled images."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import ValidationError

from napari_unet_nuclei.cli.options import Quiet, field_option, settings_options
from napari_unet_nuclei.cli.progress import TerminalProgress
from napari_unet_nuclei.core.errors import OutputFileError
from napari_unet_nuclei.core.model.card import ARCHITECTURES, Architecture, ModelCard, TrainingRecord
from napari_unet_nuclei.core.model.registry import SUFFIX
from napari_unet_nuclei.core.progress import Notice, Share
from napari_unet_nuclei.core.settings import TrainSettings

if TYPE_CHECKING:
    from napari_unet_nuclei.core.train.samples import Sample

TRAIN = "train"
READING_SHARE = 0.02
"""Share of the progress bar that reading the images takes."""
FINISH = "Finishing: training ends with this epoch, and the best weights so far are kept."


@dataclass(frozen=True)
class TrainingFiles:
    """What a training writes: the model, and beside it a row per epoch and the state to go on from."""

    model: Path

    @property
    def history(self) -> Path:
        """CSV with a row per epoch."""
        return self.model.with_suffix(".history.csv")

    @property
    def checkpoint(self) -> Path:
        """Written after every epoch, deleted when the model is there."""
        return self.model.with_suffix(f".checkpoint{SUFFIX}")


@settings_options(TrainSettings)
def train_command(
    dataset: Annotated[
        Path,
        typer.Argument(
            metavar="DATASET",
            help="A CSV file with a column 'image', optionally 'split' (train or val) and 'field', and images/ and "
            "labels/ beside it; or a folder with images/ and labels/; or a folder with ID/images/ and ID/masks/.",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="MODEL.safetensors", help="The model to be.")],
    settings: TrainSettings,
    where: Annotated[
        list[str] | None,
        typer.Option(
            "--where", metavar="COLUMN=VALUE", help="Use only rows of the CSV file with this value; may be repeated."
        ),
    ] = None,
    architecture: Annotated[
        str,
        typer.Option(
            "--architecture",
            metavar="NAME",
            help="compact, or classic: the 23-layer U-Net of Ronneberger et al. 2015, unpadded.",
        ),
    ] = "compact",
    base_width: field_option(Architecture, "base_width") = None,  # type: ignore[valid-type]  # which typer reads
    depth: field_option(Architecture, "depth") = None,  # type: ignore[valid-type]
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the checkpoint of a run that was ended.")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Train a model from nothing.

    Where the data set does not say which images judge the model, some are set aside, never part of a field.
    Writes the model, and beside it a history with a row per epoch. The first Ctrl+C finishes with this epoch and keeps
    the best weights so far; the second cancels, and --resume goes on later from the last epoch.
    """
    files = TrainingFiles(out)
    card = _fresh_card(out, architecture, {"base_width": base_width, "depth": depth})
    _check_outputs(files, resume)
    from napari_unet_nuclei.core.model.file import Model, save_model
    from napari_unet_nuclei.core.train.dataset import read_training_and_validation
    from napari_unet_nuclei.core.train.finish import finish_model
    from napari_unet_nuclei.core.train.reading import InputForm
    from napari_unet_nuclei.core.train.trainer import Trainer

    wanted = _conditions(where or [])
    with TerminalProgress(quiet, FINISH) as progress:
        train, validation = read_training_and_validation(
            dataset,
            InputForm.of_model(card),
            where=wanted,
            seed=settings.seed,
            progress=Share(progress, 0.0, READING_SHARE),
        )
        progress.report(Notice(f"{_count(train)} to learn from, {_count(validation)} to judge with."))
        out.parent.mkdir(parents=True, exist_ok=True)
        trainer = Trainer(card, settings)
        training = Share(progress, READING_SHARE, 1.0)
        result = trainer.fit(train, validation, training, files.checkpoint, files.history)
        progress.report(Notice("Fitting the thresholds on the validation images."))
        model = finish_model(result.network, card, validation, trainer.device, Share(progress, 1.0, 1.0))
    record = TrainingRecord(
        dataset=(dataset if dataset.is_dir() else dataset.parent).resolve().name,
        split=TRAIN,
        images=len(train),
        nuclei=_nuclei(train),
        seed=settings.seed,
        steps=result.steps,
        seconds=round(result.seconds, 1),
        command=shlex.join(["napari-unet-nuclei", *sys.argv[1:]]),
    )
    save_model(out, Model(model.card.model_copy(update={"training": record}), model.network))
    files.checkpoint.unlink(missing_ok=True)
    figures = ", ".join(f"{name} {value:.3f}" for name, value in model.card.metrics.items())
    typer.echo(f"{out}: {result.steps} steps in {result.seconds:.0f} s; {figures}")


def _fresh_card(out: Path, name: str, shape: dict[str, int | None]) -> ModelCard:
    """The card of a model that is to be trained, named after its file."""
    if out.suffix != SUFFIX:
        raise typer.BadParameter(f"'{out}' must end in {SUFFIX}.", param_hint="--out")
    if name not in ARCHITECTURES:
        raise typer.BadParameter(f"'{name}' is not one of {', '.join(ARCHITECTURES)}.", param_hint="--architecture")
    given = {part: value for part, value in shape.items() if value is not None}
    try:
        return ModelCard(name=out.stem, architecture=ARCHITECTURES[name].model_copy(update=given))
    except ValidationError as error:
        raise typer.BadParameter(
            f"'{out.stem}' cannot be a model's name: letters, digits, '.', '_', '-' and spaces only, 80 at most.",
            param_hint="--out",
        ) from error


def _check_outputs(files: TrainingFiles, resume: bool) -> None:
    """Turn away what would overwrite a model or an interrupted run, before anything is computed."""
    if files.model.exists():
        raise OutputFileError(f"{files.model} exists already. Choose another name.")
    if files.checkpoint.exists() and not resume:
        raise OutputFileError(
            f"{files.checkpoint} is left of a run that was ended. Give --resume to go on from there, or delete it."
        )
    if resume and not files.checkpoint.exists():
        raise OutputFileError(f"There is no {files.checkpoint} to go on from. Leave out --resume.")


def _conditions(where: Sequence[str]) -> dict[str, str]:
    """Make of ``COLUMN=VALUE`` texts the choice of rows."""
    wanted = {}
    for text in where:
        column, equals, value = text.partition("=")
        if not equals or not column:
            raise typer.BadParameter(f"'{text}' is not COLUMN=VALUE.", param_hint="--where")
        wanted[column] = value
    return wanted


def _count(samples: Sequence[Sample]) -> str:
    return f"{len(samples)} images with {_nuclei(samples)} nuclei"


def _nuclei(samples: Sequence[Sample]) -> int:
    return sum(int(sample.labels.max(initial=0)) for sample in samples)
