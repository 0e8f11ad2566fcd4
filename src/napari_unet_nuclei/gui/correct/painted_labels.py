"""Write to the labels of a layer so that napari redraws little, and others hear of it once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unet_nuclei.core.types import AnyArray
from napari_unet_nuclei.gui.viewer.corrected_layer import CorrectedLayer
from napari_unet_nuclei.gui.viewer.layers import forget_undo


class PaintedLabels:
    """Labels (leading axes, Y, X) whose assignments go through napari, which then redraws only the changed pixels."""

    def __init__(self, corrected: CorrectedLayer) -> None:
        self._corrected = corrected
        self._view: AnyArray = corrected.view
        self.shape: tuple[int, ...] = self._view.shape
        self.dtype: np.dtype[Any] = self._view.dtype
        self.ndim: int = self._view.ndim
        self.is_changed = False

    def __getitem__(self, key: Any) -> Any:
        return self._view[key]

    def __setitem__(self, key: tuple[Any, ...], value: Any) -> None:
        old = self._view[key]
        new = np.broadcast_to(np.asarray(value, self.dtype), old.shape)
        # napari takes lists of pixels, and its time grows with them: most of a nucleus's box does not change.
        changed = old != new
        if not changed.any():
            return
        if all(isinstance(part, np.ndarray) for part in key):
            indices = tuple(part[changed] for part in key)
        else:
            indices = _indices(key, changed)
        self.is_changed = True
        layer = self._corrected.layer
        if not layer.visible:
            # Nobody corrects what is hidden unseen, and napari has no picture of it that it could write to.
            layer.visible = True
        layer.data_setitem(self._corrected.layer_indices(indices), new[changed])


@contextmanager
def painting(corrected: CorrectedLayer) -> Iterator[PaintedLabels]:
    """Give labels to write to; other listeners receive all writes as one stroke."""
    layer, labels = corrected.layer, PaintedLabels(corrected)
    try:
        with layer.block_history():
            yield labels
    finally:
        if labels.is_changed:
            # napari's own undo would write ids from before the edit.
            forget_undo(layer)


def _indices(key: tuple[int | slice, ...], changed: NDArray[np.bool_]) -> tuple[NDArray[np.int64], ...]:
    """Return indices along all axes of the changed pixels of a box."""
    places = iter(np.nonzero(changed))
    count = np.count_nonzero(changed)
    return tuple(next(places) + part.start if isinstance(part, slice) else np.full(count, part) for part in key)
