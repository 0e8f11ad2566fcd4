from __future__ import annotations

import json
import shutil
from dataclasses import replace

import imageio.v3 as iio
import numpy as np
import pytest
import tifffile

from napari_unet_nuclei.core.corrections.correction import STACK
from napari_unet_nuclei.core.corrections.store import save_correction
from napari_unet_nuclei.core.errors import DatasetError, OutputFileError, WorseModelError
from napari_unet_nuclei.core.finetune import bases, folders
from napari_unet_nuclei.core.finetune.finetune_model import finetune_model
from napari_unet_nuclei.core.finetune.folders import FinetuneRequest, finetune_folders, read_corrected
from napari_unet_nuclei.core.model.card import ModelCard
from napari_unet_nuclei.core.model.file import Model, save_model
from napari_unet_nuclei.core.model.registry import BEST, BUNDLED, ModelRegistry, load_model
from napari_unet_nuclei.core.progress import Cancelled, Notice, Silent
from napari_unet_nuclei.core.settings import FinetuneSettings
from napari_unet_nuclei.core.train.reading import InputForm
from tests.helpers.corrections import nuclei_in_a_row
from tests.helpers.recording import RecordingProgress
from tests.helpers.samples import fluorescent_nuclei
from tests.helpers.tiny import TINY, tiny_network

SETTINGS = FinetuneSettings().changed(steps=2, epoch_steps=2, rehearsal=False, device="cpu")


@pytest.fixture
def request_of(tmp_path):
    for name in ("images", "labels"):
        (tmp_path / name).mkdir()
    for number in range(2):
        drawn = fluorescent_nuclei(number, (64, 64), 14, 8)
        iio.imwrite(tmp_path / "images" / f"{number}.tif", drawn.image)
        iio.imwrite(tmp_path / "labels" / f"{number}.tif", drawn.labels)
    save_model(tmp_path / "old.safetensors", Model(ModelCard(name="old", architecture=TINY), tiny_network()))
    return FinetuneRequest(
        str(tmp_path / "old.safetensors"),
        tmp_path / "images",
        tmp_path / "labels",
        tmp_path / "made" / "new.safetensors",
        settings=SETTINGS,
    )


def as_worse(monkeypatch):
    """Let the comparison come out badly."""

    def worse(*arguments):
        done = finetune_model(*arguments)
        report = replace(done.chosen.report, outcome="worse")
        return replace(done, chosen=replace(done.chosen, report=report))

    monkeypatch.setattr(folders, "finetune_model", worse)


def test_the_new_model_and_its_report_are_written(request_of):
    progress = RecordingProgress()
    request_of.out.parent.mkdir(exist_ok=True)
    request_of.out.with_name(".new-0123abcd.part.safetensors").touch()  # by a run that was killed
    done = finetune_folders(request_of, progress)
    assert load_model(str(request_of.out)).card.parent.startswith("old (")
    page = request_of.report.read_text(encoding="utf-8")
    for text in ("new: old and new model", "Held-out nuclei", "Nuclei that changed", "AP at IoU 0.75", "<svg"):
        assert text in page
    assert done.chosen.report.sentence in progress.notices
    assert sorted(path.name for path in request_of.out.parent.iterdir()) == ["new.report.html", "new.safetensors"]


def test_a_worse_model_is_not_kept_silently(request_of, monkeypatch):
    as_worse(monkeypatch)
    with pytest.raises(WorseModelError, match=r"new\.report\.html shows where"):
        finetune_folders(request_of, Silent())
    assert not request_of.out.exists()
    assert request_of.report.exists()
    finetune_folders(replace(request_of, keep_worse=True), Silent())
    assert request_of.out.exists()


def test_a_model_that_is_worse_on_other_images_is_kept_and_said_to_be(request_of, monkeypatch):
    def forgetful(*arguments):
        done = finetune_model(*arguments)
        return replace(done, reference=replace(done.chosen.report, outcome="worse"))

    monkeypatch.setattr(folders, "finetune_model", forgetful)
    progress = RecordingProgress()
    finetune_folders(request_of, progress)
    assert request_of.out.exists()
    [warning] = [event.message for event in progress.events if isinstance(event, Notice) and event.warning]
    assert warning.startswith("Reference images: the new model is worse there")


def test_a_place_that_cannot_be_written_to_is_said_in_words(request_of):
    inside_a_file = request_of.images / "0.tif" / "new.safetensors"
    with pytest.raises(OutputFileError, match=r"new\.report\.html was not written"):
        finetune_folders(replace(request_of, out=inside_a_file), Silent())


def test_a_model_that_is_there_is_not_overwritten(request_of):
    request_of.out.parent.mkdir()
    request_of.out.write_text("mine")
    with pytest.raises(OutputFileError, match="exists already"):
        finetune_folders(request_of, Silent())
    assert request_of.out.read_text() == "mine"


def test_cancelling_writes_nothing(request_of):
    with pytest.raises(Cancelled):
        finetune_folders(request_of, RecordingProgress(cancel_after=4))
    assert not request_of.out.parent.exists()


