"""The drawn stack of packed tissue."""

from __future__ import annotations

import numpy as np

from napari_unet_nuclei import packed_tissue

SMALL = {"shape": (6, 40, 40), "diameter": 14, "count": 8, "spacing": 3.0}


def test_nuclei_are_numbered_without_gaps_and_lie_in_several_planes():
    sample = packed_tissue(**SMALL)
    assert sample.image.shape == sample.labels.shape == (6, 40, 40)
    assert sample.image.dtype == np.uint16
    assert (sample.axes, sample.pixel_size.z) == ("ZYX", 0.75)
    ids = np.unique(sample.labels)
    assert np.array_equal(ids, np.arange(len(ids)))
    planes = [(sample.labels == one).any(axis=(1, 2)).sum() for one in ids[1:]]
    assert max(planes) >= 3


def test_the_seed_decides():
    one, again, other = packed_tissue(**SMALL), packed_tissue(**SMALL), packed_tissue(seed=9, **SMALL)
    assert np.array_equal(one.image, again.image)
    assert not np.array_equal(one.image, other.image)
