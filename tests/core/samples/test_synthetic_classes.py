from __future__ import annotations

import imageio.v3 as iio
import numpy as np

from napari_unet_nuclei.core.samples.synthetic_classes import CLASSES, cell_classes, write_class_set


def test_every_class_occurs_and_the_background_is_most():
    sample = cell_classes()
    shares = np.bincount(sample.labels.ravel()) / sample.labels.size
    assert len(shares) == len(CLASSES)
    assert 0.6 < shares[0] < 0.9
    assert shares.min() > 0.005
    assert (sample.image.dtype, sample.labels.dtype) == (np.uint16, np.int32)


def test_one_seed_gives_one_image():
    first, again, other = (cell_classes(seed, (80, 90)) for seed in (3, 3, 4))
    assert np.array_equal(first.image, again.image)
    assert np.array_equal(first.labels, again.labels)
    assert not np.array_equal(first.labels, other.labels)


def test_a_set_is_written_as_images_and_labels_of_the_same_names(tmp_path):
    write_class_set(tmp_path, images=2, shape=(40, 50))
    names = [sorted(path.name for path in (tmp_path / kind).iterdir()) for kind in ("images", "labels")]
    assert names == [["cells_00.png", "cells_01.png"]] * 2
    sample = cell_classes(1, (40, 50))
    assert np.array_equal(iio.imread(tmp_path / "images" / "cells_01.png"), sample.image)
    assert np.array_equal(iio.imread(tmp_path / "labels" / "cells_01.png"), sample.labels)
