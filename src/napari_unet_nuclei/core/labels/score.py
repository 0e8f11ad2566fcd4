"""How likely each nucleus is right: a logistic regression on what the network saw in it.

*Right* means an IoU of at least one half with a true nucleus. The coefficients belong to a model and are fitted with
it. All features derive from sums, maxima and bounding boxes, which combine over the parts of a nucleus: an image
segmented in blocks gets the same scores as one segmented whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from napari_unet_nuclei.core.labels.strips import in_threads, strips
from napari_unet_nuclei.core.types import QuantisedMaps

CORE = 127
"""Distance, 0 to 255, above which a pixel belongs to the core of its nucleus: half. The rest is the rim."""

TOTALS = ("area", "foreground", "border", "distance", "core", "foreground in core", "border in core")
"""Sums over the pixels of a nucleus: pixel counts and values of 0 to 255."""

PEAKS = ("foreground", "distance")
"""Maps whose maximum in a nucleus is kept; followed by the largest, then the negated smallest index per axis."""

PEAK_MAPS = (0, 2)
"""Which of the maps these are."""

FEATURES = (
    "mean foreground",
    "mean distance",
    "mean border",
    "largest foreground",
    "largest distance",
    "foreground in core",
    "foreground on rim",
    "border in core",
    "share of core",
    "extent",
    "touches edge",
    "size over model's",
    "size over median",
)
"""Features of a nucleus, in this order unless coefficients name another one. All are from the maps, 0 to 1, except
*extent* (share of the bounding box that is filled), *touches edge* (0 or 1), and the natural logarithms of the diameter
over the model's pixel and over the median diameter of the plane."""

Features = NDArray[np.float64]
"""Axes (nuclei, features)."""


@dataclass(frozen=True)
class Scoring:
    """Coefficients of a logistic regression on standardised features.

    Attributes
    ----------
    features : tuple of str
        Names from `FEATURES`.
    means, scales, weights : tuple of float
        One per feature: values are standardised as (value - mean) / scale before they are weighted.
    intercept : float
        Log odds of a nucleus with all features at their means.
    """

    features: tuple[str, ...]
    means: tuple[float, ...]
    scales: tuple[float, ...]
    weights: tuple[float, ...]
    intercept: float

    def __post_init__(self) -> None:
        unknown = [name for name in self.features if name not in FEATURES]
        if unknown:
            raise ValueError(f"unknown features of a score: {', '.join(unknown)}")
        numbers = (self.means, self.scales, self.weights)
        if any(len(values) != len(self.features) for values in numbers):
            raise ValueError("a score needs one mean, scale and weight for each of its features")
        if not np.isfinite([*self.means, *self.scales, *self.weights, self.intercept]).all() or min(self.scales) <= 0:
            raise ValueError("the coefficients of a score must be finite, and its scales above 0")

    def log_odds(self, features: Features) -> NDArray[np.float64]:
        """Return the log odds that each nucleus is right, given all its `FEATURES`."""
        odds = np.full(len(features), self.intercept)
        # One feature at a time: a matrix product rounds differently with another number of nuclei, as in blocks.
        for name, mean, scale, weight in zip(self.features, self.means, self.scales, self.weights, strict=True):
            odds += weight * ((features[:, FEATURES.index(name)] - mean) / scale)
        return np.asarray(np.clip(odds, -30, 30))  # beyond that the probability no longer changes, and exp overflows

    def of(self, features: Features) -> NDArray[np.float64]:
        """Return the probability that each nucleus is right, given all its `FEATURES`."""
        return np.asarray(1 / (1 + np.exp(-self.log_odds(features))), np.float64)

    def calibrated(self, slope: float, shift: float) -> Scoring:
        """Return a score whose log odds are ``slope`` times these plus ``shift``."""
        weights = tuple(round(weight * slope, 6) for weight in self.weights)
        return replace(self, weights=weights, intercept=round(self.intercept * slope + shift, 6))


