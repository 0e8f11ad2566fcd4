"""The verb *train*: from a data set on disk to a model file, with its history and its report beside it."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from pydantic import ValidationError

from napari_unet_nuclei.core.classes.coding import ClassCoding
from napari_unet_nuclei.core.errors import OutputFileError, SettingsError
from napari_unet_nuclei.core.image.kind import InputName, NetworkInputs
from napari_unet_nuclei.core.model.about import About
from napari_unet_nuclei.core.model.card import (
    CLASS_HEADS,
    INSTANCE_HEADS,
    INSTANCE_INPUTS,
    Architecture,
    ModelCard,
    TaskName,
    TrainingRecord,
)
from napari_unet_nuclei.core.model.file import Model, save_model
from napari_unet_nuclei.core.model.registry import SUFFIX, load_model
from napari_unet_nuclei.core.model.warm_start import start_from
from napari_unet_nuclei.core.progress import Notice, Progress, Share
from napari_unet_nuclei.core.settings import TrainSettings
from napari_unet_nuclei.core.train.course import TRAINING, UNSEEN, VALIDATION, report_training
from napari_unet_nuclei.core.train.credits import check_credits, data_sources
from napari_unet_nuclei.core.train.dataset import Samples, read_divided, read_unseen
from napari_unet_nuclei.core.train.division import TRAIN, DataSet, Divided, divide
from napari_unet_nuclei.core.train.last_step import finish_model
from napari_unet_nuclei.core.train.layouts import Condition
from napari_unet_nuclei.core.train.reading import InputForm, count_channels
from napari_unet_nuclei.core.train.samples import Sample
from napari_unet_nuclei.core.train.semantic import find_class_names
from napari_unet_nuclei.core.train.trainer import Trainer

INHERITED = ("image_kind", "diameter", "percentiles", "thresholds")
"""Fields that the card of a model has from the one it was started from."""

NOT_ON_CARD = ("data_licence", "credits")
"""Fields of `About` that the training record takes up."""

READ, TRAINED, FINISHED = 0.02, 0.96, 0.98
"""Where reading, training and measuring the model end on the progress bar; the report has the rest."""


@dataclass(frozen=True)
class TrainingFiles:
    """What a training writes: the model, and beside it a row per epoch, a report, and the state to go on from."""

    model: Path

    @property
    def history(self) -> Path:
        """CSV with a row per epoch."""
        return self.model.with_suffix(".history.csv")

    @property
    def report(self) -> Path:
        """HTML with curves and pictures."""
        return self.model.with_suffix(".report.html")

    @property
    def checkpoint(self) -> Path:
        """Written after every epoch, deleted when the model is there."""
        return self.model.with_suffix(f".checkpoint{SUFFIX}")


@dataclass(frozen=True)
class TrainRequest:
    """What is to be learnt, from what, and how.

    Attributes
    ----------
    datasets : tuple of DataSet
        One or several.
    out : Path
        The model file to be, ``.safetensors``; its stem becomes the model's name.
    settings : TrainSettings
    task : {"instances", "semantic"}
        Tell nuclei apart, or tell the class of every pixel.
    architecture : Architecture, optional
        The network's shape; its heads and classes follow from the task. That of ``base`` where not given, or the
        default.
    base : str
        Name or path of a model to start from; fresh weights where empty.
    in_channels : int
        Channels of the input. 0 stands for what ``inputs`` say where nuclei are to be told apart, and where classes
        are, for those of ``base``, or else of the first image.
    inputs : tuple of InputName
        Nuclear signals that a network for nuclei reads; those of ``base``, or the default, where empty.
    coding : ClassCoding
        How labels tell classes.
    class_names : tuple of str
        Names of all classes by their ids; found out from the labels where empty.
    where : tuple of Condition
        What columns of an index must be; holds for the data sets that have the column.
    resume : bool
        Go on from the checkpoint of a run that was ended.
    about : About
        What a person says of the model, for its card.
    command : str
        For the card as well.
    """

    datasets: tuple[DataSet, ...]
    out: Path
    settings: TrainSettings = field(default_factory=TrainSettings)
    task: TaskName = "instances"
    architecture: Architecture | None = None
    base: str = ""
    in_channels: int = 0
    inputs: tuple[InputName, ...] = ()
    coding: ClassCoding = field(default_factory=ClassCoding)
    class_names: tuple[str, ...] = ()
    where: tuple[Condition, ...] = ()
    resume: bool = False
    about: About = field(default_factory=About)
    command: str = ""

    @property
    def files(self) -> TrainingFiles:
        """What is written."""
        return TrainingFiles(self.out)

    def card(self, base: Model | None, form: InputForm, class_names: tuple[str, ...]) -> ModelCard:
        """Return the card of the model before it is trained.

        Raises
        ------
        SettingsError
            If its name, or that of a class, cannot be one.
        """
        shape = self.architecture or (base.card.architecture if base else Architecture())
        heads = CLASS_HEADS if self.task == "semantic" else INSTANCE_HEADS
        kept = {name: getattr(base.card, name) for name in INHERITED} if base else {}
        kept |= {name: value for name, value in self.about if value and name not in NOT_ON_CARD}
        parent = f"{base.card.name} {base.card.weights_hash}" if base else ""
        try:
            changed = {"in_channels": form.channels, "heads": heads, "classes": len(class_names)}
            architecture = Architecture.model_validate(shape.model_dump() | changed)
            return ModelCard(
                name=self.out.stem,
                task=self.task,
                classes=class_names,
                architecture=architecture,
                inputs=form.inputs.names,
                parent=parent,
                **kept,
            )
        except ValidationError as error:
            problem = error.errors()[0]
            what = f"'{self.out.stem}' cannot be a model's name" if problem["loc"] == ("name",) else "No such model"
            raise SettingsError(f"{what}: {problem['msg']}.") from error


def train_model(request: TrainRequest, progress: Progress) -> Model:
    """Train a model from a data set.

    Parameters
    ----------
    request : TrainRequest
    progress : Progress
        *Finish* ends with the epoch and keeps the best weights; cancelling leaves the checkpoint to resume from.

    Returns
    -------
    Model
        As it was written to ``request.out``.

    Raises
    ------
    OutputFileError
        If the model is there already, or a checkpoint though `resume` was not asked for.
    DatasetError, NoSamplesError
        If the data set cannot be used; the message names the file.
    TrainingDivergedError
        If there is no good model to keep.
    UnknownModelError, ModelFileError
        If there is no model to start from, or it is of another shape.
    """
    files = request.files
    _check_outputs(files, request.resume)
    base = load_model(request.base) if request.base else None
    named = InputForm(NetworkInputs((), request.in_channels or 1))
    request.card(base, named, _names(request, base, ("a", "b")))  # a wrong name is refused before all else
    divided = divide(request.datasets, request.where, seed=request.settings.seed)
    check_credits(divided, request.about)
    form = _input_form(request, base, divided)
    training, validation = read_divided(divided, form, Share(progress, 0.0, READ))
    parts = {TRAINING: training, VALIDATION: validation}
    parts[UNSEEN] = read_unseen(divided, form)  # now: a bad file is to end no long run
    progress.report(Notice(f"{_count(request, training)} to learn from, {_count(request, validation)} to judge with."))
    found = find_class_names([*training, *validation]) if form.classes and not form.classes.classes else ()
    card = request.card(base, form, _names(request, base, found))
    trainer = Trainer(card, request.settings, start_from(base, card.architecture) if base else None)
    result = trainer.fit(training, validation, Share(progress, READ, TRAINED), files.checkpoint, files.history)
    progress.report(Notice("Measuring the model on the validation images."))
    share = Share(progress, TRAINED, FINISHED)
    model = finish_model(result.network, card, validation, trainer.device, share, training)
    nuclei = _nuclei(request, training)
    record = TrainingRecord(
        datasets=data_sources(divided, nuclei, request.about, base.card if base else None),
        split=TRAIN,
        images=len(training),
        nuclei=sum(nuclei),
        seed=request.settings.seed,
        steps=result.steps,
        seconds=round(result.seconds, 1),
        commit=_commit(),
        command=request.command,
    )
    model = replace(model, card=model.card.model_copy(update={"training": record}))
    model = replace(model, card=save_model(request.out, model))
    files.checkpoint.unlink(missing_ok=True)
    report_training(files.report, model, result.history, parts, trainer.device, Share(progress, FINISHED, 1.0))
    return model


def _commit() -> str:
    """Commit of this program's source, where it runs from a git checkout of its own."""
    folder = Path(__file__).parent
    if shutil.which("git") is None:
        return ""
    tracked = subprocess.run(["git", "ls-files", "--error-unmatch", __file__], cwd=folder, capture_output=True)
    if tracked.returncode:
        return ""
    return subprocess.run(["git", "rev-parse", "HEAD"], cwd=folder, capture_output=True, text=True).stdout.strip()


