"""Link nuclei from frame to frame and over gaps.

Distances are in nucleus diameters, so that one set of numbers serves every magnification. All numbers below were chosen
on simulated and real movies with known tracks (docs/time.md); none is critical.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from napari_unet_nuclei.core.progress import Advanced, Progress
from napari_unet_nuclei.core.tracking.assign import cheapest
from napari_unet_nuclei.core.tracking.spots import Spots

AREA_WEIGHT = 0.25
"""Cost of a doubling or halving of the area, as a share of that of the largest step."""

PERSISTENCE, KNOWN_PERSISTENCE = 0.5, 0.8
"""Share of the usual step by which a position is predicted: from what came before alone, and once it is known what
comes after as well. It helps fast nuclei, and slow ones do not mind."""

LATEST = 0.5
"""Share of the latest step in the usual one; the rest is what was known before: a jitter of the centroid is no
direction."""

GAP_REACH = 0.8
"""Over a gap of g frames a nucleus may go this share of the largest step, times the root of g + 1: as in diffusion."""

FIRST_REACH = 1.5
"""Diameters; with this the steps are measured that the automatic largest step is made of."""

REACH_OF_STEPS, LEAST_REACH, LARGEST_REACH = 2.5, 1.0, 2.0
"""The automatic largest step is 2.5 times the 95th percentile of the steps, but 1 to 2 diameters."""


@dataclass(frozen=True)
class Reach:
    """The largest step, in diameters, and the 95th percentile of the steps that it was made of (NaN if given)."""

    diameters: float
    typical: float


def automatic_reach(spots: Spots, progress: Progress) -> Reach:
    """Measure how far nuclei go from frame to frame."""
    previous = link_frames(spots, FIRST_REACH, progress)
    steps = step_lengths(spots, previous)
    if not len(steps):
        return Reach(LEAST_REACH, 0.0)
    typical = float(np.percentile(steps, 95)) / spots.diameter
    return Reach(float(np.clip(REACH_OF_STEPS * typical, LEAST_REACH, LARGEST_REACH)), typical)


def step_lengths(spots: Spots, previous: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the lengths of all links."""
    linked = np.flatnonzero(previous >= 0)
    lengths = np.linalg.norm(spots.position[linked] - spots.position[previous[linked]], axis=1)
    return np.asarray(lengths, np.float64)


def link_frames(spots: Spots, reach: float, progress: Progress) -> NDArray[np.int64]:
    """Link every nucleus to at most one in the next frame; ``reach`` is the largest step in diameters.

    Return for every row the row that it comes from, or -1.
    """
    previous = np.full(len(spots), -1)
    ahead = np.zeros_like(spots.position)
    for time in range(spots.frames - 1):
        progress.report(Advanced(time / spots.frames, f"linking frame {time + 1} of {spots.frames}"))
        old, new = _linked(spots, time, reach, PERSISTENCE * ahead, np.zeros_like(ahead))
        previous[new] = old
        ahead[new] = LATEST * (spots.position[new] - spots.position[old]) + (1 - LATEST) * ahead[old]
    return previous


def link_again(spots: Spots, previous: NDArray[np.int64], reach: float) -> NDArray[np.int64]:
    """Link as `link_frames`, now that it is known where nuclei come from and where they go."""
    half = KNOWN_PERSISTENCE / 2
    ahead, back = half * _usual_steps(spots, previous), half * _usual_steps(spots, previous, back=True)
    again = np.full(len(spots), -1)
    for time in range(spots.frames - 1):
        old, new = _linked(spots, time, reach, ahead, back)
        again[new] = old
    return again


def _linked(
    spots: Spots, time: int, reach: float, ahead: NDArray[np.float64], back: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Link a frame to the next one, given how far nuclei are expected to go, and to have come; return rows of both."""
    now, then = spots.rows(time), spots.rows(time + 1)
    radius = reach * spots.diameter
    i, j, distance = near(spots.position[now] + ahead[now], spots.position[then] + back[then], radius)
    costs = (distance / radius) ** 2 + AREA_WEIGHT * _doublings(spots, now[i], then[j])
    chosen = cheapest(i, j, costs, alone=1 + AREA_WEIGHT / 2)
    return now[i[chosen]], then[j[chosen]]


def _usual_steps(spots: Spots, previous: NDArray[np.int64], *, back: bool = False) -> NDArray[np.float64]:
    """Average, a frame long, the steps by which each nucleus came to where it is, the latest ones counting most.

    With ``back`` they are those from where it goes, back in time.
    """
    beside, times = previous, range(spots.frames)
    if back:
        linked = np.flatnonzero(previous >= 0)
        beside, times = np.full(len(spots), -1), range(spots.frames - 1, -1, -1)
        beside[previous[linked]] = linked
    steps = np.zeros_like(spots.position)
    for time in times:
        rows = spots.rows(time)
        rows = rows[beside[rows] >= 0]
        others = beside[rows]
        frames = np.abs(spots.frame[rows] - spots.frame[others])[:, None]
        steps[rows] = LATEST * (spots.position[rows] - spots.position[others]) / frames + (1 - LATEST) * steps[others]
    return steps


def bridge_gaps(spots: Spots, previous: NDArray[np.int64], reach: float, longest: int) -> NDArray[np.int64]:
    """Link ends of tracks to beginnings after 1 to ``longest`` missing frames, shortest gaps first."""
    previous = previous.copy()
    for gap in range(1, longest + 1):
        radius = reach * spots.diameter * GAP_REACH * np.sqrt(gap + 1)
        half = KNOWN_PERSISTENCE * (gap + 1) / 2
        ahead = spots.position + half * _usual_steps(spots, previous)
        back = spots.position + half * _usual_steps(spots, previous, back=True)
        ends = np.setdiff1d(np.arange(len(spots)), previous)
        begins = np.flatnonzero(previous < 0)
        found = []
        for time in range(spots.frames - gap - 1):
            old, new = _of_frame(spots, ends, time), _of_frame(spots, begins, time + gap + 1)
            i, j, distance = near(ahead[old], back[new], radius)
            found.append((old[i], new[j], distance))
        if found:
            old, new, distance = (np.concatenate(part) for part in zip(*found, strict=True))
            costs = (distance / radius) ** 2 + AREA_WEIGHT * _doublings(spots, old, new)
            chosen = cheapest(old, new, costs, alone=1.0)
            previous[new[chosen]] = old[chosen]
    return previous


def near(
    one: NDArray[np.float64], other: NDArray[np.float64], radius: float
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Return all pairs of points no farther apart than ``radius``: places in either, and distances."""
    if not len(one) or not len(other):
        return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0)
    pairs = KDTree(one).sparse_distance_matrix(KDTree(other), radius, output_type="ndarray")
    return pairs["i"], pairs["j"], pairs["v"]


def _of_frame(spots: Spots, rows: NDArray[np.int64], time: int) -> NDArray[np.int64]:
    """Return those of some ascending rows that lie in a frame."""
    first, last = np.searchsorted(rows, spots.starts[time : time + 2])
    return rows[first:last]


def _doublings(spots: Spots, one: NDArray[np.int64], other: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return by how many doublings or halvings sizes differ."""
    return np.asarray(np.abs(np.log2(spots.size[one] / spots.size[other])), np.float64)
