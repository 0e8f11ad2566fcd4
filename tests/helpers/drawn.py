"""Nuclei drawn for the tests of edits, what a perfect network would say of them, and what holds for every edit."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from napari_unet_nuclei.core.corrections.history import PlaneEdit
from napari_unet_nuclei.core.labels.decode import quantise
from napari_unet_nuclei.core.labels.edit.edit import Edit
from napari_unet_nuclei.core.labels.encode import encode_labels


def discs(shape: tuple[int, int], *circles: tuple[float, float, float]) -> np.ndarray:
    """Nuclei 1, 2, ... as circles (y, x, radius); later ones lie on top."""
    labels = np.zeros(shape, np.int32)
    y, x = np.ogrid[: shape[0], : shape[1]]
    for number, (row, column, radius) in enumerate(circles, start=1):
        labels[(y - row) ** 2 + (x - column) ** 2 <= radius**2] = number
    return labels


def maps_of(labels: np.ndarray) -> np.ndarray:
    """Foreground, border and distance as a perfect network gives them."""
    maps = encode_labels(labels, 22.0)
    return quantise(np.stack([maps.foreground, maps.border, maps.distance]))


def pieces(labels: np.ndarray, nucleus: int) -> int:
    return int(ndimage.label(labels == nucleus)[1])


def applied(labels: np.ndarray, edit: Edit) -> np.ndarray:
    """Labels after an edit; asserts what holds for every edit."""
    original = labels.copy()
    after = labels.copy()
    change = PlaneEdit((), edit)
    change.apply(after)
    changed = after != original
    assert set(edit.touched) == (set(original[changed].tolist()) | set(after[changed].tolist())) - {0}
    held = np.zeros(labels.shape, bool)
    for patch in edit.patches:
        y0, y1, x0, x1 = patch.region
        held[y0:y1, x0:x1] = True
        assert patch.before.dtype == patch.after.dtype == labels.dtype
    assert held[np.isin(original, edit.touched) | np.isin(after, edit.touched)].all()
    for nucleus, (y0, y1, x0, x1) in edit.boxes().items():
        rows, columns = np.nonzero(after == nucleus)
        assert (rows.min(), rows.max() + 1, columns.min(), columns.max() + 1) == (y0, y1, x0, x1)
    reverted = after.copy()
    change.revert(reverted)
    assert np.array_equal(reverted, original)
    assert np.array_equal(labels, original)
    return after
