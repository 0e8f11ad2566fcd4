from __future__ import annotations

import errno
import os
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest

from napari_unet_nuclei.core.errors import OutputFileError
from napari_unet_nuclei.core.finetune import from_layers as writer
from napari_unet_nuclei.core.finetune import undecided as undecided_module
from napari_unet_nuclei.core.finetune.finetune_model import Finetuned, finetune_model
from napari_unet_nuclei.core.finetune.from_layers import side_by_side, write_undecided
from napari_unet_nuclei.core.finetune.undecided import MODEL, Undecided, discard, keep, list_undecided
from napari_unet_nuclei.core.model.card import ModelCard, read_card
from napari_unet_nuclei.core.model.file import Model
from napari_unet_nuclei.core.model.registry import ModelRegistry
from napari_unet_nuclei.core.settings import FinetuneSettings
from tests.helpers.small_run import sample
from tests.helpers.tiny import TINY, tiny_network, write_tiny_model


@pytest.fixture(scope="module")
def done() -> Finetuned:
    settings = FinetuneSettings().changed(steps=2, epoch_steps=2, rehearsal=False, device="cpu")
    base = Model(ModelCard(name="old", architecture=TINY), tiny_network())
    return finetune_model(base, [sample(0), sample(1)], settings, "new", reference=[sample(2)])


@pytest.fixture
def undecided(done, tmp_path) -> Undecided:
    return write_undecided(tmp_path / "undecided", done, "old")


@pytest.fixture
def registry(tmp_path) -> ModelRegistry:
    return ModelRegistry(tmp_path / "models")


def test_a_new_model_waits_with_its_report_and_figures(done, undecided, tmp_path):
    assert list_undecided(tmp_path / "undecided") == (undecided,)
    result = undecided.result
    assert (result.name, result.base) == ("new", "old")
    assert result.sentence == done.chosen.report.sentence
    assert [one.title for one in result.comparisons] == ["Held-out nuclei", "Reference images"]
    assert ("missed", *(str(one.mistakes.missed) for one in (done.chosen.report.before, done.chosen.report.after))) in (
        result.comparisons[0].rows
    )
    assert "new: old and new model" in undecided.report.read_text(encoding="utf-8")
    assert all(path.is_file() for path in undecided.pictures)


def test_a_kept_model_is_installed_with_its_report_and_waits_no_more(undecided, registry, tmp_path):
    entry = keep(undecided, registry)
    assert registry.find("new").path == entry.path == tmp_path / "models" / "new.safetensors"
    assert entry.card.parent.startswith("old")
    assert (tmp_path / "models" / "new.report.html").is_file()
    assert list_undecided(tmp_path / "undecided") == ()
    assert list((tmp_path / "undecided").iterdir()) == []


def test_a_model_whose_report_is_gone_can_be_kept(undecided, registry, tmp_path):
    undecided.report.unlink()
    assert keep(undecided, registry).path == registry.find("new").path
    assert list_undecided(tmp_path / "undecided") == ()


def test_a_name_that_was_taken_meanwhile_gets_a_number(undecided, registry):
    write_tiny_model(registry.own / "new.safetensors", "new")
    assert keep(undecided, registry).name == "new 2"
    assert {entry.name for entry in registry.list()} >= {"new", "new 2"}


def test_a_discarded_model_is_gone(undecided, tmp_path):
    discard(undecided)
    assert list((tmp_path / "undecided").iterdir()) == []


def test_the_latest_comes_first_and_damaged_ones_are_passed_over(done, undecided, tmp_path):
    later = write_undecided(tmp_path / "undecided", done, "old")
    assert list_undecided(tmp_path / "undecided") == (later, undecided)
    (later.folder / "result.json").write_text("{")
    (undecided.folder / MODEL).unlink()
    assert list_undecided(tmp_path / "undecided") == ()


def test_a_full_disk_leaves_nothing_half_written(done, tmp_path, monkeypatch):
    def full(path: Path, _value: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(writer, "write_json", full)
    with pytest.raises(OutputFileError, match="disk is full"):
        write_undecided(tmp_path / "undecided", done, "old")
    assert list((tmp_path / "undecided").iterdir()) == []


def test_a_keeping_that_was_interrupted_does_not_install_the_model_twice(undecided, registry, monkeypatch):
    def end(*paths):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(undecided_module, "discard", end)
        keep(undecided, registry)
    assert keep(undecided, registry).name == "new"
    assert [entry.name for entry in registry.list() if not entry.bundled] == ["new"]


def test_what_a_killed_writing_left_is_swept_away(done, tmp_path):
    remains = tmp_path / "undecided" / ".new-0000.part"
    remains.mkdir(parents=True)
    undecided = write_undecided(tmp_path / "undecided", done, "old")
    assert list((tmp_path / "undecided").iterdir()) == [undecided.folder]
    assert read_card(undecided.folder / MODEL).name == "new"


def test_the_pictures_of_a_nucleus_stand_side_by_side(tmp_path):
    joined = side_by_side([np.full((8, width, 3), width, np.uint8) for width in (4, 5, 6)])
    assert joined.shape == (8, 15 + 2 * writer.GAP, 3)
    iio.imwrite(tmp_path / "joined.png", joined)
    assert (iio.imread(tmp_path / "joined.png")[0, -1] == 6).all()
