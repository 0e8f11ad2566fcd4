"""A correction of tracks in the history of corrections, so that one undo takes back pixels and links in their order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from napari_unet_nuclei.core.types import AnyArray


class Steps(Protocol):
    """Something with an undo of its own; its state is another object after every step."""

    @property
    def state(self) -> object:
        """The present state."""

    def undo(self) -> None:
        """Take back the last step."""

    def redo(self) -> None:
        """Repeat the step that was taken back last."""


@dataclass(frozen=True, eq=False)
class TrackStep:
    """One step of tracks; they write their ids into the labels themselves.

    Attributes
    ----------
    tracks : Steps
    before, after : object
        States of the tracks.
    box : tuple of slice
        Around the nucleus concerned, over all axes of the labels.
    """

    tracks: Steps
    before: object
    after: object
    box: tuple[slice, ...]

    @property
    def touched(self) -> tuple[int, ...]:
        """Empty: nuclei stay where they are, under whatever id."""
        return ()

    def apply(self, labels: AnyArray) -> None:
        """Repeat the step."""
        self.tracks.redo()

    def revert(self, labels: AnyArray) -> None:
        """Take the step back."""
        self.tracks.undo()

    def fits(self, labels: AnyArray, *, applied: bool) -> bool:
        """Return whether the tracks are as they are after the step (``applied``) or before it."""
        return self.tracks.state is (self.after if applied else self.before)
