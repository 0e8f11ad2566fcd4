"""Unlimited undo and redo of edits, brush strokes and decisions, in one order.

An entry stores only the pixels that it changed, so an hour of corrections of a slide fits into memory. Undo and redo
refuse to write where the labels were changed by someone else: stale ids would destroy that work.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Protocol

import numpy as np

from napari_unet_nuclei.core.corrections.track_step import TrackStep
from napari_unet_nuclei.core.errors import EditError
from napari_unet_nuclei.core.labels.edit.edit import Edit, Patch
from napari_unet_nuclei.core.labels.regions import slices
from napari_unet_nuclei.core.types import AnyArray, Index, Region


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
