"""Correct links by hand: cut, link, join, and mark divisions; with undo and redo."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from napari_unet_nuclei.core.errors import EditError
from napari_unet_nuclei.core.tracking.keep_ids import keep_ids
from napari_unet_nuclei.core.tracking.lineage import Lineages, number_tracks


@dataclass(frozen=True, eq=False)
class TrackState:
    """Tracks after some corrections.

    Attributes
    ----------
    lineages : Lineages
    decided : frozenset of int
        Rows that a person has decided about, which are not doubtful any more.
    title : str
        What led to this state, as *Undo* names it; empty for tracks as they were followed.
    row : int
        The nucleus that was concerned; -1 where there was none.
    """

    lineages: Lineages
    decided: frozenset[int] = frozenset()
    title: str = ""
    row: int = -1


class TrackEditor:
    """Tracks that a person corrects; ids of what does not change stay.

    Nuclei are given as rows of the spots. Every correction, and every decision that something is right, is one step of
    undo.
    """

    def __init__(self, lineages: Lineages) -> None:
        self.state = TrackState(lineages)
        self._done: list[TrackState] = []
        self._undone: list[TrackState] = []

    @property
    def lineages(self) -> Lineages:
        """The tracks with all corrections."""
        return self.state.lineages

    @property
    def decided(self) -> frozenset[int]:
        """Rows that a person has decided about."""
        return self.state.decided

    @property
    def can_undo(self) -> bool:
        """True if there is anything to undo."""
        return bool(self._done)

    @property
    def can_redo(self) -> bool:
        """True if there is anything to redo."""
        return bool(self._undone)

    def accept(self, row: int) -> None:
        """Decide that a nucleus is linked rightly."""
        self._step(self.lineages, "Link is right", row)

    def cut(self, row: int) -> None:
        """Begin a new track with a nucleus."""
        if self.lineages.previous[row] < 0:
            raise EditError("This track begins here already: there is no link to cut. Choose a later frame.")
        self._change({row: -1}, "Cut track", row)

    def link(self, earlier: int, later: int) -> None:
        """Let a nucleus go on as another one, and whatever else it went on as begin anew."""
        earlier, later = self._in_order(earlier, later)
        if self.lineages.previous[later] == earlier and self._successors(earlier) == [later]:
            raise EditError("These two are linked already.")
        self._change({**dict.fromkeys(self._successors(earlier), -1), later: earlier}, "Link nuclei", earlier, later)

    def join(self, one: int, other: int) -> None:
        """Let the track of one nucleus go on as the track of another one, from its end to the other's beginning."""
        tracks = self.lineages.track
        first, second = (self.lineages.rows(int(tracks[row])) for row in self._in_order(one, other))
        if tracks[one] == tracks[other]:
            raise EditError("These two are one track already.")
        if self.lineages.spots.frame[first[-1]] >= self.lineages.spots.frame[second[0]]:
            raise EditError("Both tracks are there at the same time. Link two nuclei of different frames instead.")
        self.link(int(first[-1]), int(second[0]))

    def divide(self, mother: int, daughter: int) -> None:
        """Make a nucleus a daughter of an earlier one, besides what that one goes on as."""
        mother, daughter = self._in_order(mother, daughter)
        if self.lineages.previous[daughter] == mother:
            raise EditError("This nucleus comes from that one already.")
        if not self._successors(mother):
            raise EditError("The mother must go on, too: a division has two daughters. Link the first daughter before.")
        self._change({daughter: mother}, "Mark division", mother, daughter)

    def undo(self) -> None:
        """Take back the last correction."""
        if self._done:
            self._undone.append(self.state)
            self.state = self._done.pop()

    def redo(self) -> None:
        """Repeat what was taken back last."""
        if self._undone:
            self._done.append(self.state)
            self.state = self._undone.pop()

    def _successors(self, row: int) -> list[int]:
        return [int(one) for one in np.flatnonzero(self.lineages.previous == row)]

    def _in_order(self, one: int, other: int) -> tuple[int, int]:
        frame = self.lineages.spots.frame
        if frame[one] == frame[other]:
            raise EditError("Both nuclei are in the same frame. Choose one in an earlier and one in a later frame.")
        return (one, other) if frame[one] < frame[other] else (other, one)

    def _step(self, lineages: Lineages, title: str, *rows: int) -> None:
        self._done.append(self.state)
        self._undone.clear()
        self.state = TrackState(lineages, self.decided.union(rows), title, rows[-1])

    def _change(self, previous: dict[int, int], title: str, *rows: int) -> None:
        """Set where some rows come from, and number the tracks anew so that all others keep their ids."""
        changed: NDArray[np.int64] = self.lineages.previous.copy()
        changed[list(previous)] = list(previous.values())
        renumbered = number_tracks(self.lineages.spots, changed)
        before = self.lineages.track
        kept = keep_ids(renumbered, before, renumbered.track, np.ones(len(before), np.int64))
        # Nuclei that were left out as too short stay so, unless they have been linked to others.
        related = kept.ids[(kept.parent > 0) | (kept.daughters > 0)]
        left_out = ~np.isin(kept.track, np.append(related, kept.track[before > 0]))
        self._step(replace(kept, track=np.where(left_out, 0, kept.track)), title, *rows)
