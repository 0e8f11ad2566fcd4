"""Between napari's labels layer and our history: edits are written so that the picture follows, strokes are read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_unet_nuclei.core.corrections.history import History
from napari_unet_nuclei.core.corrections.stroke import MaskedAtom, PointAtom, Stroke
from napari_unet_nuclei.core.types import AnyArray
from napari_unet_nuclei.gui.correct.review import ACCEPT, DISMISS
from napari_unet_nuclei.gui.viewer.corrected_layer import CorrectedLayer

if TYPE_CHECKING:
    from napari.layers import Labels


class WrittenLabels:
    """Labels (leading axes, Y, X) to read from and to write to; what is written is drawn at once, and no more.

    Parameters
    ----------
    corrected : CorrectedLayer
    """

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
        """Write through napari, by indices of the pixels that change."""
        old = self._view[key]
        new = np.broadcast_to(np.asarray(value, self.dtype), old.shape)
        changed = old != new
        if not changed.any():
            return
        if all(isinstance(part, np.ndarray) for part in key):
            indices = tuple(part[changed] for part in key)
        else:
            indices = _indices(key, changed)
        self.is_changed = True
        self._corrected.layer.data_setitem(self._corrected.layer_indices(indices), new[changed])


@contextmanager
def written(corrected: CorrectedLayer) -> Iterator[WrittenLabels]:
    """Give labels to write to; other listeners hear of all that was written as of one stroke.

    napari forgets its own undo steps: it would write what was there before ours. A layer that is not editable has none.
    """
    layer, labels = corrected.layer, WrittenLabels(corrected)
    try:
        with layer.block_history():
            yield labels
    finally:
        if labels.is_changed:
            _forget_steps(layer)


def read_stroke(corrected: CorrectedLayer, atoms: Iterable[MaskedAtom | PointAtom]) -> Stroke | None:
    """Return what napari reports of painting, along the axes of ``corrected.view``; None where nothing changed."""
    if corrected.is_plain:
        return Stroke.of_paint(atoms, corrected.view.shape)
    shape = corrected.layer.data.shape
    points = [_as_points(atom, shape) if isinstance(atom, MaskedAtom) else atom for atom in atoms]
    order = corrected.labels.place.order
    return Stroke.of_paint(
        [(tuple(indices[axis] for axis in order), old, new) for indices, old, new in points], corrected.view.shape
    )


def follow_steps(history: History, labels: AnyArray) -> bool:
    """Notice whether napari's own undo or redo has changed labels; decisions that hide a stroke are taken back too."""
    hidden = 0
    while not (moved := history.follow(labels)) and history.undo_title in (ACCEPT, DISMISS):
        history.undo(labels)  # a decision changes no pixel: what napari took back lies below it
        hidden += 1
    for _ in range(0 if moved else hidden):
        history.redo(labels)
    return bool(moved)


def _indices(key: tuple[int | slice, ...], changed: NDArray[np.bool_]) -> tuple[NDArray[np.int64], ...]:
    """Return indices of the changed pixels of a box, along all axes."""
    places = iter(np.nonzero(changed))
    count = np.count_nonzero(changed)
    return tuple(next(places) + part.start if isinstance(part, slice) else np.full(count, part) for part in key)


def _forget_steps(layer: Labels) -> None:
    mode = layer.mode
    layer.editable = False
    layer.editable = True
    layer.mode = mode


def _as_points(atom: MaskedAtom, shape: tuple[int, ...]) -> PointAtom:
    """Return a painted box as pixels."""
    ranges = [range(length)[part] for part, length in zip(atom.slice_key, shape, strict=True)]
    mask = np.ones([len(one) for one in ranges], bool) if atom.mask is None else atom.mask
    indices = tuple(one.start + index for one, index in zip(ranges, np.nonzero(mask), strict=True))
    return indices, np.ravel(np.asarray(atom.old_values)), atom.new_value
