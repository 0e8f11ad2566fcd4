"""Unlimited undo and redo of edits, brush strokes and decisions, in one order.

An entry stores only the pixels that it changed, so an hour of corrections of a slide fits into memory. Undo and redo
refuse to write where the labels were changed by someone else: stale ids would destroy that work.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from napari_unet_nuclei.core.corrections.track_step import TrackStep
from napari_unet_nuclei.core.errors import EditError
from napari_unet_nuclei.core.labels.edit.edit import Edit, Patch
from napari_unet_nuclei.core.labels.regions import slices
from napari_unet_nuclei.core.types import AnyArray, Index, Region

Ids: TypeAlias = NDArray[np.integer[Any]]


class Change(Protocol):
    """Part of an entry: `PlaneEdit`, `Stroke`, `Verdict` or `TrackStep`."""

    @property
    def box(self) -> tuple[slice, ...]:
        """Smallest box over all axes of the labels that contains the change."""

    @property
    def touched(self) -> tuple[int, ...]:
        """Ids that appear, vanish or change their pixels; none for a decision."""

    def apply(self, labels: AnyArray) -> None:
        """Apply the change."""

    def revert(self, labels: AnyArray) -> None:
        """Revert the change."""

    def fits(self, labels: AnyArray, *, applied: bool) -> bool:
        """Return whether the labels are as they are after the change (``applied``) or before it."""


@dataclass(frozen=True, eq=False)
class PlaneEdit:
    """An edit of one plane."""

    index: Index  # along the leading axes of the labels; empty in a single plane
    edit: Edit

    def apply(self, labels: AnyArray) -> None:
        """Apply the edit to labels (..., Y, X)."""
        for patch in self.edit.patches:
            labels[self._place(patch)] = patch.after

    def revert(self, labels: AnyArray) -> None:
        """Restore the previous ids."""
        for patch in self.edit.patches:
            labels[self._place(patch)] = patch.before

    def fits(self, labels: AnyArray, *, applied: bool) -> bool:
        """Return whether the labels are as they are after the edit (``applied``) or before it."""
        # A layer may have got other axes since, for instance by a conversion: then nothing fits.
        leading = labels.shape[:-2]
        if len(leading) != len(self.index) or any(i >= length for i, length in zip(self.index, leading, strict=True)):
            return False
        return all(
            np.array_equal(labels[self._place(patch)], patch.after if applied else patch.before)
            for patch in self.edit.patches
        )

    @property
    def box(self) -> tuple[slice, ...]:
        """Smallest box over all axes that contains the edit."""
        return (*(slice(i, i + 1) for i in self.index), *slices(self.edit.region))

    @property
    def touched(self) -> tuple[int, ...]:
        """Ids that appear, vanish or change their pixels; none for a decision."""
        return self.edit.touched

    def _place(self, patch: Patch) -> tuple[int | slice, ...]:
        return (*self.index, *slices(patch.region))


@dataclass(frozen=True, eq=False)
class Entry:
    """One step of undo: changes, each of which applies to the labels that the previous one left."""

    changes: Sequence[Change]  # at least one
    title: str  # shown in menus and messages

    @property
    def is_decision(self) -> bool:
        """True where neither pixels nor tracks change."""
        return not any(change.touched or isinstance(change, TrackStep) for change in self.changes)


@dataclass(frozen=True)
class Touched:
    """What an entry has just changed, so that only that is drawn and measured again."""

    box: tuple[slice, ...]  # over all axes of the labels
    ids: tuple[int, ...]  # nuclei that appeared, vanished or changed, in ascending order
    title: str

    @property
    def planes(self) -> list[Index]:
        """Indices of the planes that the box intersects."""
        return list(product(*(range(part.start, part.stop) for part in self.box[:-2])))

    @property
    def region(self) -> Region:
        """The rectangle that the box covers in each plane."""
        y, x = self.box[-2:]
        return y.start, y.stop, x.start, x.stop


@dataclass
class History:
    """Applied entries, and reverted ones that can be applied again."""

    _made: list[Entry] = field(default_factory=list)
    _undone: list[Entry] = field(default_factory=list)

    @property
    def last(self) -> Entry | None:
        """The entry that `undo` would revert."""
        return self._made[-1] if self._made else None

    @property
    def undo_title(self) -> str:
        """Title of the entry that `undo` would revert; empty where there is none."""
        return self._made[-1].title if self._made else ""

    @property
    def redo_title(self) -> str:
        """Title of the entry that `redo` would apply; empty where there is none."""
        return self._undone[-1].title if self._undone else ""

    def push(self, entry: Entry) -> Touched:
        """Record an entry that is already applied, such as a reported stroke; this clears redo."""
        # What was undone was planned for labels that are no longer there.
        self._made.append(entry)
        self._undone.clear()
        return _touched(entry)

    def make(self, labels: AnyArray, entry: Entry) -> Touched:
        """Apply an entry to labels (..., Y, X) and record it.

        Raise EditError if the labels are not those that the entry was planned for; they stay unchanged.
        """
        _apply(entry, labels)
        return self.push(entry)

    def undo(self, labels: AnyArray) -> Touched | None:
        """Revert the last entry; return None where there is none.

        Raise EditError if the labels were changed elsewhere; they stay unchanged.
        """
        if not self._made:
            return None
        # Moved only once it has succeeded: on an error both lists are as before.
        _revert(self._made[-1], labels)
        self._undone.append(self._made.pop())
        return _touched(self._undone[-1])

    def redo(self, labels: AnyArray) -> Touched | None:
        """Apply the entry that was reverted last; return None where there is none.

        Raise EditError if the labels were changed elsewhere; they stay unchanged.
        """
        if not self._undone:
            return None
        _apply(self._undone[-1], labels)
        self._made.append(self._undone.pop())
        return _touched(self._made[-1])

    def follow(self, labels: AnyArray) -> int:
        """Catch up with what the viewer's own undo or redo has done to the labels.

        Only entries of a single change are recognised, as strokes are. Decisions above a stroke that the viewer has
        undone are reverted with it. Returns the number of entries that the viewer has reverted (negative) or applied
        again (positive).
        """
        hidden = 0
        # A decision changes no pixel, so the stroke that the viewer has undone may lie below it.
        while not (moved := self._moved(labels)) and self.last is not None and self.last.is_decision:
            self.undo(labels)
            hidden += 1
        for _ in range(0 if moved else hidden):
            self.redo(labels)
        return moved

    def _moved(self, labels: AnyArray) -> int:
        moved = _move(self._made, self._undone, labels, applied=False)
        return -moved if moved else _move(self._undone, self._made, labels, applied=True)

    def follow_tracks(self, labels: AnyArray) -> bool:
        """Catch up with tracks that were changed elsewhere; return whether that took back or repeated a step of them.

        Where it took back a step that is not the last entry, all entries are forgotten, as their order is no longer
        that of what was done.
        """
        for source, target, applied in ((self._made, self._undone, False), (self._undone, self._made, True)):
            if source and _is_step(source[-1], labels, applied=applied):
                target.append(source.pop())
                return True
        is_out_of_order = any(_is_step(entry, labels, applied=False) for entry in self._made)
        if is_out_of_order:
            self.clear()
        return is_out_of_order

    def clear(self) -> None:
        """Forget all entries."""
        self._made.clear()
        self._undone.clear()


def _is_step(entry: Entry, labels: AnyArray, *, applied: bool) -> bool:
    """Return whether an entry is a step of tracks that are as they are after it (``applied``) or before it."""
    return any(isinstance(change, TrackStep) and change.fits(labels, applied=applied) for change in entry.changes)


def _apply(entry: Entry, labels: AnyArray) -> None:
    """Apply all changes or none."""
    for number, change in enumerate(entry.changes):
        if not change.fits(labels, applied=False):
            # For the user an entry is one step: half of it must not stay.
            for earlier in reversed(entry.changes[:number]):
                earlier.revert(labels)
            raise _stale(entry)
        change.apply(labels)


def _revert(entry: Entry, labels: AnyArray) -> None:
    """Revert all changes or none."""
    for number in reversed(range(len(entry.changes))):
        if not entry.changes[number].fits(labels, applied=True):
            for later in entry.changes[number + 1 :]:
                later.apply(labels)
            raise _stale(entry)
        entry.changes[number].revert(labels)


def _stale(entry: Entry) -> EditError:
    return EditError(
        f"{entry.title}: the labels have been changed elsewhere since, and going on would destroy those changes. "
        "The labels were left as they are, and the history was cleared."
    )


def _move(source: list[Entry], target: list[Entry], labels: AnyArray, *, applied: bool) -> int:
    """Move entries that have turned out to be reverted, or applied again (``applied``), and count them."""
    count = 0
    while source and len(source[-1].changes) == 1 and source[-1].changes[0].fits(labels, applied=applied):
        target.append(source.pop())
        count += 1
    return count


def _touched(entry: Entry) -> Touched:
    boxes = [change.box for change in entry.changes]
    axes = zip(*boxes, strict=True)
    box = tuple(slice(min(part.start for part in axis), max(part.stop for part in axis)) for axis in axes)
    ids = sorted({one for change in entry.changes for one in change.touched})
    return Touched(box, tuple(ids), entry.title)


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
