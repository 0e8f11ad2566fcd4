"""Which links and divisions are doubtful, and why: what a person should look at first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from napari_unet_nuclei.core.quantity import quantity
from napari_unet_nuclei.core.tracking.divide import BIRTH_REACH, division_costs, usual_sizes
from napari_unet_nuclei.core.tracking.lineage import Lineages
from napari_unet_nuclei.core.tracking.link import GAP_REACH, near

YOUNG_MOTHER = 3
"""Frames; a nucleus that has just appeared does not divide: most often it was two all along, seen as one."""

UNLIKE_DIVISION = 0.7
"""Cost of a division, of at most 1, from which its daughters lie or look unusual."""

NEAR_REACH = 0.8
"""Share of the largest step from which a link is long."""

RIVAL, LEAST_STEP = 1.25, 0.3
"""A link is ambiguous if another nucleus is hardly farther away, but not over steps below this many diameters."""

SIZE_CHANGE = 1.0
"""Doublings or halvings of the size from one frame to the next that no nucleus goes through undivided."""

DoubtKind = Literal["division", "link", "begin", "end"]


@dataclass(frozen=True)
class Doubt:
    """Something to look at.

    Attributes
    ----------
    kind : {"division", "link", "begin", "end"}
        A division; a link, gaps included; a track that begins, or ends, within the picture.
    row : int
        Of the nucleus concerned: of a division the second daughter, of a link the later nucleus.
    reason : str
        In the user's words.
    weight : float
        The larger, the more doubtful.
    """

    kind: DoubtKind
    row: int
    reason: str
    weight: float


def find_doubts(lineages: Lineages, reach: float, longest_gap: int) -> tuple[Doubt, ...]:
    """List what is doubtful, the most doubtful first; ``reach`` is the largest step in diameters."""
    if not len(lineages.spots):
        return ()
    found = [*_divisions(lineages, longest_gap), *_links(lineages, reach), *_loose_ends(lineages)]
    kept = (doubt for doubt in found if lineages.track[doubt.row] > 0)
    # Divisions first: they are few, and lineages hang on them.
    order = {"division": 0, "link": 1, "begin": 2, "end": 3}
    return tuple(sorted(kept, key=lambda doubt: (order[doubt.kind], -doubt.weight, doubt.row)))


def _divisions(lineages: Lineages, longest_gap: int) -> Iterator[Doubt]:
    spots, previous = lineages.spots, lineages.previous
    ends, sizes = lineages.last[lineages.daughters == 0], usual_sizes(spots, previous)
    born: dict[int, list[int]] = {}
    for row in np.flatnonzero(previous >= 0):
        born.setdefault(int(previous[row]), []).append(int(row))
    for mother, daughters in born.items():
        if len(daughters) < 2:
            continue
        # By distance, so that the second is the one that a beginning was made a daughter of.
        away = np.linalg.norm(spots.position[daughters] - spots.position[mother], axis=1)
        first, second = (daughters[place] for place in np.argsort(away, kind="stable")[:2])
        age = len(lineages.rows(int(lineages.track[mother])))
        distance = np.array([away.max()])
        costs = division_costs(spots, np.array([mother]), np.array([first]), np.array([second]), distance, sizes)
        cost = float(costs[0])
        before = spots.frame[second] - spots.frame[ends]
        lost = ends[(before > 0) & (before <= longest_gap + 1)]
        apart = np.linalg.norm(spots.position[lost] - spots.position[second], axis=1)
        first_frame = lineages.previous[lineages.rows(int(lineages.track[mother]))[0]] < 0
        if age < YOUNG_MOTHER and not (first_frame and spots.frame[mother] < YOUNG_MOTHER):
            yield Doubt("division", second, f"the mother was there for only {quantity(age, 'frame')}", 2.0)
        elif (apart < spots.diameter).any():
            yield Doubt("division", second, "another track ended here just before", 1.5)
        elif cost > UNLIKE_DIVISION:
            yield Doubt("division", second, "the daughters lie or look unlike a division", cost)


def _links(lineages: Lineages, reach: float) -> Iterator[Doubt]:
    spots, previous = lineages.spots, lineages.previous
    successors = np.bincount(previous[previous >= 0], minlength=len(spots))
    rows = np.flatnonzero((previous >= 0) & (successors[previous] < 2))
    before = previous[rows]
    steps = np.linalg.norm(spots.position[rows] - spots.position[before], axis=1) / spots.diameter
    gaps = spots.frame[rows] - spots.frame[before] - 1
    limits = reach * np.where(gaps > 0, GAP_REACH * np.sqrt(gaps + 1), 1.0)
    # Frames that hold no nuclei at all, as where the shutter stayed closed, say nothing of this one.
    told = np.concatenate([[0], np.cumsum(np.diff(spots.starts) > 0)])
    missed = told[spots.frame[rows]] - told[spots.frame[before] + 1]
    change = np.log2(spots.size[rows] / spots.size[before])
    rival = _rivals(lineages, rows)
    for row, step, gap, limit, doubling, other in zip(rows, steps, missed, limits, change, rival, strict=True):
        if step > LEAST_STEP and other < RIVAL * step:
            yield Doubt("link", int(row), "another nucleus is as near", 1 + float(step / max(other, 1e-9)))
        elif step > NEAR_REACH * limit:
            yield Doubt("link", int(row), f"a step of {step:.1f} diameters", 1 + float(step / limit))
        elif abs(doubling) > SIZE_CHANGE:
            change_in_words = "more than twice" if doubling > 0 else "less than half"
            yield Doubt("link", int(row), f"{change_in_words} as large as before", float(abs(doubling)))
        elif gap > 0:
            yield Doubt("link", int(row), f"not seen for {quantity(int(gap), 'frame')}", 0.5 + 0.1 * float(gap))


def _rivals(lineages: Lineages, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return, in diameters, how far from where each row came from the nearest other nucleus of its frame is."""
    spots, previous = lineages.spots, lineages.previous
    away = np.full(len(rows), np.inf)
    for time in np.unique(spots.frame[rows]):
        places = np.flatnonzero(spots.frame[rows] == time)
        there = spots.rows(int(time))
        i, j, distance = near(
            spots.position[previous[rows[places]]], spots.position[there], RIVAL * BIRTH_REACH * spots.diameter
        )
        others = there[j] != rows[places[i]]
        np.minimum.at(away, places[i[others]], distance[others] / spots.diameter)
    return away


def _loose_ends(lineages: Lineages) -> Iterator[Doubt]:
    spots = lineages.spots
    height_width = np.array(spots.shape[-2:])
    plane = spots.centre[:, -2:]
    # Within a diameter of the rim, nuclei come and go.
    margin = spots.diameter / spots.spacing[-2:]
    inside = np.all((plane > margin) & (plane < height_width - margin), axis=1)
    for row in lineages.first[lineages.parent == 0]:
        if inside[row] and spots.frame[row] > 0:
            yield Doubt("begin", int(row), "appears from nowhere", 0.4)
    for row in lineages.last[lineages.daughters == 0]:
        if inside[row] and spots.frame[row] < spots.frames - 1:
            yield Doubt("end", int(row), "vanishes", 0.3)
