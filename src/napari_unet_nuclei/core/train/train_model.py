"""Train a model: from data sets on disk to a model file with its history and report."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from pydantic import ValidationError

from napari_unet_nuclei.core.arguments import checked
from napari_unet_nuclei.core.classes.coding import ClassCoding
from napari_unet_nuclei.core.errors import OutputFileError, SettingsError
from napari_unet_nuclei.core.files.atomic import remove_remains
from napari_unet_nuclei.core.image.kind import InputName, NetworkInputs
from napari_unet_nuclei.core.model.architecture import CLASS_HEADS, INSTANCE_HEADS, Architecture
from napari_unet_nuclei.core.model.author_notes import AuthorNotes
from napari_unet_nuclei.core.model.card import INSTANCE_INPUTS, ModelCard, TaskName, TrainingRecord, check_model_name
from napari_unet_nuclei.core.model.file import Model, save_model, start_from
from napari_unet_nuclei.core.model.registry import SUFFIX, load_model
from napari_unet_nuclei.core.progress import Notice, Progress, Share, Silent
from napari_unet_nuclei.core.quantity import quantity
from napari_unet_nuclei.core.settings import TrainSettings
from napari_unet_nuclei.core.train.batches import batch_workers
from napari_unet_nuclei.core.train.credits import check_credits, data_sources
from napari_unet_nuclei.core.train.dataset import Samples, check_choice_of_channel, read_divided, read_unseen
from napari_unet_nuclei.core.train.division import DataSet, Divided, divide
from napari_unet_nuclei.core.train.fitting import finish_model
from napari_unet_nuclei.core.train.layouts import TRAIN, Condition
from napari_unet_nuclei.core.train.reading import InputForm, count_channels
from napari_unet_nuclei.core.train.report import TRAINING, UNSEEN, VALIDATION, report_training
from napari_unet_nuclei.core.train.samples import Sample
from napari_unet_nuclei.core.train.semantic import find_class_names
from napari_unet_nuclei.core.train.trainer import Trainer

INHERITED = ("image_kind", "diameter", "percentiles", "thresholds")
"""Card fields that a model inherits from the one it was started from."""

NOT_ON_CARD = ("data_licence", "credits")
"""Fields of `AuthorNotes` that go into the training record instead."""

READ, TRAINED, FINISHED = 0.02, 0.96, 0.98
"""Ends of reading, training and measuring on the progress bar; the report takes the rest."""


@dataclass(frozen=True)
class TrainingFiles:
    """Files that a training writes, named after the model."""

    model: Path

    @property
    def history(self) -> Path:
        """CSV with one row per epoch."""
        return self.model.with_suffix(".history.csv")

    @property
    def report(self) -> Path:
        """HTML page with curves and pictures."""
        return self.model.with_suffix(".report.html")

    @property
    def checkpoint(self) -> Path:
        """State to resume from, written after every epoch and deleted once the model is written."""
        return self.model.with_suffix(f".checkpoint{SUFFIX}")


@dataclass(frozen=True)
class TrainRequest:
    """Describes a training.

    Examples
    --------
    >>> settings = TrainSettings().changed(time=600.0)
    >>> request = TrainRequest((DataSet(Path("dsb2018")), DataSet(Path("ours"), weight=2.0)), Path("mine.safetensors"),
    ...                        settings)
    >>> request.files.report.name
    'mine.report.html'
    """

    datasets: tuple[DataSet, ...]
    out: Path  # ``.safetensors``; its stem becomes the model's name
    settings: TrainSettings = field(default_factory=TrainSettings)
    task: TaskName = "instances"
    architecture: Architecture | None = None  # of ``base`` by default; heads and classes follow from the task
    base: str = ""  # name or path of the model to start from; random weights if empty
    in_channels: int = 0  # 0: for nuclei as ``inputs`` say; for classes as ``base`` or else the first image has
    # Signals that a network for nuclei reads; if empty, those of ``base`` or the default.
    inputs: tuple[InputName, ...] = ()
    channel: str = ""  # with the nuclei, by name or number from 0; if empty, found by name
    coding: ClassCoding = field(default_factory=ClassCoding)  # how labels encode classes
    class_names: tuple[str, ...] = ()  # by id; if empty, derived from the labels
    where: tuple[Condition, ...] = ()  # on columns of an index; data sets without the column are used whole
    resume: bool = False  # from the checkpoint of an interrupted run
    about: AuthorNotes = field(default_factory=AuthorNotes)  # statements for the card
    command: str = ""  # command line, for the card

    @property
    def files(self) -> TrainingFiles:
        """Files that the training writes."""
        return TrainingFiles(self.out)

    def card(self, base: Model | None, form: InputForm, class_names: tuple[str, ...]) -> ModelCard:
        """Build the card before training; raise `SettingsError` if the model's name, or that of a class, is invalid."""
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
            raise SettingsError(f"The model is not valid: {error.errors()[0]['msg']}.") from error


