"""Models from elsewhere on the one prediction path: planes, thresholds, blocks, volumes, and no training."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from napari_unet_nuclei import (
    DataSet,
    FinetuneSettings,
    default_registry,
    finetune,
    load_model,
    segment,
    segment_folder,
    segment_slide,
    train,
)
from napari_unet_nuclei.core.errors import ModelFileError
from napari_unet_nuclei.core.finetune.finetune_model import finetune_model
from tests.helpers.block_images import labels_of, write_image
from tests.helpers.packages import IMAGE, described, write_package

NAME = "glow"
PLANE = IMAGE[0, 0]


@pytest.fixture
def glow(tmp_path) -> str:
    default_registry().add(write_package(tmp_path / "glow.zip", described()), NAME)
    return NAME


def bright(image: np.ndarray) -> np.ndarray:
    """Pixels that the network takes for nuclei."""
    low, high = np.percentile(image, (1, 99.8))
    return (image - low) / (high - low) > 0.35


def test_a_plane_is_segmented_and_the_certainty_is_kept(glow):
    result = segment(PLANE, glow)
    whole = ndimage.binary_fill_holes(bright(PLANE))
    # Specks are dropped, and maps kept in 8 bits: a pixel at the threshold may go either way.
    assert (whole != (result.labels > 0)).mean() < 0.005
    assert result.count == 4
    foreground = result.maps[0, 0] / 255
    found = np.where(foreground > 0.5, result.labels, 0)  # without filled holes
    certainty = ndimage.mean(foreground, found, np.arange(1, 5))
    np.testing.assert_allclose(result.scores, certainty, atol=0.002)
    assert result.provenance["model_hash"] == load_model(glow).card.weights_hash
    live = result.decoder.decode(result.thresholds).labels
    np.testing.assert_array_equal(live[0], result.labels)
    assert result.provenance["precision"] == "float32"


def test_tiles_flips_and_sizes_work_as_with_any_other_model(glow):
    large = np.tile(PLANE, (4, 3))
    whole = segment(large, glow, tile=2048).labels
    np.testing.assert_array_equal(segment(large, glow, tile=128).labels, whole)
    assert (segment(large, glow, flips=True).labels > 0).mean() == pytest.approx((whole > 0).mean(), abs=0.001)
    twice = segment(np.kron(PLANE, np.ones((2, 2))), glow, diameter=2 * 23.4)
    assert (twice.labels > 0).mean() == pytest.approx((segment(PLANE, glow).labels > 0).mean(), rel=0.02)


def test_stacks_are_segmented_in_three_dimensions(glow):
    stack = np.repeat(PLANE[None], 20, axis=0) * np.exp(-(((np.arange(20) - 10) / 6) ** 2))[:, None, None]
    result = segment(stack, glow, axes="ZYX", z_spacing=1.0, z_spacing_unit="px", planes="volume")
    assert result.count >= 4
    assert len(np.unique(result.labels[10])) - 1 >= 4


def test_files_and_blocks_give_the_same_nuclei(glow, tmp_path):
    image = np.tile(PLANE, (3, 3)).astype(np.float32)
    whole = segment(image, glow)
    path = write_image(tmp_path / "in.ome.zarr", 3, image)
    report = segment_folder([path], tmp_path / "out", glow)
    assert report.records[0].nuclei == whole.count
    in_blocks = segment_slide(path, tmp_path / "blocks.ome.zarr", glow, block=128)
    found = labels_of(tmp_path / "blocks.ome.zarr")
    assert in_blocks.provenance["count"] == whole.count
    np.testing.assert_array_equal(found > 0, whole.labels > 0)


def test_it_cannot_be_trained_and_says_so_before_anything_is_read(glow, tmp_path):
    nowhere = tmp_path / "none"
    for start in (
        lambda: finetune_model(load_model(glow), (), FinetuneSettings(), "tuned"),
        lambda: finetune(glow, nowhere, nowhere, tmp_path / "tuned.safetensors"),
        lambda: train([DataSet(nowhere)], tmp_path / "taught.safetensors", base=glow),
    ):
        with pytest.raises(ModelFileError, match="cannot be trained or fine-tuned"):
            start()
