"""Undo and redo without end, for edits and strokes alike, in one order.

An entry holds the pixels that it changed and nothing else, so that an hour of corrections of a slide fits into memory.
Nothing is written where the labels are not as the history left them: stale values would destroy someone's work.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from napari_unet_nuclei.core.errors import EditError
from napari_unet_nuclei.core.labels.edit.edit import Edit, Patch
from napari_unet_nuclei.core.types import AnyArray


class Change(Protocol):
    """What an entry is made of: `PlaneEdit` or `Stroke`."""

    @property
    def box(self) -> tuple[slice, ...]:
        """Smallest box, over all axes of the labels, that holds the change."""

    @property
    def touched(self) -> tuple[int, ...]:
        """Ids that appear, vanish or change their pixels."""

    def apply(self, labels: AnyArray) -> None:
        """Make the change."""

    def revert(self, labels: AnyArray) -> None:
        """Take it back."""

    def fits(self, labels: AnyArray, *, applied: bool) -> bool:
        """Tell whether labels are as the change leaves them, or else as it finds them."""


@dataclass(frozen=True, eq=False)
class PlaneEdit:
    """An edit and the plane that it is made in.

    Attributes
    ----------
    index : tuple of int
        Along the leading axes of the labels; empty in a single plane.
    edit : Edit
    """

    index: tuple[int, ...]
    edit: Edit

    def apply(self, labels: AnyArray) -> None:
        """Make the change in labels (..., Y, X)."""
        for patch in self.edit.patches:
            labels[self._place(patch)] = patch.after

    def revert(self, labels: AnyArray) -> None:
        """Take the change back."""
        for patch in self.edit.patches:
            labels[self._place(patch)] = patch.before

    def fits(self, labels: AnyArray, *, applied: bool) -> bool:
        """Tell whether labels are as the edit leaves them (``applied``), or as it finds them."""
        leading = labels.shape[:-2]
        if len(leading) != len(self.index) or any(i >= length for i, length in zip(self.index, leading, strict=True)):
            return False
        return all(
            np.array_equal(labels[self._place(patch)], patch.after if applied else patch.before)
            for patch in self.edit.patches
        )

    @property
    def box(self) -> tuple[slice, ...]:
        """Smallest box, over all axes, that holds the edit."""
        y0, y1, x0, x1 = self.edit.region
        return (*(slice(i, i + 1) for i in self.index), slice(y0, y1), slice(x0, x1))

    @property
    def touched(self) -> tuple[int, ...]:
        """Ids that appear, vanish or change their pixels."""
        return self.edit.touched

    def _place(self, patch: Patch) -> tuple[int | slice, ...]:
        y0, y1, x0, x1 = patch.region
        return (*self.index, slice(y0, y1), slice(x0, x1))


@dataclass(frozen=True, eq=False)
class Entry:
    """What one undo takes back: changes, each made in the labels that the one before it left.

    Attributes
    ----------
    changes : sequence of Change
        At least one.
    title : str
        For menus and messages.
    """

    changes: Sequence[Change]
    title: str


@dataclass(frozen=True)
class Touched:
    """What has just changed, so that a window draws and measures no more than that.

    Attributes
    ----------
    box : tuple of slice
        Over all axes of the labels.
    ids : tuple of int
        Nuclei that appeared, vanished or changed, in rising order.
    title : str
        What was made, or taken back.
    """

    box: tuple[slice, ...]
    ids: tuple[int, ...]
    title: str


@dataclass
class History:
    """Entries that are made, and those that were taken back and can be made again."""

    _made: list[Entry] = field(default_factory=list)
    _undone: list[Entry] = field(default_factory=list)

    @property
    def undo_title(self) -> str:
        """What `undo` would take back; empty where there is nothing."""
        return self._made[-1].title if self._made else ""

    @property
    def redo_title(self) -> str:
        """What `redo` would make again; empty where there is nothing."""
        return self._undone[-1].title if self._undone else ""

    def push(self, entry: Entry) -> Touched:
        """Record what has been made already, as a stroke has when it is reported; nothing can be redone then."""
        self._made.append(entry)
        self._undone.clear()
        return _touched(entry)

    def make(self, labels: AnyArray, entry: Entry) -> Touched:
        """Make an entry in labels (..., Y, X), and record it.

        Raises
        ------
        EditError
            If the labels are not those that the entry was planned for; nothing is changed then.
        """
        _apply(entry, labels)
        return self.push(entry)

    def undo(self, labels: AnyArray) -> Touched | None:
        """Take the last entry back; None where there is none.

        Raises
        ------
        EditError
            If the labels were changed behind the history's back; nothing is changed then.
        """
        if not self._made:
            return None
        _revert(self._made[-1], labels)
        self._undone.append(self._made.pop())
        return _touched(self._undone[-1])

    def redo(self, labels: AnyArray) -> Touched | None:
        """Make the entry again that was taken back last; None where there is none.

        Raises
        ------
        EditError
            If the labels were changed behind the history's back; nothing is changed then.
        """
        if not self._undone:
            return None
        _apply(self._undone[-1], labels)
        self._made.append(self._undone.pop())
        return _touched(self._made[-1])

    def follow(self, labels: AnyArray) -> int:
        """Notice what a viewer's own undo or redo has done to the labels meanwhile.

        Only entries of one change are recognised, as strokes are.

        Returns
        -------
        int
            Entries that were taken back (negative) or made again (positive).
        """
        moved = _move(self._made, self._undone, labels, applied=False)
        return -moved if moved else _move(self._undone, self._made, labels, applied=True)

    def clear(self) -> None:
        """Forget everything, as for other labels."""
        self._made.clear()
        self._undone.clear()


def _apply(entry: Entry, labels: AnyArray) -> None:
    """Make all changes or none."""
    for number, change in enumerate(entry.changes):
        if not change.fits(labels, applied=False):
            for earlier in reversed(entry.changes[:number]):
                earlier.revert(labels)
            raise _stale(entry)
        change.apply(labels)


def _revert(entry: Entry, labels: AnyArray) -> None:
    """Take all changes back or none."""
    for number in reversed(range(len(entry.changes))):
        if not entry.changes[number].fits(labels, applied=True):
            for later in entry.changes[number + 1 :]:
                later.apply(labels)
            raise _stale(entry)
        entry.changes[number].revert(labels)


def _stale(entry: Entry) -> EditError:
    return EditError(
        f"{entry.title}: the labels have been changed elsewhere since, so that this would destroy them. "
        "Nothing was changed; the history starts anew when these labels are chosen again."
    )


def _move(source: list[Entry], target: list[Entry], labels: AnyArray, *, applied: bool) -> int:
    """Move entries that turn out to have been taken back, or made again (``applied``), and count them."""
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
