from __future__ import annotations

import signal
import subprocess
import sys
from dataclasses import replace

import imageio.v3 as iio
import numpy as np
import pytest

from napari_unet_nuclei.core.corrections.store import list_corrections, read_correction, save_correction
from napari_unet_nuclei.core.errors import NoSamplesError, OutputFileError
from napari_unet_nuclei.core.finetune import from_layers as module
from napari_unet_nuclei.core.finetune.from_layers import finetune_corrections, sample_of, write_outcome
from napari_unet_nuclei.core.finetune.request import CorrectionsRequest
from napari_unet_nuclei.core.finetune.undecided import list_undecided
from napari_unet_nuclei.core.progress import Cancelled, Silent
from napari_unet_nuclei.core.settings import FinetuneSettings
from napari_unet_nuclei.core.train.reading import InputForm
from tests.helpers.corrections import drawn_correction
from tests.helpers.recording import RecordingProgress
from tests.helpers.samples import fluorescent_nuclei
from tests.helpers.tiny import write_tiny_model

SETTINGS = FinetuneSettings().changed(steps=2, epoch_steps=2, rehearsal=False, device="cpu")


@pytest.fixture
def lesson(tmp_path) -> CorrectionsRequest:
    write_tiny_model(tmp_path / "old.safetensors", "old")
    for before in (drawn_correction("earlier", 1), drawn_correction("now", 0)):
        save_correction(tmp_path / "corrections", before)
    return CorrectionsRequest(
        base=str(tmp_path / "old.safetensors"),
        name="new",
        corrections=(drawn_correction("now", 0),),
        kept=("earlier", "now"),
        settings=SETTINGS,
        folder=tmp_path / "corrections",
    )


def waiting(lesson: CorrectionsRequest):
    return list_undecided(lesson.folder / "undecided")


def test_corrections_of_now_and_of_before_teach_once_each(lesson):
    progress = RecordingProgress()
    taught = finetune_corrections(lesson, progress)
    card = taught.done.chosen.model.card
    assert {one.name for one in (*taught.done.division.training, *taught.done.division.judging)} == {"earlier", "now"}
    assert card.name == "new"
    assert waiting(lesson) == (taught.undecided,)
    assert taught.undecided.result.base == "old"
    assert progress.fractions[-1] == 1.0


def test_reference_images_come_from_a_folder(lesson, tmp_path):
    for name in ("images", "labels"):
        (tmp_path / "reference" / name).mkdir(parents=True)
    drawn = fluorescent_nuclei(5, (64, 64), 14, 8)
    iio.imwrite(tmp_path / "reference" / "images" / "a.tif", drawn.image)
    iio.imwrite(tmp_path / "reference" / "labels" / "a.tif", drawn.labels)
    taught = finetune_corrections(replace(lesson, reference=tmp_path / "reference"), Silent())
    assert taught.undecided.result.comparisons[-1].title == "Reference images"


@pytest.mark.parametrize("moment", [1, 3, 6, "last"])
def test_cancelling_keeps_the_corrections_and_nothing_else(lesson, moment):
    if moment == "last":
        progress = RecordingProgress()
        undecided = finetune_corrections(lesson, progress).undecided
        moment = len(progress.events)
        module.discard(undecided)
    with pytest.raises(Cancelled):
        finetune_corrections(lesson, RecordingProgress(cancel_after=moment))
    assert [entry.name for entry in list_corrections(lesson.folder)] == ["earlier", "now"]
    assert waiting(lesson) == ()
    assert not list((lesson.folder / "undecided").glob("*"))


def test_corrections_are_kept_before_anything_can_go_wrong(lesson):
    empty = replace(drawn_correction("later", 3), labels=np.zeros((64, 64), np.int32))
    with pytest.raises(NoSamplesError):
        finetune_corrections(replace(lesson, corrections=(empty,), kept=()), Silent())
    assert any(entry.name.startswith("later") for entry in list_corrections(lesson.folder))


def test_a_model_that_cannot_be_written_is_not_lost(lesson, monkeypatch):
    def full(*_: object) -> None:
        raise OutputFileError("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(module, "write_undecided", full)
        taught = finetune_corrections(lesson, Silent())
    assert taught.undecided is None
    assert taught.problem == "the disk is full"
    again = write_outcome(taught.done, taught.base, lesson.folder, Silent())
    assert waiting(lesson) == (again.undecided,)


def test_a_kill_during_training_leaves_the_corrections_and_nothing_half_written(lesson):
    program = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from napari_unet_nuclei.core.finetune.request import CorrectionsRequest\n"
        "from napari_unet_nuclei.core.finetune.from_layers import finetune_corrections\n"
        "from napari_unet_nuclei.core.progress import Advanced, Silent\n"
        "from napari_unet_nuclei.core.settings import FinetuneSettings\n"
        "from tests.helpers.corrections import drawn_correction\n"
        "class Killed(Silent):\n"
        "    def report(self, event):\n"
        "        if isinstance(event, Advanced) and event.message.startswith('step 1,'):\n"
        "            os.kill(os.getpid(), signal.SIGKILL)\n"
        "base, folder, settings = sys.argv[1:]\n"
        "settings = FinetuneSettings.model_validate_json(settings)\n"
        "corrections = (drawn_correction('later', 2),)\n"
        "request = CorrectionsRequest(base, 'new', corrections, (), settings, None, Path(folder))\n"
        "finetune_corrections(request, Killed())\n"
    )
    given = (lesson.base, str(lesson.folder), SETTINGS.model_dump_json())
    run = subprocess.run([sys.executable, "-c", program, *given], check=False)
    assert run.returncode == -signal.SIGKILL
    names = [entry.name for entry in list_corrections(lesson.folder)]
    assert len(names) == 3
    assert all(read_correction(lesson.folder, name).labels.any() for name in names)
    assert waiting(lesson) == ()
    assert list(lesson.folder.rglob(".*")) == []


def test_what_was_not_reviewed_stays_so():
    reviewed = np.zeros((64, 64), bool)
    reviewed[:30] = True
    sample = sample_of(replace(drawn_correction("a", 0), reviewed=reviewed), InputForm())
    assert np.array_equal(sample.reviewed, reviewed)
    assert sample.image.shape == (1, 64, 64)
    assert sample.image.dtype == np.float32