@checked
def train(
    datasets: Path | str | DataSet | Sequence[Path | str | DataSet],
    out: Path | str,
    *,
    task: TaskName = "instances",
    base: str | Path = "",
    architecture: Architecture | None = None,
    in_channels: int = 0,
    inputs: Sequence[InputName] = (),
    channel: str = "",
    coding: ClassCoding | None = None,
    class_names: Sequence[str] = (),
    where: Sequence[str] = (),
    resume: bool = False,
    about: AuthorNotes | None = None,
    progress: Progress | None = None,
    **settings: object,
) -> Model:
    """Train a model on labelled images; write the model, its history and its report.

    Parameters
    ----------
    datasets : Path, str, DataSet or sequence of them
        Folders or CSV indexes of labelled images; a `DataSet` also has a weight.
    out : Path or str
        Model file to write, ``.safetensors``; its stem becomes the model's name.
    task : {"instances", "semantic"}
        Separate nuclei, or classify every pixel.
    base : str or Path
        Model to start from, by name or path; random weights if empty.
    architecture : Architecture, optional
        Network shape; that of ``base``, or the default.
    in_channels : int
        Input channels; 0 to follow ``inputs``, ``base`` or the first image.
    inputs : sequence of {"nuclei", "density"}
        Signals that a network for nuclei reads; those of ``base``, or both, if empty.
    channel : str
        Channel with the nuclei in images that have several, by name or number from 0; found by its name if empty.
    coding : ClassCoding, optional
        How label images store classes.
    class_names : sequence of str
        Names of all classes in the order of their ids; counted in the labels if empty.
    where : sequence of str
        Conditions on columns of a CSV index: ``"stain=DAPI"`` or ``"stain!=DAPI"``.
    resume : bool
        Continue from the checkpoint of an interrupted call.
    about : AuthorNotes, optional
        Description, licence and credits for the model's card.
    progress : Progress, optional
        Receives an event per step and epoch. *Finish* keeps the best weights so far; cancelling leaves a checkpoint.
    **settings
        Fields of `TrainSettings`, for instance ``time=600``.

    Returns
    -------
    Model
        As written to ``out``.

    Raises
    ------
    NucleiError
        As for `train_model`; also if a setting or a condition is invalid.

    Examples
    --------
    >>> from napari_unet_nuclei import Architecture, train, write_class_set
    >>> write_class_set("cells", images=4, shape=(64, 64))
    >>> model = train(
    ...     "cells",
    ...     "cells.safetensors",
    ...     task="semantic",
    ...     class_names=("background", "round", "elongated", "debris"),
    ...     architecture=Architecture(base_width=4, depth=2),
    ...     steps=2,
    ...     crop=32,
    ...     batch=2,
    ...     device="cpu",
    ... )
    >>> model.card.classes
    ('background', 'round', 'elongated', 'debris')
    """
    given = [datasets] if isinstance(datasets, str | os.PathLike | DataSet) else datasets
    request = TrainRequest(
        datasets=tuple(one if isinstance(one, DataSet) else DataSet(Path(one)) for one in given),
        out=Path(out),
        settings=TrainSettings().changed(**settings),
        task=task,
        architecture=architecture,
        base=str(base),
        in_channels=in_channels,
        inputs=tuple(inputs),
        channel=channel,
        coding=coding or ClassCoding(),
        class_names=tuple(class_names),
        where=tuple(Condition.read(text) for text in where),
        resume=resume,
        about=about or AuthorNotes(),
    )
    return train_model(request, progress or Silent())


def train_model(request: TrainRequest, progress: Progress) -> Model:
    """Train a model on labelled images, and write it with its history and report.

    *Finish* ends with the current epoch and keeps the best weights; cancelling leaves a checkpoint to resume from. The
    errors are those of `train`: `OutputFileError` if the model exists, or a checkpoint although ``resume`` is not set;
    `DatasetError` or `NoSamplesError`, which name the file; `TrainingDivergedError`; `UnknownModelError` or
    `ModelFileError` for the model to start from.
    """
    files = request.files
    _check_outputs(files, request.resume)
    check_model_name(request.out.stem)
    remove_remains((files.model, files.history, files.report, files.checkpoint))
    _check_effects(request)
    base = load_model(request.base) if request.base else None
    if base is not None:
        _ = base.unet  # before anything is read: raises where there is none that could be trained
    named = InputForm(NetworkInputs((), request.in_channels or 1))
    request.card(base, named, _names(request, base, ("a", "b")))  # reject invalid names before reading anything
    divided = divide(request.datasets, request.where, seed=request.settings.seed)
    check_credits(divided, request.about)
    if request.channel:
        check_choice_of_channel([entry.image for one in divided for entry in one.entries], request.channel)
    form = _input_form(request, base, divided)
    training, validation = read_divided(divided, form, Share(progress, 0.0, READ))
    # Images for the report are read now, so that a bad file does not end a long run.
    parts = {TRAINING: training, VALIDATION: validation, UNSEEN: read_unseen(divided, form)}
    progress.report(Notice(f"{_count(request, training)} for training, {_count(request, validation)} for validation."))
    found = find_class_names([*training, *validation]) if form.classes and not form.classes.classes else ()
    card = request.card(base, form, _names(request, base, found))
    trainer = Trainer(card, request.settings, start_from(base, card.trainable) if base else None)
    share, workers = Share(progress, READ, TRAINED), batch_workers(trainer.device)
    result = trainer.fit(training, validation, share, files.checkpoint, files.history, workers)
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
    report_training(files.report, model, result.history, parts, trainer.device, Share(progress, FINISHED, 1.0))
    # Not before all is safe on disk.
    files.checkpoint.unlink(missing_ok=True)
    return model


