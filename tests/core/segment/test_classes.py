from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_unet_nuclei.core.errors import SettingsError
from napari_unet_nuclei.core.model.architecture import CLASS_HEADS, CLASSIC
from napari_unet_nuclei.core.model.file import save_model
from napari_unet_nuclei.core.progress import Cancelled
from napari_unet_nuclei.core.segment import run
from napari_unet_nuclei.core.segment.run import segment
from tests.helpers.recording import RecordingProgress
from tests.helpers.samples import fluorescent_nuclei, stained_tissue
from tests.helpers.small_device import GRAPHICS, small_device
from tests.helpers.tiny import CLASS_NAMES, FLOAT32, TINY_CLASSES, tiny_class_model

IMAGE = fluorescent_nuclei(shape=(150, 170), diameter=22, count=16).image


@pytest.fixture(autouse=True)
def in_float32(monkeypatch):
    """Else rounding decides where two classes are nearly as likely."""
    monkeypatch.setattr(run, "choose_device", lambda request: FLOAT32)


@pytest.fixture
def model(tmp_path) -> str:
    path = tmp_path / "classes.safetensors"
    save_model(path, tiny_class_model())
    return str(path)


def test_every_pixel_gets_a_class_with_a_name(model):
    result = segment(IMAGE, model)
    assert (result.labels.shape, result.labels.dtype) == (IMAGE.shape, np.int32)
    assert np.unique(result.labels).tolist() == [0, 1, 2]
    assert result.classes == CLASS_NAMES
    assert result.provenance["classes"] == list(CLASS_NAMES)
    assert (result.maps, result.count, result.diameter) == (None, 0, 0)
    assert result.notices == ()


def test_tiles_leave_no_trace(model):
    assert np.array_equal(segment(IMAGE, model).labels, segment(IMAGE, model, tile=64).labels)


def test_the_classic_network_has_one_output_per_class_and_is_tiled_as_well(tmp_path):
    classes = {"base_width": 4, "depth": 2, "heads": CLASS_HEADS, "classes": 3}
    model = tiny_class_model(CLASSIC.model_copy(update=classes))
    assert model.network.heads.weight.shape[0] == 3
    with torch.no_grad():  # else random weights give one class everywhere
        model.network.heads.bias -= model.network(
            torch.rand(1, 1, 64, 64, generator=torch.Generator().manual_seed(0))
        ).mean(dim=(0, 2, 3))
    path = tmp_path / "classic.safetensors"
    save_model(path, model)
    whole = segment(IMAGE, str(path)).labels
    assert len(np.unique(whole)) > 1
    assert np.array_equal(whole, segment(IMAGE, str(path), tile=64).labels)


def test_too_little_memory_changes_nothing_but_the_notices(model, monkeypatch):
    image = np.tile(IMAGE, (2, 2))
    whole = segment(image, model)
    monkeypatch.setattr(run, "choose_device", lambda request: small_device(GRAPHICS, 240))
    result = segment(image, model, tile=512)
    assert any("Memory ran short" in notice for notice in result.notices)
    assert np.array_equal(result.labels, whole.labels)


def test_stacks_planes_and_regions_are_those_of_the_image(model):
    stack = np.stack([IMAGE, IMAGE[::-1]])
    result = segment(stack, model, axes="ZYX", region=(10, 90, 20, 150))
    assert result.labels.shape == (2, 80, 130)
    assert result.origin == (0, 10, 20)
    one = segment(stack, model, axes="ZYX", plane=(1,), region=(10, 90, 20, 150))
    assert np.array_equal(one.labels[0], result.labels[1])
    assert segment(IMAGE, model, region=(5, 5, 0, 20)).labels.shape == (0, 20)


def test_all_colours_are_looked_at(tmp_path):
    path = tmp_path / "colours.safetensors"
    save_model(path, tiny_class_model(TINY_CLASSES.model_copy(update={"in_channels": 3})))
    picture = stained_tissue(shape=(80, 90), count=20).image
    result = segment(picture, str(path))
    assert result.channel == "all colours"
    assert not np.array_equal(result.labels, segment(picture[..., ::-1], str(path), axes="YXS").labels)


def test_bright_images_are_not_turned_unless_asked(model):
    bright = IMAGE.max() - IMAGE
    as_it_is, turned = segment(bright, model), segment(bright, model, kind="brightfield")
    assert not any("inverted" in notice for notice in as_it_is.notices)
    assert any("inverted" in notice for notice in turned.notices)
    assert np.array_equal(turned.labels, segment(IMAGE, model).labels)


def test_settings_that_do_not_act_are_refused(model):
    with pytest.raises(SettingsError, match="classes of pixels, on which foreground has no effect"):
        segment(IMAGE, model, foreground=0.3)


def test_progress_rises_and_cancelling_stops_within_a_tile(model):
    progress = RecordingProgress()
    segment(np.stack([IMAGE, IMAGE]), model, axes="ZYX", tile=64, progress=progress)
    assert progress.fractions[-1] == 1
    for report in (1, 2, 5):
        cancelling = RecordingProgress(cancel_after=report)
        with pytest.raises(Cancelled):
            segment(IMAGE, model, tile=64, progress=cancelling)
        assert len(cancelling.events) == report