@dataclass(frozen=True)
class Evidence:
    """What the maps show of nuclei, or of parts of them.

    Attributes
    ----------
    peaks : ndarray, shape (`PEAKS` + 2 per axis, N), int64
        Maxima of the maps, then bounding boxes: the largest index along each axis, then the smallest, negated, so that
        a maximum joins every row.
    """

    totals: NDArray[np.int64]
    peaks: NDArray[np.int64]

    @staticmethod
    def none(count: int, axes: int) -> Evidence:
        """Return empty evidence, to which parts can be added."""
        # Half of the smallest integer, which can be negated and shifted without overflow.
        peaks = np.full((len(PEAKS) + 2 * axes, count), np.iinfo(np.int64).min // 2)
        return Evidence(np.zeros((len(TOTALS), count), np.int64), peaks)

    @property
    def areas(self) -> NDArray[np.int64]:
        """Pixel count of each."""
        return np.asarray(self.totals[0])

    @property
    def certainty(self) -> NDArray[np.float64]:
        """Mean foreground of each, 0 to 1."""
        return np.asarray(self.totals[1] / (255.0 * np.maximum(self.areas, 1)), np.float64)

    def chosen(self, places: NDArray[np.generic]) -> Evidence:
        """Select some of them, by index or mask."""
        return Evidence(self.totals[:, places], self.peaks[:, places])

    def grouped(self, group: NDArray[np.integer], count: int) -> Evidence:
        """Combine columns by group; ``group`` holds the number of each column's group, 0 to ``count - 1``."""
        joined = Evidence.none(count, (len(self.peaks) - len(PEAKS)) // 2)
        joined.add(group, self)
        return joined

    def add(self, places: NDArray[np.integer], parts: Evidence) -> None:
        """Add parts in place, each to its column in ``places``."""
        for whole, part in zip(self.totals, parts.totals, strict=True):
            # `at` adds up repeated places, where plain indexing would keep the last part only.
            np.add.at(whole, places, part)
        for whole, part in zip(self.peaks, parts.peaks, strict=True):
            np.maximum.at(whole, places, part)


def gather(
    maps: QuantisedMaps,
    pixels: NDArray[np.integer],
    group: NDArray[np.integer],
    count: int,
    origin: tuple[int, ...] = (),
) -> Evidence:
    """Collect evidence over groups of pixels.

    ``maps`` are the quantised foreground, border and distance, with any number of axes; ``pixels`` are flat indices
    into one of them, ``group`` their groups from 0 to ``count - 1``, none of them empty. ``origin`` is the index of the
    first pixel of ``maps`` in the whole plane; default: 0.
    """
    whole = Evidence.none(count, maps.ndim - 1)
    # Groups lie side by side, so that those of some pixels in a row are numbered within a small range.
    for first, part in in_threads(lambda some: _gathered(maps, pixels[some], group[some]), strips(pixels.shape)):
        columns = slice(first, first + part.areas.size)
        whole.totals[:, columns] += part.totals
        np.maximum(whole.peaks[:, columns], part.peaks, out=whole.peaks[:, columns])
    # Relative to the whole plane, so that the boxes of blocks can be joined: the last pixels of the boxes are shifted,
    # and their first ones, which are negated to be found as largest values too.
    shift = np.reshape(origin or (0,) * (maps.ndim - 1), (-1, 1))
    whole.peaks[len(PEAKS) :] += np.concatenate([shift, -shift])
    return whole


def _gathered(maps: QuantisedMaps, pixels: NDArray[np.integer], group: NDArray[np.integer]) -> tuple[int, Evidence]:
    """Collect evidence over the groups from the lowest one to the highest; return the lowest, and the evidence."""
    if not pixels.size:
        return 0, Evidence.none(0, maps.ndim - 1)
    starts = _runs(maps.shape[-1], pixels, group)
    lengths = np.diff(starts, append=pixels.size)
    lowest = int(group.min())
    owner = group[starts] - lowest
    count = int(owner.max()) + 1

    def total(values: NDArray[np.generic]) -> NDArray[np.float64]:
        # bincount adds up in float64, which is exact for whole numbers up to 2**53.
        return np.asarray(np.bincount(owner, np.add.reduceat(values, starts, dtype=np.uint32), count), np.float64)

    totals = [total(values) for values in pixel_totals(maps, pixels)]
    highest = np.zeros((len(PEAKS), count), np.uint8)
    for row, number in zip(highest, PEAK_MAPS, strict=True):
        np.maximum.at(row, owner, np.maximum.reduceat(maps[number].ravel()[pixels], starts))
    boxes = _boxes(maps.shape[1:], pixels[starts], lengths, owner, count)
    return lowest, Evidence(np.stack(totals).astype(np.int64), np.concatenate([highest.astype(np.int64), boxes]))


def pixel_totals(maps: QuantisedMaps, pixels: NDArray[np.integer]) -> tuple[NDArray[np.generic], ...]:
    """Return what each pixel adds to the `TOTALS` of its nucleus, one array for each."""
    foreground, border, distance = (head.ravel()[pixels] for head in maps)
    core = distance > CORE
    return np.ones(len(pixels), np.uint8), foreground, border, distance, core, foreground * core, border * core


def _runs(width: int, pixels: NDArray[np.integer], group: NDArray[np.integer]) -> NDArray[np.intp]:
    """Return where runs of pixels begin that lie side by side in one line and belong to one group.

    There are about as many pixels in a run as a nucleus is wide, and so much less is to be done for each nucleus.
    """
    begins = np.ones(pixels.size, bool)
    np.not_equal(group[1:], group[:-1], out=begins[1:])
    begins[1:] |= np.diff(pixels) != 1
    lines = pixels // width
    begins[1:] |= lines[1:] != lines[:-1]
    return np.flatnonzero(begins)


def _boxes(
    shape: tuple[int, ...],
    first: NDArray[np.integer],
    lengths: NDArray[np.integer],
    owner: NDArray[np.integer],
    count: int,
) -> NDArray[np.int64]:
    """Return the bounding box of each group of runs, as `Evidence.peaks` holds it; shape (2 per axis, N)."""
    largest = np.full((len(shape), count), -1, np.int64)
    smallest = np.full((len(shape), count), np.iinfo(np.int64).max, np.int64)
    # Runs come in reading order, not by group, so each one is put where it belongs.
    for axis, places in enumerate(np.unravel_index(first, shape)):
        ends = places + lengths - 1 if axis == len(shape) - 1 else places
        np.maximum.at(largest[axis], owner, ends)
        np.minimum.at(smallest[axis], owner, places)
    return np.concatenate([largest, -smallest])


def evidence_of(labels: NDArray[np.integer], maps: QuantisedMaps) -> tuple[NDArray[np.int64], Evidence]:
    """Collect the evidence of each nucleus; return the ids, ascending, and their evidence."""
    pixels = np.flatnonzero(labels > 0)
    values = labels.ravel()[pixels]
    if values.max(initial=0) > labels.size:
        ids, group = np.unique(values, return_inverse=True)
    else:  # a table by id, which needs no sorting of pixels
        counts = np.bincount(values)
        ids = np.flatnonzero(counts)
        group = (np.cumsum(counts > 0) - 1)[values]
    return ids.astype(np.int64), gather(maps, pixels, group, len(ids))


def median_area(areas: NDArray[np.integer], min_size: float) -> float:
    """Median area of the nuclei that are not too small, px²; 0 without nuclei."""
    large = areas[areas >= max(min_size, 1)]
    return float(np.median(large)) if large.size else 0.0


def features_of(evidence: Evidence, shape: Sequence[int], scale: float, usual_area: float) -> Features:
    """Compute the features of whole nuclei in a plane of a given shape.

    ``scale`` is image pixels per pixel of the model's own scale; ``usual_area`` is the `median_area`, or 0 for the
    model's pixel.
    """
    area, foreground, border, distance, core, core_foreground, core_border = evidence.totals.astype(np.float64)
    axes = len(shape)
    last, first = evidence.peaks[len(PEAKS) : len(PEAKS) + axes], -evidence.peaks[len(PEAKS) + axes :]
    ends = np.reshape(shape, (-1, 1)) - 1
    area = np.maximum(area, 1)
    rim = area - core
    # Without a median, "size over median" equals "size over model's".
    usual = usual_area or scale**axes
    columns = {
        "mean foreground": foreground / area / 255,
        "mean distance": distance / area / 255,
        "mean border": border / area / 255,
        "largest foreground": evidence.peaks[0] / 255.0,
        "largest distance": evidence.peaks[1] / 255.0,
        "foreground in core": core_foreground / np.maximum(core, 1) / 255,
        "foreground on rim": (foreground - core_foreground) / np.maximum(rim, 1) / 255,
        "border in core": core_border / np.maximum(core, 1) / 255,
        "share of core": core / area,
        "extent": area / np.prod(last - first + 1, axis=0),
        "touches edge": ((first == 0) | (last == ends)).any(axis=0).astype(np.float64),
        # The logarithm of an area, or volume, is that of the diameter times the number of axes.
        "size over model's": np.log(area / scale**axes) / axes,
        "size over median": np.log(area / usual) / axes,
    }
    return np.stack([columns[name] for name in FEATURES], axis=1)


def scores_of(
    evidence: Evidence, shape: Sequence[int], scale: float, usual_area: float, scoring: Scoring | None
) -> NDArray[np.float64]:
    """Return the probability that each nucleus is right; arguments as for `features_of`.

    Without coefficients it is the mean foreground probability.
    """
    if scoring is None:
        return evidence.certainty
    return scoring.of(features_of(evidence, shape, scale, usual_area))
