"""The engine on photographs: what synthetic nuclei cannot tell."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch

from napari_unet_nuclei.core.blocks.segment import segment_blockwise
from napari_unet_nuclei.core.image.axes import ImageSource
from napari_unet_nuclei.core.image.io.ome_zarr import read_ome_zarr
from napari_unet_nuclei.core.image.io.read import read_image
from napari_unet_nuclei.core.image.kind import possible_looks
from napari_unet_nuclei.core.image.sample import PlaneSample
from napari_unet_nuclei.core.labels.metrics.overlaps import match, per_image, pooled
from napari_unet_nuclei.core.model.device import Device
from napari_unet_nuclei.core.progress import Silent
from napari_unet_nuclei.core.segment import run
from napari_unet_nuclei.core.segment.request import SegmentRequest
from napari_unet_nuclei.core.segment.run import segment
from napari_unet_nuclei.core.settings import SegmentSettings

pytestmark = pytest.mark.real


@pytest.fixture
def validation(nuclei_data: Path) -> list[tuple[np.ndarray, np.ndarray]]:
    """A dozen fluorescence images with their labels, of a dozen fields, spread over the split."""
    folder = nuclei_data / "dsb2018"
    with (folder / "index.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if (row["split"], row["modality"]) == ("val", "fluorescence")]
    one_per_field = list({row["field"]: row for row in rows if int(row["height"]) <= 520}.values())
    chosen = [one_per_field[k] for k in np.linspace(0, len(one_per_field) - 1, 12).astype(int)]
    return [
        tuple(read_image(folder / kind / f"{row['image']}.png").array for kind in ("images", "labels"))  # type: ignore[misc]
        for row in chosen
    ]


def test_reduced_precision_finds_the_nuclei_that_float32_finds(validation, monkeypatch):
    labels = {}
    for precision in (torch.float32, torch.bfloat16):
        monkeypatch.setattr(run, "choose_device", lambda request, p=precision: Device("cpu", "processor", p))
        labels[precision] = [segment(image, axes="YX").labels for image, _ in validation]
    counts = [match(full, reduced, (0.9,)) for full, reduced in zip(*labels.values(), strict=True)]
    # Of 130 nuclei three may lie so close to the limit of the score that rounding decides whether they are dropped.
    assert pooled(counts).average_precision[0] >= 0.97


def test_nuclei_of_photographs_are_found_with_their_size(validation):
    counts, ratios = [], []
    for image, truth in validation:
        result = segment(image, axes="YX", device="cpu")
        counts.append(match(truth.astype(np.int32), result.labels))
        areas = np.bincount(truth.ravel())[1:]
        ratios.append(result.diameter / np.sqrt(4 * np.median(areas[areas > 0]) / np.pi))
    assert per_image(counts)[0] >= 0.7
    assert np.mean((np.array(ratios) > 1 / 1.5) & (np.array(ratios) < 1.5)) >= 0.8


def test_a_real_stack_is_segmented_plane_by_plane(nuclei_data):
    image = tifffile.imread(nuclei_data / "volumes" / "small_image.tif")
    truth = tifffile.imread(nuclei_data / "volumes" / "small_labels.tif")
    result = segment(image, axes="ZYX", device="cpu")
    assert result.labels.shape == image.shape
    inside = result.labels > 0
    assert np.logical_and(inside, truth > 0).sum() / np.logical_or(inside, truth > 0).sum() > 0.3
    present = np.unique(result.labels)
    assert np.array_equal(present, np.arange(present[0], present[-1] + 1))


def test_real_images_side_by_side_are_segmented_in_blocks_as_in_one_piece(validation, tmp_path):
    pieces = [np.asarray(image[:250, :250], np.uint16) * 64 for image, _ in validation]
    mosaic = np.block([pieces[start : start + 4] for start in range(0, 12, 4)])
    whole = segment(mosaic, axes="YX", diameter=20.0, device="cpu")
    settings = SegmentSettings(device="cpu").changed(diameter=20.0)
    request = SegmentRequest(ImageSource(mosaic, "YX"), settings)
    result = segment_blockwise(request, tmp_path / "labels.ome.zarr", Silent(), block=256)
    labels = read_ome_zarr(result.path).levels[0][...]
    assert np.array_equal(labels > 0, whole.labels > 0)
    assert result.count == whole.count == labels.max() > 100
    assert match(whole.labels, labels, (0.9,)).average_precision[0] >= 0.999


def rows_of(folder: Path, split: str | None = None) -> list[dict[str, str]]:
    with (folder / "index.csv").open(newline="", encoding="utf-8") as file:
        return [row for row in csv.DictReader(file) if split in (None, row["split"])]


def image_of(folder: Path, row: dict[str, str]) -> np.ndarray:
    [path] = (folder / "images").glob(f"{Path(row['image']).stem}.*")
    return np.asarray(read_image(path).array)


@pytest.mark.parametrize(("name", "step"), [("dsb2018", 12), ("nuinsseg", 12), ("kromp", 3), ("aitslab", 4)])
def test_the_kind_of_photographs_is_told_by_the_picture_or_left_open(name, step, nuclei_data):
    for row in rows_of(nuclei_data / name)[::step]:
        image = image_of(nuclei_data / name, row)
        told = possible_looks(PlaneSample.whole(ImageSource(image, "YXS" if image.ndim == 3 else "YX")))[0].kind
        assert (told == "fluorescence") == (row["modality"] == "fluorescence"), row["image"]


def test_nuclei_of_tissue_are_found_with_nothing_set(nuclei_data):
    folder, counts = nuclei_data / "nuinsseg", []
    for row in rows_of(folder, "val")[::6]:
        truth = read_image(folder / "labels" / f"{Path(row['image']).stem}.png").array
        result = segment(image_of(folder, row), axes="YXS", device="cpu")
        assert result.kind == "brightfield"
        counts.append(match(np.asarray(truth, np.int32), result.labels))
    assert pooled(counts).average_precision[0] > 0.4
