"""Tracks, made of links: a track goes from birth to death or division, gaps included, and daughters are new tracks."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from napari_unet_nuclei.core.tracking.spots import Spots


@dataclass(frozen=True, eq=False)
class Lineages:
    """Which track every nucleus belongs to, and which track comes from which.

    Attributes
    ----------
    spots : Spots
        Nuclei of all frames, one a row.
    previous : ndarray, shape (n,), int64
        For every row, the row in an earlier frame that it comes from; -1 where it comes from none.
    track : ndarray, shape (n,), int64
        For every row, the id of its track, from 1; 0 for nuclei that were left out.
    """

    spots: Spots
    previous: NDArray[np.int64]
    track: NDArray[np.int64]

    @cached_property
    def by_track(self) -> NDArray[np.int64]:
        """Rows that belong to a track, sorted by track, then by frame."""
        order = np.argsort(self.track, kind="stable")
        return order[np.count_nonzero(self.track == 0) :]

    @cached_property
    def ids(self) -> NDArray[np.int64]:
        """Ids of the tracks, ascending."""
        return np.unique(self.track[self.by_track])

    @cached_property
    def bounds(self) -> NDArray[np.int64]:
        """Where every track begins in `by_track`, and at the end its length."""
        return np.append(np.searchsorted(self.track[self.by_track], self.ids), len(self.by_track))

    @property
    def first(self) -> NDArray[np.int64]:
        """First row of every track, in the order of `ids`."""
        return self.by_track[self.bounds[:-1]]

    @property
    def last(self) -> NDArray[np.int64]:
        """Last row of every track, in the order of `ids`."""
        return self.by_track[self.bounds[1:] - 1]

    def rows(self, track: int) -> NDArray[np.int64]:
        """Return the rows of one track in the order of the frames; none if there is no such track."""
        place = int(np.searchsorted(self.ids, track))
        if place == len(self.ids) or self.ids[place] != track:
            return np.zeros(0, np.int64)
        return self.by_track[self.bounds[place] : self.bounds[place + 1]]

    @cached_property
    def parent(self) -> NDArray[np.int64]:
        """Id of the track that each track comes from, in the order of `ids`; 0 for none."""
        mothers = self.previous[self.first]
        return np.where(mothers >= 0, self.track[mothers], 0)

    @cached_property
    def daughters(self) -> NDArray[np.int64]:
        """Number of daughters of every track, in the order of `ids`."""
        born = self.parent[self.parent > 0]
        return np.bincount(np.searchsorted(self.ids, born), minlength=len(self.ids))

    @cached_property
    def _descent(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Generation (0 for the first) and root of every track, in the order of `ids`."""
        generation, root = np.zeros(len(self.ids), np.int64), self.ids.copy()
        # A mother is seen before her daughters, so that she is known when they are reached.
        for place in np.argsort(self.spots.frame[self.first], kind="stable"):
            if self.parent[place]:
                mother = np.searchsorted(self.ids, self.parent[place])
                generation[place], root[place] = generation[mother] + 1, root[mother]
        return generation, root

    @property
    def generation(self) -> NDArray[np.int64]:
        """Divisions between a track and its root, in the order of `ids`."""
        return self._descent[0]

    @property
    def root(self) -> NDArray[np.int64]:
        """Id of the first ancestor, the track itself if it has none, in the order of `ids`."""
        return self._descent[1]

    def relabelled(self, frame: int, ids: NDArray[np.int64]) -> NDArray[np.int32]:
        """Return the labels of a frame with the ids of tracks in place of their own."""
        rows = self.spots.rows(frame)
        order = rows[np.argsort(self.spots.label[rows])]
        if not len(order):
            return np.zeros(ids.shape, np.int32)
        labels, tracks = self.spots.label[order], self.track[order].astype(np.int32)
        highest = int(labels[-1])
        if highest <= 4 * ids.size:
            table = np.zeros(highest + 1, np.int32)
            table[labels] = tracks
            return np.asarray(table[ids])
        return np.where(ids > 0, tracks[np.minimum(np.searchsorted(labels, ids), len(labels) - 1)], 0).astype(np.int32)


def number_tracks(spots: Spots, previous: NDArray[np.int64], shortest: int = 1) -> Lineages:
    """Give tracks the ids 1, 2, ... by their first frame, then from top to bottom.

    Tracks of fewer than ``shortest`` frames that neither come from a division nor end in one are left out.
    """
    successors = np.bincount(previous[previous >= 0], minlength=len(spots))
    begins = np.asarray((previous < 0) | (successors[previous] > 1))
    track = np.cumsum(begins, dtype=np.int64)
    track[~begins] = 0
    for time in range(1, spots.frames):
        rows = spots.rows(time)
        going_on = rows[~begins[rows]]
        track[going_on] = track[previous[going_on]]
    found = Lineages(spots, previous, track)
    short = (np.diff(found.bounds) < shortest) & (found.parent == 0) & (found.daughters == 0)
    if not short.any():
        return found
    renumbered = np.zeros(int(track.max()) + 1, np.int64)
    renumbered[found.ids[~short]] = np.arange(1, np.count_nonzero(~short) + 1)
    return Lineages(spots, previous, renumbered[track])