def _check_outputs(files: TrainingFiles, resume: bool) -> None:
    """Turn away what would overwrite a model or an interrupted run, before anything is computed."""
    if files.model.suffix != SUFFIX:
        raise OutputFileError(f"{files.model} must end in {SUFFIX}.")
    if files.model.exists():
        raise OutputFileError(f"{files.model} exists already. Choose another name.")
    if files.checkpoint.exists() and not resume:
        raise OutputFileError(
            f"{files.checkpoint} is left of a run that was ended. Give --resume to go on from there, or delete it."
        )
    if resume and not files.checkpoint.exists():
        raise OutputFileError(f"There is no {files.checkpoint} to go on from. Leave out --resume.")


def _input_form(request: TrainRequest, base: Model | None, divided: Sequence[Divided]) -> InputForm:
    """How images and labels are to be read."""
    channels = request.in_channels or (base.card.architecture.in_channels if base else 0)
    percentiles = (base.card if base else ModelCard(name="any")).percentiles
    if request.task == "instances":
        return InputForm(NetworkInputs(_signals(request, base), channels or 1), percentiles=percentiles)
    channels = channels or count_channels(next(entry.image for one in divided for entry in one.training))
    classes = len(_names(request, base, ()))
    inputs = NetworkInputs((), channels)
    return InputForm(inputs, percentiles=percentiles, classes=replace(request.coding, classes=classes))


def _signals(request: TrainRequest, base: Model | None) -> tuple[InputName, ...]:
    """Nuclear signals that the network reads; none where it reads the image's own channels."""
    if request.inputs:
        return request.inputs
    if request.in_channels:
        return ("nuclei",) if request.in_channels == 1 else ()
    return base.card.network_inputs.names if base else INSTANCE_INPUTS


def _names(request: TrainRequest, base: Model | None, found: tuple[str, ...]) -> tuple[str, ...]:
    """Names of the classes: as given, else as the model to start from has them, else as they were found."""
    if request.task == "instances":
        return ()
    return request.class_names or (base.card.classes if base else ()) or found


def _count(request: TrainRequest, samples: Samples) -> str:
    images = "1 image" if len(samples) == 1 else f"{len(samples)} images"
    return images if request.task == "semantic" else f"{images} with {sum(_nuclei(request, samples))} nuclei"


def _nuclei(request: TrainRequest, samples: Sequence[Sample]) -> list[int]:
    """Count the nuclei of each sample; 0 of classes."""
    return [0 if request.task == "semantic" else int(sample.labels.max(initial=0)) for sample in samples]
