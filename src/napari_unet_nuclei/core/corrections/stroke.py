"""A stroke of the brush as the history keeps it: what it changed in the end, whatever it did on the way."""

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
    """A painted box, as viewers report it.

    Attributes
    ----------
    slice_key : tuple of slice
        The box, one slice per axis of the labels.
    mask : ndarray of bool, or None
        Its painted pixels; None for all.
    old_values : ndarray of int
        What was there: one value per painted pixel in C order, or the whole box.
    new_value : int
        What was painted.
    """

    slice_key: tuple[slice, ...]
    mask: NDArray[np.bool_] | None
    old_values: Ids
    new_value: int


PointAtom: TypeAlias = tuple[tuple[Any, ...], Ids, Any]
"""Changed pixels, as viewers report them: one array of indices per axis, the old values, the new value or values."""


@dataclass(frozen=True, eq=False)
class Stroke:
    """Pixels of labels of any dimension that were painted, and are painted already.

    Attributes
    ----------
    shape : tuple of int
        Of the labels.
    starts, lengths : ndarray of int, shape (runs,)
        Runs of pixels in the flat labels: a brush changes few runs of many pixels.
    before, after : ndarray of int, shape (pixels,) or (1,)
        Ids in the order of the runs; one where all are the same.
    title : str
    """

    shape: tuple[int, ...]
    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]
    before: Ids
    after: Ids
    title: str = "Paint"

    @staticmethod
    def of_paint(atoms: Iterable[MaskedAtom | PointAtom], shape: Sequence[int]) -> Stroke | None:
        """Take over what one event of painting reports: atoms in the order in which they were painted.

        Parameters
        ----------
        atoms : iterable
            The event's value.
        shape : sequence of int
            Of the labels.

        Returns
        -------
        Stroke or None
            None where nothing is different in the end.
        """
        shape = tuple(shape)
        parts = [_of_mask(atom, shape) if isinstance(atom, MaskedAtom) else _of_points(atom, shape) for atom in atoms]
        if not parts:
            return None
        pixels, before, after = (np.concatenate(column) for column in zip(*parts, strict=True))
        # A pixel that was painted twice had its first old value and has its last new one.
        places, first = np.unique(pixels, return_index=True)
        _, last = np.unique(pixels[::-1], return_index=True)
        before, after = before[first], after[::-1][last]
        changed = before != after
        if not changed.any():
            return None
        starts, lengths = _runs(places[changed])
        return Stroke(shape, starts, lengths, _brief(before[changed]), _brief(after[changed]))

    def apply(self, labels: AnyArray) -> None:
        """Paint again."""
        labels[self._index()] = self.after

    def revert(self, labels: AnyArray) -> None:
        """Put back what was there."""
        labels[self._index()] = self.before

    def fits(self, labels: AnyArray, *, applied: bool) -> bool:
        """Tell whether labels are as the stroke left them (``applied``), or as it found them."""
        if tuple(labels.shape) != self.shape:
            return False
        return bool((labels[self._index()] == (self.after if applied else self.before)).all())

    @property
    def box(self) -> tuple[slice, ...]:
        """Smallest box, over all axes, that holds the stroke."""
        return tuple(slice(int(axis.min()), int(axis.max()) + 1) for axis in self._index())

    @property
    def touched(self) -> tuple[int, ...]:
        """Ids that gained or lost pixels, in rising order."""
        return tuple(sorted({*np.unique(self.before).tolist(), *np.unique(self.after).tolist()} - {0}))

    def _index(self) -> tuple[NDArray[np.int64], ...]:
        """Indices of the pixels along every axis."""
        within = np.arange(self.lengths.sum()) - np.repeat(np.cumsum(self.lengths) - self.lengths, self.lengths)
        return tuple(np.unravel_index(np.repeat(self.starts, self.lengths) + within, self.shape))


def _of_points(atom: PointAtom, shape: tuple[int, ...]) -> tuple[NDArray[np.int64], Ids, Ids]:
    indices, old, new = atom
    before = np.ravel(np.asarray(old))
    places = np.ravel_multi_index(tuple(np.ravel(np.asarray(axis)) for axis in indices), shape)
    return places, before, np.broadcast_to(np.ravel(np.asarray(new)).astype(before.dtype), before.shape)


def _of_mask(atom: MaskedAtom, shape: tuple[int, ...]) -> tuple[NDArray[np.int64], Ids, Ids]:
    ranges = [range(length)[part] for part, length in zip(atom.slice_key, shape, strict=True)]
    mask = np.ones([len(one) for one in ranges], bool) if atom.mask is None else atom.mask
    indices = tuple(one.start + index for one, index in zip(ranges, np.nonzero(mask), strict=True))
    before = np.ravel(np.asarray(atom.old_values))
    return np.ravel_multi_index(indices, shape), before, np.full(before.shape, atom.new_value, before.dtype)


def _runs(places: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return starts and lengths of the runs of following numbers in rising ones."""
    first = np.flatnonzero(np.diff(places, prepend=places[0] - 2) != 1)
    return places[first], np.diff(first, append=len(places))


def _brief(values: Ids) -> Ids:
    """Keep one value where all are the same."""
    return values[:1].copy() if (values == values[0]).all() else values
