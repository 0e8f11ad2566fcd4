"""Arrays that are read plane by plane are indexed as others are."""

from __future__ import annotations

from threading import RLock
from typing import Any

import numpy as np
import pytest

from napari_unet_nuclei.core.image.io.microscopes.planes import StoredPlanes, whole_planes

VALUES = np.arange(2 * 3 * 4 * 5, dtype=np.uint16).reshape(2, 3, 4, 5)


@pytest.fixture
def read() -> list[tuple[int, ...]]:
    return []


@pytest.fixture
def planes(read: list[tuple[int, ...]]) -> StoredPlanes:
    def plane(index: tuple[int, ...]) -> np.ndarray:
        read.append(index)
        return VALUES[index]

    return StoredPlanes(VALUES.shape, VALUES.dtype, 2, whole_planes(plane), RLock())


@pytest.mark.parametrize(
    "key",
    [
        np.s_[1, 2], np.s_[-1], np.s_[:], np.s_[...], np.s_[..., 3], np.s_[0, ..., 1:3], np.s_[1, 1, 2, -2],
        np.s_[:, ::2, 3:0:-1, ::2], np.s_[0, 0, 2:2], np.s_[5:, 1], np.s_[np.int64(1), 0, 1:9],
    ],
)  # fmt: skip
def test_indexing_is_that_of_numpy(planes: StoredPlanes, key: Any) -> None:
    np.testing.assert_array_equal(planes[key], VALUES[key])
    assert planes[key].shape == VALUES[key].shape


def test_only_planes_that_are_asked_for_are_read_and_one_after_the_other_once(planes: StoredPlanes, read: list) -> None:
    _ = planes[1, 2, :2], planes[1, 2, 2:], planes[0, 1:]
    assert read == [(1, 2), (0, 1), (0, 2)]
    np.testing.assert_array_equal(np.asarray(planes, np.float32), VALUES)


@pytest.mark.parametrize("key", [2, np.s_[0, 3], np.s_[0, 0, 0, 0, 0]])
def test_places_outside_are_refused(planes: StoredPlanes, key: Any) -> None:
    with pytest.raises(IndexError):
        planes[key]
