"""A brush stroke as the history keeps it: the pixels that differ in the end, however often they were painted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from napari_unet_nuclei.core.types import AnyArray

Ids: TypeAlias = NDArray[np.integer[Any]]


@runtime_checkable
class MaskedAtom(Protocol):
    """A painted box, as napari reports it."""

    slice_key: tuple[slice, ...]  # the box, one slice per axis of the layer
    mask: NDArray[np.bool_] | None  # painted pixels of the box; None for all
    old_values: Ids  # previous ids: one per painted pixel in C order, or the whole box
    new_value: int  # painted id


PointAtom: TypeAlias = tuple[tuple[Any, ...], Ids, Any]
"""Changed pixels, as napari reports them: one array of indices per axis, the old ids, the new id or ids."""


@dataclass(frozen=True, eq=False)
class Stroke:
    """A stroke that napari has already painted, in labels of any dimension.

    It is kept as runs of pixels in the flattened labels, for a brush changes few runs of many pixels. Ids come in the
    order of the runs; a single one where all are equal.
    """

    shape: tuple[int, ...]  # of the labels
    starts: NDArray[np.int64]  # first pixel of every run
    lengths: NDArray[np.int64]  # pixels of every run
    before: Ids
    after: Ids
    title: str = "Paint"

    @staticmethod
    def of_paint(
        atoms: Iterable[MaskedAtom | PointAtom], shape: Sequence[int], order: Sequence[int] | None = None
    ) -> Stroke | None:
        """Return the stroke that one paint event of napari reports; None where no pixel differs in the end.

        ``atoms`` are the event's value, in the order of painting, in a layer of the given shape. ``order`` lists the
        axes of the layer in the order in which the stroke counts them; an axis that is left out has length 1.
        """
        order = range(len(shape)) if order is None else order
        counted = tuple(shape[axis] for axis in order)
        parts = []
        for atom in atoms:
            indices, old, new = _of_mask(atom, shape) if isinstance(atom, MaskedAtom) else atom
            before = np.ravel(np.asarray(old))
            after = np.broadcast_to(np.ravel(np.asarray(new)).astype(before.dtype), before.shape)
            pixels = np.ravel_multi_index([np.ravel(np.asarray(indices[axis])) for axis in order], counted)
            parts.append((pixels, before, after))
        if not parts:
            return None
        pixels, before, after = (np.concatenate(column) for column in zip(*parts, strict=True))
        # A stroke passes some pixels repeatedly: the first old id and the last new one are what undo and redo need.
        places, first = np.unique(pixels, return_index=True)
        _, last = np.unique(pixels[::-1], return_index=True)
        before, after = before[first], after[::-1][last]
        changed = before != after
        if not changed.any():
            return None
        starts, lengths = _runs(places[changed])
        return Stroke(counted, starts, lengths, _brief(before[changed]), _brief(after[changed]))

    def apply(self, labels: AnyArray) -> None:
        """Paint the stroke again."""
        labels[self._index()] = self.after

    def revert(self, labels: AnyArray) -> None:
        """Restore the previous ids."""
        labels[self._index()] = self.before

    def fits(self, labels: AnyArray, *, applied: bool) -> bool:
        """Return whether the labels are as they were after the stroke (``applied``) or before it."""
        if tuple(labels.shape) != self.shape:
            return False
        return bool((labels[self._index()] == (self.after if applied else self.before)).all())

    @property
    def box(self) -> tuple[slice, ...]:
        """Smallest box over all axes that contains the stroke."""
        return tuple(slice(int(axis.min()), int(axis.max()) + 1) for axis in self._index())

    @property
    def touched(self) -> tuple[int, ...]:
        """Ids that gained or lost pixels, in ascending order."""
        return tuple(sorted({*np.unique(self.before).tolist(), *np.unique(self.after).tolist()} - {0}))

    def _index(self) -> tuple[NDArray[np.int64], ...]:
        """Return the indices of the pixels along every axis."""
        # Counts from 0 anew in every run.
        within = np.arange(self.lengths.sum()) - np.repeat(np.cumsum(self.lengths) - self.lengths, self.lengths)
        return tuple(np.unravel_index(np.repeat(self.starts, self.lengths) + within, self.shape))


def _of_mask(atom: MaskedAtom, shape: Sequence[int]) -> PointAtom:
    # Slicing a range resolves open and negative ends.
    ranges = [range(length)[part] for part, length in zip(atom.slice_key, shape, strict=True)]
    mask = np.ones([len(one) for one in ranges], bool) if atom.mask is None else atom.mask
    indices = tuple(one.start + index for one, index in zip(ranges, np.nonzero(mask), strict=True))
    return indices, atom.old_values, atom.new_value


def _runs(places: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return starts and lengths of the runs of consecutive numbers in ascending ones."""
    # Two less than the first, which therefore starts a run.
    first = np.flatnonzero(np.diff(places, prepend=places[0] - 2) != 1)
    return places[first], np.diff(first, append=len(places))


def _brief(values: Ids) -> Ids:
    """Keep a single value where all are equal."""
    return values[:1].copy() if (values == values[0]).all() else values
