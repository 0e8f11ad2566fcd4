"""What is killed: each kind of work that writes, on inputs so small that it takes a second or two."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
import torch

from napari_unet_nuclei.core.blocks import plan as block_plan
from napari_unet_nuclei.core.blocks.segment import segment_blockwise
from napari_unet_nuclei.core.corrections.store import (
    list_corrections,
    read_correction,
    remove_correction,
    save_correction,
)
from napari_unet_nuclei.core.errors import DatasetError, ModelFileError, OutputFileError, UnknownModelError
from napari_unet_nuclei.core.files.atomic import atomic
from napari_unet_nuclei.core.finetune.folders import finetune
from napari_unet_nuclei.core.finetune.from_layers import finetune_corrections
from napari_unet_nuclei.core.finetune.request import CorrectionsRequest
from napari_unet_nuclei.core.finetune.undecided import keep, list_undecided, undecided_folder
from napari_unet_nuclei.core.folder.run import segment_files
from napari_unet_nuclei.core.model.architecture import Architecture
from napari_unet_nuclei.core.model.file import read_model
from napari_unet_nuclei.core.model.registry import ModelRegistry
from napari_unet_nuclei.core.progress import Progress, Silent
from napari_unet_nuclei.core.samples.synthetic import time_series
from napari_unet_nuclei.core.samples.synthetic_classes import write_class_set
from napari_unet_nuclei.core.segment.template import RequestTemplate
from napari_unet_nuclei.core.settings import BatchSettings, FinetuneSettings, SegmentSettings
from napari_unet_nuclei.core.train.train_model import train
from tests.helpers.block_images import BLOCK, request_of
from tests.helpers.block_images import write_image as write_slide
from tests.helpers.block_stacks import BLOCK as VOLUME_BLOCK
from tests.helpers.block_stacks import request_of_stack, write_stack
from tests.helpers.corrections import drawn_correction
from tests.helpers.datasets import write_folders
from tests.helpers.program import write_image
from tests.helpers.tiny import write_tiny_model

MODEL = "model.safetensors"
Step = Callable[[Path], object]


@dataclass(frozen=True)
class Work:
    """Something that writes files.

    Attributes
    ----------
    name : str
    kills : int
        How often it is killed.
    prepare : callable
        Writes what is there before into an empty folder.
    do : callable
        Does the work in that folder; called again, it goes on.
    compared : tuple of str
        Endings of files that must be the same after each run.
    passing : tuple of str
        Endings of files that are neither as before nor as afterwards in between: they must only be whole.
    look : callable
        Raises unless what is in the folder can be used, whatever has happened.
    state : callable
        What a user sees of the work's results; the same after each run.
    names_differ : bool
        Names of files differ between undisturbed runs: only ``state`` is compared, and that nothing is half-written.
    """

    name: str
    kills: int
    prepare: Step
    do: Step
    compared: tuple[str, ...] = ()
    passing: tuple[str, ...] = ()
    look: Step = lambda folder: None
    state: Step = lambda folder: None
    names_differ: bool = False


def one_after_the_other(*steps: Step) -> Step:
    """Return work of several steps, which goes on at the step in which it was killed."""

    def do(folder: Path) -> None:
        noted = steps_noted(folder)
        for number in range(int(noted.read_text()) if noted.exists() else 0, len(steps)):
            with atomic(noted) as partial:
                partial.write_text(str(number))
            steps[number](folder)

    return do


def steps_noted(folder: Path) -> Path:
    """Return the file with the step that was begun last: what a user remembers, beside what the program keeps."""
    return Path(tempfile.gettempdir()) / f"endurance-{sha256(os.fsencode(folder)).hexdigest()[:16]}.step"


def template(folder: Path) -> RequestTemplate:
    """Ask for nuclei by the small model."""
    return RequestTemplate(SegmentSettings().changed(diameter=24.0, device="cpu"), str(folder / MODEL))


# Runs over folders.


def prepare_folder(folder: Path) -> None:
    """Write three images and a model."""
    write_tiny_model(folder / MODEL)
    for seed in range(3):
        write_image(folder / "in" / f"{seed}.png", seed)


def do_folder(folder: Path) -> None:
    """Segment them with all outputs."""
    batch = BatchSettings(rois=True, geojson=True, overlay=True)
    report = segment_files([folder / "in"], folder / "out", template(folder), batch=batch)
    assert not report.failed, report.failed


def prepare_movie(folder: Path) -> None:
    """Write a movie and a model."""
    write_tiny_model(folder / MODEL)
    (folder / "in").mkdir()
    movie = np.ascontiguousarray(time_series().image[:4, :128, :128])
    tifffile.imwrite(folder / "in" / "movie.tif", movie, imagej=True, metadata={"axes": "TYX"})


def do_movie(folder: Path) -> None:
    """Segment and follow it."""
    batch = BatchSettings(follow=True)
    report = segment_files([folder / "in"], folder / "out", template(folder), batch=batch)
    assert not report.failed, report.failed


# Slides and volumes, block by block.


def prepare_slide(folder: Path) -> None:
    """Write a slide and a model."""
    write_tiny_model(folder / MODEL)
    write_slide(folder / "slide.ome.zarr", 3)


def do_slide(folder: Path, progress: Progress | None = None) -> None:
    """Label it, with its table."""
    block_plan.SMALLEST_HALO, block_plan.HALO_DIAMETERS = 64, 3
    request = replace(request_of(folder / "slide.ome.zarr", diameter=22.0), model=str(folder / MODEL))
    out, table = folder / "labels.ome.zarr", folder / "table.csv"
    segment_blockwise(request, out, progress or Silent(), block=BLOCK, table=table)


def do_into_slide(folder: Path) -> None:
    """Label it in its own store."""
    block_plan.SMALLEST_HALO, block_plan.HALO_DIAMETERS = 64, 3
    request = replace(request_of(folder / "slide.ome.zarr", diameter=22.0), model=str(folder / MODEL))
    segment_blockwise(request, folder / "slide.ome.zarr", Silent(), block=BLOCK, into_image=True)


def prepare_volume(folder: Path) -> None:
    """Write a stack and a model."""
    write_tiny_model(folder / MODEL)
    write_stack(folder / "stack.ome.zarr")


def do_volume(folder: Path) -> None:
    """Label it in three dimensions, with its table."""
    request = replace(request_of_stack(folder / "stack.ome.zarr"), model=str(folder / MODEL))
    segment_blockwise(request, folder / "labels.ome.zarr", Silent(), block=VOLUME_BLOCK, table=folder / "table.csv")


# Training and fine-tuning.


def prepare_training(folder: Path) -> None:
    """Write a data set of classes."""
    write_class_set(folder / "cells", images=4, shape=(64, 64))


def do_training(folder: Path) -> None:
    """Train a small network for six epochs of a step, or go on."""
    out = folder / "trained.safetensors"
    resume = out.with_suffix(".checkpoint.safetensors").exists()
    if out.exists() and not resume:
        return
    train(
        folder / "cells",
        out,
        task="semantic",
        architecture=Architecture(base_width=2, depth=1),
        resume=resume,
        steps=6,
        epoch_steps=1,
        batch=1,
        crop=32,
        device="cpu",
    )


def look_at_training(folder: Path) -> None:
    """Read the model, if it is there."""
    if (folder / "trained.safetensors").exists():
        read_model(folder / "trained.safetensors")


FINETUNING: dict[str, Any] = {"steps": 2, "epoch_steps": 1, "rehearsal": False, "device": "cpu"}


def prepare_finetuning(folder: Path) -> None:
    """Write corrected images and a model."""
    write_tiny_model(folder / MODEL)
    (folder / "corrected").mkdir()
    write_folders(folder / "corrected", "a", "b")


def do_finetuning(folder: Path) -> None:
    """Fine-tune the model, unless it is done."""
    out = folder / "tuned.safetensors"
    if not out.exists():
        corrected = folder / "corrected"
        finetune(
            folder / MODEL,
            corrected / "images",
            corrected / "labels",
            out,
            keep_doubtful=True,
            keep_worse=True,
            **FINETUNING,
        )


def look_at_finetuning(folder: Path) -> None:
    """Read the model, if it is there."""
    if (folder / "tuned.safetensors").exists():
        read_model(folder / "tuned.safetensors")


# Corrections, and what is made of them.


def prepare_corrections(folder: Path) -> None:
    """Save a correction."""
    save_correction(folder / "store", drawn_correction("kept", 0))
    save_correction(folder / "store", drawn_correction("changed", 1))


def _save(name: str, seed: int) -> Step:
    return lambda folder: save_correction(folder / "store", drawn_correction(name, seed))


def _remove_correction(name: str) -> Step:
    def remove(folder: Path) -> None:
        with suppress(DatasetError):  # removed already
            remove_correction(folder / "store", name)

    return remove


def corrections_in(folder: Path) -> object:
    """Return what is said of each correction, and what its labels sum up to."""
    store = folder / "store"
    return {
        entry.name: int(np.asarray(read_correction(store, entry.name).labels, np.int64).sum())
        for entry in list_corrections(store)
    }


def look_at_corrections(folder: Path) -> None:
    """Read all corrections: those that were not changed are there, and the changed ones as before or after."""
    found = corrections_in(folder)
    assert isinstance(found, dict)
    assert {"kept"} <= set(found), found


def prepare_undecided(folder: Path) -> None:
    """Write a model, and corrections that were saved before."""
    registry_of(folder).own.mkdir()
    write_tiny_model(folder / MODEL)


def _finetune_corrections(folder: Path) -> None:
    """Save corrections, fine-tune on them, and store the new model until the user decides."""
    if list_undecided(undecided_folder(folder / "store")):
        return
    request = CorrectionsRequest(
        base=str(folder / MODEL),
        corrections=(drawn_correction("one", 1), drawn_correction("two", 2)),
        name="new",
        folder=folder / "store",
        settings=FinetuneSettings().changed(**FINETUNING),
    )
    outcome = finetune_corrections(request, Silent())
    if outcome.undecided is None:  # the window then offers to write it once more
        raise OutputFileError(outcome.problem)


def _keep(folder: Path) -> None:
    """Install what waits."""
    for one in list_undecided(undecided_folder(folder / "store")):
        keep(one, registry_of(folder))


def undecided_in(folder: Path) -> object:
    """Return what is installed, what waits, and what was corrected."""
    waiting = [one.result.name for one in list_undecided(undecided_folder(folder / "store"))]
    return models_in(folder), waiting, corrections_in(folder)


# The registry of models.


def registry_of(folder: Path) -> ModelRegistry:
    """Return a registry without bundled models."""
    return ModelRegistry(folder / "models", folder / "none")


def prepare_registry(folder: Path) -> None:
    """Write two model files, and install a third."""
    for seed, name in enumerate(("one", "two", "three")):
        write_tiny_model(folder / f"{name}.safetensors", name, seed=seed)
    registry_of(folder).add(folder / "three.safetensors")


def _add(file: str, name: str) -> Step:
    def add(folder: Path) -> None:
        try:
            registry_of(folder).add(folder / f"{file}.safetensors", name)
        except ModelFileError as error:
            if "installed already" not in str(error):
                raise

    return add


def _rename(name: str, new: str) -> Step:
    def rename(folder: Path) -> None:
        if registry_of(folder).holder(new) is None:
            registry_of(folder).rename(name, new)

    return rename


def _remove_model(name: str) -> Step:
    def remove(folder: Path) -> None:
        with suppress(UnknownModelError):
            registry_of(folder).remove(name)

    return remove


def models_in(folder: Path) -> object:
    """Return names and weights of all models."""
    return {entry.name: entry.card.weights_hash for entry in registry_of(folder).list()}


def look_at_registry(folder: Path) -> None:
    """Load all models: none is there twice, and none was lost."""
    hashes = [read_model(entry.path).card.weights_hash for entry in registry_of(folder).list()]
    assert hashes, "the installed model is gone"
    assert len(hashes) == len(set(hashes)), f"a model is there twice: {models_in(folder)}"


def _exported(folder: Path) -> None:
    registry_of(folder).export("2", folder / "exported.safetensors")


OUTPUTS = ("_labels.tif", "_table.csv", ".zip", ".geojson")
STORE = ("/c/0/0", "table.csv")

WORKS = (
    Work("folder", 40, prepare_folder, do_folder, OUTPUTS),
    Work("movie", 20, prepare_movie, do_movie, ("_labels.tif", "_table.csv"), passing=("_labels.tif", "_table.csv")),
    Work("slide", 30, prepare_slide, do_slide, STORE),
    Work("labels into a slide", 15, prepare_slide, do_into_slide, ("/c/0/0",)),
    Work("volume", 15, prepare_volume, do_volume, ("/c/0/0/0", "table.csv")),
    Work("training", 25, prepare_training, do_training, ("trained.safetensors",), look=look_at_training),
    Work("fine-tuning", 15, prepare_finetuning, do_finetuning, ("tuned.safetensors",), look=look_at_finetuning),
    Work(
        "corrections",
        40,
        prepare_corrections,
        one_after_the_other(
            _save("changed", 2), _save("new", 3), _save("changed", 4), _remove_correction("new"), _save("last", 5)
        ),
        (".tif",),
        passing=("index.json",),
        look=look_at_corrections,
        state=corrections_in,
    ),
    Work(
        "corrections to a new model, kept",
        20,
        prepare_undecided,
        one_after_the_other(_finetune_corrections, _keep),
        state=undecided_in,
        look=lambda folder: corrections_in(folder),
        names_differ=True,
    ),
    Work(
        "registry",
        40,
        prepare_registry,
        one_after_the_other(
            _add("one", ""),
            _add("two", "second"),
            _rename("second", "2"),
            _exported,
            _remove_model("one"),
            _rename("three", "3"),
        ),
        (".safetensors",),
        look=look_at_registry,
        state=models_in,
        names_differ=True,  # a model may lie in a file of its former name
    ),
)

# One thread, or training does not repeat to the bit.
torch.set_num_threads(1)
