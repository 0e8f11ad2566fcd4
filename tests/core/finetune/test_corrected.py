from __future__ import annotations

import json

import imageio.v3 as iio
import numpy as np
import pytest

from napari_unet_nuclei.core.errors import DatasetError
from napari_unet_nuclei.core.finetune.corrected import read_corrected
from napari_unet_nuclei.core.progress import Silent
from napari_unet_nuclei.core.samples.synthetic import fluorescent_nuclei
from napari_unet_nuclei.core.train.reading import InputForm

SQUARE = {"type": "Polygon", "coordinates": [[[0, 0], [32, 0], [32, 64], [0, 64]]]}


@pytest.fixture
def folders(tmp_path):
    for name in ("images", "labels", "reviewed"):
        (tmp_path / name).mkdir()
    for number in range(2):
        drawn = fluorescent_nuclei(number, (64, 64), 14, 8)
        iio.imwrite(tmp_path / "images" / f"{number}.tif", drawn.image)
        iio.imwrite(tmp_path / "labels" / f"{number}_labels.tif", drawn.labels)
    return tmp_path / "images", tmp_path / "labels", tmp_path / "reviewed"


def test_without_regions_everything_is_reviewed(folders):
    samples = read_corrected(folders[0], folders[1], None, InputForm(), Silent())
    assert [sample.name for sample in samples] == ["0", "1"]
    assert all(sample.reviewed is None for sample in samples)


def test_regions_are_masks_or_drawings(folders):
    (folders[2] / "0.geojson").write_text(json.dumps(SQUARE))
    iio.imwrite(folders[2] / "1.png", np.tri(64, dtype=np.uint8) * 255)
    first, second = read_corrected(*folders, InputForm(), Silent())
    assert first.reviewed[:, :32].all()
    assert not first.reviewed[:, 32:].any()
    np.testing.assert_array_equal(second.reviewed, np.tri(64) > 0)


def test_an_image_without_its_region_is_named(folders):
    (folders[2] / "0.geojson").write_text(json.dumps(SQUARE))
    with pytest.raises(DatasetError, match=r"no region of the same name for: .*1\. "):
        read_corrected(*folders, InputForm(), Silent())


def test_a_region_that_cannot_be_used_is_named(folders):
    for number in range(2):
        (folders[2] / f"{number}.geojson").write_text("[]")
    with pytest.raises(DatasetError, match=r"0\.geojson holds no polygon"):
        read_corrected(*folders, InputForm(), Silent())


def test_an_empty_folder_of_regions_is_named(folders):
    with pytest.raises(DatasetError, match="holds no mask image"):
        read_corrected(*folders, InputForm(), Silent())