def _commit() -> str:
    """Return the commit of this program's source if it runs from its own git checkout."""
    folder = Path(__file__).parent
    if shutil.which("git") is None:
        return ""
    # An installed copy may lie in an environment inside someone else's checkout, whose commit says nothing.
    tracked = subprocess.run(["git", "ls-files", "--error-unmatch", __file__], cwd=folder, capture_output=True)
    if tracked.returncode:
        return ""
    return subprocess.run(["git", "rev-parse", "HEAD"], cwd=folder, capture_output=True, text=True).stdout.strip()


def _check_effects(request: TrainRequest) -> None:
    """Raise SettingsError before anything is read if something that was asked for would have no effect."""
    if request.settings.layers != "all" and not request.base:
        raise SettingsError(
            f"Layers '{request.settings.layers}' alone are trained of a model that was trained before: give that as "
            "base, or leave the layers out."
        )
    if request.settings.augmentation == 0 and request.settings.microscope != 1:
        raise SettingsError("'microscope' has no effect without augmentation: leave it out, or raise 'augmentation'.")
    if request.task == "instances" and (request.class_names or request.coding != ClassCoding()):
        raise SettingsError("Class names, and how labels encode classes, have an effect on the task semantic alone.")
    if request.channel and (request.task == "semantic" or request.in_channels > 1):
        raise SettingsError(
            f"The network reads all channels, so choosing {request.channel} has no effect: leave that out."
        )
    if request.inputs and (request.task == "semantic" or request.in_channels):
        raise SettingsError("Inputs are chosen for a network for nuclei, and say how many channels it has.")
    if len(request.datasets) == 1 and request.datasets[0].weight != 1:
        raise SettingsError("A weight says how often a data set is drawn beside others, and there is only one.")


def _check_outputs(files: TrainingFiles, resume: bool) -> None:
    """Raise before anything is computed if files would be overwritten, or there is nothing to resume."""
    if files.model.suffix != SUFFIX:
        raise OutputFileError(f"{files.model} must end in {SUFFIX}.")
    # Where both are there, the run was interrupted after its model was written: the report is missing.
    if files.model.exists() and not (resume and files.checkpoint.exists()):
        raise OutputFileError(f"{files.model} exists already. Choose another name.")
    if files.checkpoint.exists() and not resume:
        raise OutputFileError(
            f"{files.checkpoint} was left by an interrupted run. Add --resume to continue that run, or delete the file."
        )
    if resume and not files.checkpoint.exists():
        raise OutputFileError(f"There is no {files.checkpoint} to resume from. Omit --resume.")


def _input_form(request: TrainRequest, base: Model | None, divided: Sequence[Divided]) -> InputForm:
    """Return how to read images and labels."""
    channels = request.in_channels or (base.card.architecture.in_channels if base else 0)
    percentiles = (base.card if base else ModelCard(name="any")).percentiles
    if request.task == "instances":
        inputs = NetworkInputs(_signals(request, base), channels or 1)
        return InputForm(inputs, request.channel or None, percentiles)
    channels = channels or count_channels(next(entry.image for one in divided for entry in one.training))
    classes = len(_names(request, base, ()))
    inputs = NetworkInputs((), channels)
    return InputForm(inputs, percentiles=percentiles, classes=replace(request.coding, classes=classes))


def _signals(request: TrainRequest, base: Model | None) -> tuple[InputName, ...]:
    """Return the nuclear signals that the network reads; none if it reads raw channels."""
    if request.inputs:
        return request.inputs
    if request.in_channels:
        return ("nuclei",) if request.in_channels == 1 else ()
    return base.card.network_inputs.names if base else INSTANCE_INPUTS


def _names(request: TrainRequest, base: Model | None, found: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names of the classes: as requested, else those of ``base``, else as found in the labels."""
    if request.task == "instances":
        return ()
    return request.class_names or (base.card.classes if base else ()) or found


def _count(request: TrainRequest, samples: Samples) -> str:
    images = quantity(len(samples), "image")
    if request.task == "semantic":
        return images
    return f"{images} with {quantity(sum(_nuclei(request, samples)), 'nucleus', 'nuclei')}"


def _nuclei(request: TrainRequest, samples: Sequence[Sample]) -> list[int]:
    """Count the nuclei of each sample; 0 for classes."""
    return [0 if request.task == "semantic" else int(sample.labels.max(initial=0)) for sample in samples]
