from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy import ndimage

from napari_unet_nuclei.core.samples import synthetic
from napari_unet_nuclei.core.samples.synthetic import Sample

SAMPLES = [
    (synthetic.fluorescent_nuclei, "YX", np.uint16),
    (synthetic.two_channels, "CYX", np.uint16),
    (synthetic.z_stack, "ZYX", np.uint16),
    (synthetic.time_series, "TYX", np.uint16),
    (synthetic.stained_tissue, "YXS", np.uint8),
    (synthetic.immunohistochemistry, "YXS", np.uint8),
]


@pytest.mark.parametrize(("make", "axes", "dtype"), SAMPLES)
def test_samples_fit_their_labels_and_repeat(make: Callable[[], Sample], axes: str, dtype: type) -> None:
    sample = make()
    assert sample.axes == axes
    assert sample.image.ndim == len(axes)
    assert sample.image.dtype == dtype
    in_labels = [n for n, axis in zip(sample.image.shape, axes, strict=True) if axis not in "CS"]
    assert sample.labels.shape == tuple(in_labels)
    assert sample.labels.dtype == np.int32
    assert np.array_equal(np.unique(sample.labels), np.arange(sample.labels.max() + 1))
    assert sample.pixel_size.known
    again = make()
    assert np.array_equal(sample.image, again.image)
    assert np.array_equal(sample.labels, again.labels)


def test_fluorescent_nuclei_stand_out_of_the_background_and_clump() -> None:
    sample = synthetic.fluorescent_nuclei()
    inside, outside = sample.image[sample.labels > 0], sample.image[sample.labels == 0]
    assert np.median(inside) > np.percentile(outside, 95)
    assert ndimage.label(sample.labels > 0)[1] < 0.7 * sample.labels.max()
    assert not np.array_equal(sample.image, synthetic.fluorescent_nuclei(seed=9).image)


def test_reporter_levels_are_the_means_in_the_second_channel() -> None:
    sample = synthetic.two_channels()
    ids = np.arange(1, sample.labels.max() + 1)
    means = ndimage.mean(sample.image[1], sample.labels, ids)
    assert sample.channel_names == ("DAPI", "GFP")
    np.testing.assert_allclose(means, sample.nucleus_levels, rtol=0.03)


def test_nuclei_of_the_stack_reach_through_several_planes() -> None:
    sample = synthetic.z_stack()
    assert sample.pixel_size.z > 2 * sample.pixel_size.x
    planes = [(sample.labels == n).any(axis=(1, 2)).sum() for n in range(1, sample.labels.max() + 1)]
    assert np.median(planes) >= 5


def test_nuclei_of_the_time_series_move_little_and_divide() -> None:
    labels = synthetic.time_series().labels
    first, last = set(np.unique(labels[0])), set(np.unique(labels[-1]))
    mothers, daughters = first - last, last - first
    assert len(mothers) >= 3
    assert len(daughters) > len(mothers)
    stayed = sorted((first & last) - {0})
    overlap = [np.logical_and(labels[0] == n, labels[1] == n).sum() / (labels[0] == n).sum() for n in stayed]
    assert np.median(overlap) > 0.7


def test_tissue_is_purple_on_pink() -> None:
    sample = synthetic.stained_tissue()
    nuclei, around = (np.median(sample.image[where], axis=0) for where in (sample.labels > 0, sample.labels == 0))
    assert nuclei[0] < nuclei[2]  # purple: more blue than red
    assert around[0] > around[2] > around[1]  # pink: most red, least green
    assert nuclei.sum() < around.sum() - 100
