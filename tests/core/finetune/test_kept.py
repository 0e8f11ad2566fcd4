from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_unet_nuclei.core.corrections import correction as module
from napari_unet_nuclei.core.corrections.correction import Correction
from napari_unet_nuclei.core.corrections.store import list_corrections, read_correction, save_correction
from napari_unet_nuclei.core.errors import ImageShapeError
from napari_unet_nuclei.core.finetune.kept import keep_corrections, open_input, own_labels
from napari_unet_nuclei.core.image.kind import NetworkInputs
from napari_unet_nuclei.core.train.reading import InputForm


def correction(name: str = "DAPI", seed: int = 0, shape: tuple[int, ...] = (40, 50), axes: str = "YX") -> Correction:
    image = np.random.default_rng(seed).integers(0, 4000, shape).astype(np.uint16)
    labels = np.zeros((40, 50), np.int32)
    labels[5:10, 5:10], labels[20:26, 30:36] = 7, 3
    return Correction(name, image, axes, labels, np.ones((40, 50), bool))


def names(folder) -> list[str]:
    return [entry.name for entry in list_corrections(folder)]


def test_a_correction_takes_the_place_of_the_earlier_one_of_its_name(tmp_path):
    first = correction()
    keep_corrections(tmp_path, [first])
    labels = first.labels.copy()
    labels[0, 0] = 9
    keep_corrections(tmp_path, [replace(first, labels=labels)])
    assert names(tmp_path) == ["DAPI"]
    assert read_correction(tmp_path, "DAPI").labels[0, 0] == 9


def test_what_the_other_dock_has_said_of_it_stays(tmp_path):
    save_correction(tmp_path, replace(correction(), provenance={"dismissed": [[0, 4, 0, 4]]}))
    keep_corrections(tmp_path, [replace(correction(), provenance={"model": "old"})])
    assert read_correction(tmp_path, "DAPI").provenance == {"dismissed": [[0, 4, 0, 4]], "model": "old"}


def test_other_work_on_the_same_image_is_never_replaced(tmp_path):
    for name in ("by A", "by B"):
        keep_corrections(tmp_path, [correction(name)])
    assert names(tmp_path) == ["by A", "by B"]


def test_of_a_slide_what_lies_round_the_revisible_region_is_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "LARGEST_WHOLE", 1000)
    reviewed = np.zeros((40, 500), bool)
    reviewed[10:20, 200:210] = True
    image, labels = np.zeros((40, 500), np.uint8), np.zeros((40, 500), np.int32)
    [kept] = keep_corrections(tmp_path, [Correction("slide", image, "YX", labels, reviewed)])
    assert kept.image.shape == (40, 138)
    assert kept.origin == (0, 136)


def test_a_network_sees_the_chosen_channel_and_dark_nuclei_as_they_were_segmented():
    image = np.stack([np.zeros((40, 50)), np.linspace(0, 1, 2000).reshape(40, 50)]).astype(np.float32)
    one = replace(correction(axes="CYX"), image=image, channel=1)
    seen = open_input(one, InputForm())[0].read((0, 40, 0, 50))
    dark = replace(one, provenance={"settings": {"invert": "yes"}})
    turned = open_input(dark, InputForm())[0].read((0, 40, 0, 50))
    assert seen.shape == (1, 40, 50)
    assert seen[0, -1, -1] > 0.9 > 0.1 > seen[0, 0, 0]
    assert turned[0, 0, 0] > 0.9 > 0.1 > turned[0, -1, -1]


def test_an_image_of_other_channels_than_the_network_takes_is_refused_by_name():
    with pytest.raises(ImageShapeError, match="'DAPI': The image has 2 channels, and the model takes 3"):
        open_input(correction(shape=(2, 40, 50), axes="CYX"), InputForm(NetworkInputs((), 3)))


def test_labels_are_learnt_numbered_and_without_holes():
    one = correction()
    one.labels[7, 7] = 0
    learnt = own_labels(one)
    assert learnt.dtype == np.int32
    assert set(np.unique(learnt)) == {0, 1, 2}
    assert learnt[7, 7] == learnt[6, 6] == 2