def test_an_image_whose_labels_do_not_fit_it_is_left_out_and_said_to_be(request_of):
    labels = request_of.labels / "0.tif"
    iio.imwrite(request_of.images / "2.tif", fluorescent_nuclei(2, (64, 64), 14, 8).image)
    iio.imwrite(request_of.labels / "2.tif", np.rot90(iio.imread(labels)).copy())
    progress = RecordingProgress()
    done = finetune_folders(request_of, progress)
    [warning] = [event.message for event in progress.events if isinstance(event, Notice) and event.warning][:1]
    assert warning.startswith("Left out: 2: its labelled nuclei are no brighter")
    assert {one.name for one in (*done.division.training, *done.division.judging)} == {"0", "1"}
    assert done.chosen.model.card.training.settings["left_out"] == done.left_out[0]
    assert "may not belong together" in request_of.report.read_text(encoding="utf-8")


def test_doubtful_images_are_learnt_from_where_the_user_says_so(request_of, monkeypatch):
    for number in range(2):
        path = request_of.images / f"{number}.tif"
        iio.imwrite(path, np.random.default_rng(number).integers(0, 999, (64, 64)).astype(np.uint16))
    with pytest.raises(DatasetError, match=r"--keep-doubtful.*0: its labelled nuclei"):
        finetune_folders(request_of, Silent())
    done = finetune_folders(replace(request_of, keep_doubtful=True), Silent())
    assert len(done.doubtful) == 2
    assert "in spite of a doubt" in request_of.report.read_text(encoding="utf-8")


def test_a_kind_that_labels_contradict_is_not_obeyed_silently(request_of):
    with pytest.raises(DatasetError, match="is set to dark nuclei on bright, but its labels say bright"):
        finetune_folders(replace(request_of, kind="brightfield"), Silent())


def test_the_best_installed_model_is_started_from(request_of, tmp_path, monkeypatch):
    monkeypatch.setattr(bases, "default_registry", lambda: ModelRegistry(tmp_path, BUNDLED))
    monkeypatch.setattr(folders, "load_model", lambda name: load_model(name, ModelRegistry(tmp_path, BUNDLED)))
    progress = RecordingProgress()
    done = finetune_folders(replace(request_of, base=BEST), progress)
    assert done.chosen.model.card.parent.startswith("nuclei (")
    said = [notice for notice in progress.notices if " finds " in notice and "'" in notice]
    assert [notice.split("'")[1] for notice in said] == ["nuclei", "old"]


SQUARE = {"type": "Polygon", "coordinates": [[[0, 0], [32, 0], [32, 64], [0, 64]]]}


@pytest.fixture
def corrected(tmp_path):
    for name in ("images", "labels", "reviewed"):
        (tmp_path / name).mkdir()
    for number in range(2):
        drawn = fluorescent_nuclei(number, (64, 64), 14, 8)
        iio.imwrite(tmp_path / "images" / f"{number}.tif", drawn.image)
        iio.imwrite(tmp_path / "labels" / f"{number}_labels.tif", drawn.labels)
    return tmp_path / "images", tmp_path / "labels", tmp_path / "reviewed"


def test_without_regions_everything_is_reviewed(corrected):
    samples = read_corrected(corrected[0], corrected[1], None, InputForm(), Silent())
    assert [sample.name for sample in samples] == ["0", "1"]
    assert all(sample.reviewed is None for sample in samples)


def test_regions_are_masks_or_drawings(corrected):
    (corrected[2] / "0.geojson").write_text(json.dumps(SQUARE))
    iio.imwrite(corrected[2] / "1.png", np.tri(64, dtype=np.uint8) * 255)
    first, second = read_corrected(*corrected, InputForm(), Silent())
    assert first.reviewed[:, :32].all()
    assert not first.reviewed[:, 32:].any()
    np.testing.assert_array_equal(second.reviewed, np.tri(64) > 0)


def test_of_a_stack_the_reviewed_planes_are_learnt_from(corrected):
    drawn = fluorescent_nuclei(0, (64, 64), 14, 8)
    for folder, pixels in zip(corrected, (drawn.image, drawn.labels, drawn.labels >= 0), strict=True):
        shutil.rmtree(folder)
        folder.mkdir()
        stack = np.stack([pixels] * 4)
        if folder == corrected[2]:
            stack[[0, 3]] = False
        tifffile.imwrite(folder / "stack.tif", stack.astype(np.uint16), metadata={"axes": "ZYX"})
    samples = read_corrected(*corrected, InputForm(), Silent())
    assert [(one.name, one.group) for one in samples] == [("stack [z=1]", "stack"), ("stack [z=2]", "stack")]
    assert all(one.reviewed.all() for one in samples)


def test_planes_of_saved_corrections_know_their_stack(tmp_path):
    for z in range(2):
        save_correction(tmp_path, replace(nuclei_in_a_row(z, name=f"z={z}"), provenance={STACK: "one"}))
    samples = read_corrected(*(tmp_path / name for name in ("images", "labels", "reviewed")), InputForm(), Silent())
    assert [one.group for one in samples] == ["one", "one"]


def test_an_image_without_its_region_is_named(corrected):
    (corrected[2] / "0.geojson").write_text(json.dumps(SQUARE))
    with pytest.raises(DatasetError, match=r"no region of the same name for: .*1\. "):
        read_corrected(*corrected, InputForm(), Silent())


def test_a_region_that_cannot_be_used_is_named(corrected):
    for number in range(2):
        (corrected[2] / f"{number}.geojson").write_text("[]")
    with pytest.raises(DatasetError, match=r"0\.geojson holds no polygon"):
        read_corrected(*corrected, InputForm(), Silent())


def test_an_empty_folder_of_regions_is_named(corrected):
    with pytest.raises(DatasetError, match="holds no mask image"):
        read_corrected(*corrected, InputForm(), Silent())
