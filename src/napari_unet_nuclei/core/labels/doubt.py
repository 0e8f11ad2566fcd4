"""Which nuclei to look at first: found ones that may be wrong, and places where one may have been missed.

With the network's maps and a model that can score them, the doubt of a nucleus is one minus its score: the figure that
its table and *Drop doubtful* use. Without them, every suspicion is a number from 0 to its weight, and the suspicions of
a nucleus are combined as independent chances that it is wrong. Either way the strongest suspicion is the reason shown.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_unet_nuclei.core.errors import ImageShapeError
from napari_unet_nuclei.core.labels.components import label_components
from napari_unet_nuclei.core.labels.decode import DecodeThresholds
from napari_unet_nuclei.core.labels.edit.edit import check_plane
from napari_unet_nuclei.core.labels.edit.single import USUAL_DIAMETER
from napari_unet_nuclei.core.labels.measure.shapes import (
    Neighbours,
    Outlines,
    PlaneNuclei,
    eccentricities,
    squared_radii,
    touching_edge,
)
from napari_unet_nuclei.core.labels.score import Evidence, evidence_of, median_area, scores_of
from napari_unet_nuclei.core.types import Labels, QuantisedMaps, Region

REASONS = {
    "faint": "faint: the network is not sure that there is a nucleus",
    "flat": "its middle hardly stands out",
    "border": "may be two nuclei: a border runs through it",
    "large": "unusually large",
    "small": "unusually small",
    "notched": "its outline is notched: may be two nuclei",
    "long": "unusually long",
    "neighbour": "may belong to its neighbour: no border between them",
    "score": "looks like nuclei that are often wrong",
    "": "nothing odd",
}
"""What the user reads, by suspicion."""


@dataclass(frozen=True)
class Ramp:
    """A suspicion that rises linearly with one measure of a nucleus, or of two neighbours.

    It is 0 up to ``start`` and full from ``stop`` on. Where ``start`` is the larger, it rises as the measure falls.
    """

    start: float
    stop: float
    weight: float = 1.0  # the full suspicion: the chance that such a nucleus is wrong

    def of(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the suspicion for each value."""
        return self.weight * np.clip((values - self.start) / (self.stop - self.start), 0, 1)


RAMPS = {
    # Logarithm of the area, in spreads above or below the median of the plane.
    "large": Ramp(1.5, 5, 0.4),
    "small": Ramp(-1.5, -5, 0.4),
    # Solidity below the median of the plane.
    "notched": Ramp(0.04, 0.2, 0.6),
    # Eccentricity.
    "long": Ramp(0.93, 1.0, 0.3),
    # Mean foreground probability.
    "faint": Ramp(0.96, 0.65, 0.8),
    # Largest distance minus border: how far the middle stands out.
    "flat": Ramp(0.72, 0.3, 0.6),
    # Mean border probability, weighted towards the middle.
    "border": Ramp(0.1, 0.35, 0.85),
    # Two neighbours with maps: mean border probability between them, and the contact's length as a share of the
    # perimeter of the smaller one. Both must speak, so they are multiplied.
    "no border between": Ramp(0.9, 0.2, 0.9),
    "contact": Ramp(0.05, 0.2),
    # Two neighbours without maps: share of their common convex hull that they fill, the contact, and their common
    # area in spreads above the median: two halves make a usual nucleus.
    "one outline": Ramp(0.91, 0.97, 0.7),
    "long contact": Ramp(0.12, 0.3),
    "usual together": Ramp(3, 1.5),
}
"""Set on 32 real images, fluorescent and stained: of nuclei with a doubt above 0.2 two in three were wrong (IoU below
0.6 with every true nucleus), of those without doubt one in thirteen. ``python -m benchmarks.doubt`` measures these
figures and tries other numbers (``--search``): with the present model, on 21 validation images of the 2018 Data Science
Bowl, 42 % of 165 nuclei above 0.2 are wrong, and 4 % of 282 without doubt."""

FEWEST_TO_COMPARE = 8
"""With fewer nuclei that the edge of the image does not cut, no size is called odd."""

SMALLEST_SPREAD = 0.2
"""Of the logarithms of areas: where all nuclei are alike, one that is slightly larger is not odd."""

TO_STANDARD_DEVIATION = 1.4826
"""Standard deviation of a normal distribution over its median absolute deviation, which outliers do not widen."""

PLAUSIBLE = 0.2
"""Below this doubt by score, a nucleus is called odd for its own suspicions only, not for its score."""

FAINT_SHARE = 0.5
"""Share of the foreground threshold that a missed nucleus must reach."""

FAINT_MIDDLE = 0.1
"""Distance minus border, 0 to 1, that the middle of a missed nucleus must reach."""

SURE_VALUE = 0.9
"""Foreground, and distance minus border, from which a place is as likely a nucleus as the maps can say."""

LIKELIHOODS = (0.2, 0.95)
"""Of a missed nucleus: where both maps are just plausible, and where both are sure."""

SMALLEST_SHARE, LARGEST_SHARE = 0.2, 4.0
"""Areas of missed nuclei, as shares of the usual area."""

HALO = 2
"""Pixels around a nucleus, at the model's own scale, whose foreground belongs to that nucleus."""

FAINT = "may be a missed, faint nucleus"
CLEAR = "no nucleus is labelled here, and the network sees one"

JUST_CHANGED = "just changed"
"""Reason of a nucleus that was edited and not compared with others since."""

Suspicions = dict[str, NDArray[np.float64]]
"""From 0 to 1, one value per nucleus, by the keys of `REASONS`."""


@dataclass(frozen=True)
class Candidate:
    """One place to look at."""

    id: int  # of the nucleus; 0 where one may have been missed
    kind: Literal["found", "missed"]
    doubt: float  # 0 (looks right) to 1; for a missed nucleus, how likely there is one
    reason: str  # in the user's words
    centre: tuple[float, float]  # (y, x) in pixels: the middle of a nucleus, or the pixel to pass to `add_from_click`
    box: Region  # bounding box
    plane: tuple[int, ...] = ()  # index along the leading axes; empty in a single plane
    link: int = -1  # row among tracked nuclei, where doubt is that of its link or division; -1 for a doubtful shape

    @property
    def is_doubtful(self) -> bool:
        """True where it deserves a look; what is not looks right."""
        return self.doubt > PLAUSIBLE


def doubt(
    labels: Labels,
    maps: QuantisedMaps | None = None,
    thresholds: DecodeThresholds | None = None,
    *,
    with_missed: bool = True,
) -> tuple[Candidate, ...]:
    """List the nuclei of one plane, and the places where one may have been missed, most doubtful first.

    Without the cached ``maps`` (3, Y, X) of the plane, only sizes and shapes are judged. Without the ``thresholds``
    that ``labels`` were decoded with, nothing is scored. Missed nuclei are found only with both, and ``with_missed``.

    Raise EditError if the labels are not one plane of ids; ImageShapeError if maps and labels differ in size.
    """
    check_plane(labels)
    if maps is not None and maps.shape != (3, *labels.shape):
        raise ImageShapeError(f"Maps of shape {maps.shape} do not belong to labels of shape {labels.shape}.")
    nuclei = PlaneNuclei(labels)
    found = _found(nuclei, maps, _by_score(labels, maps, thresholds)) if len(nuclei.ids) else []
    if maps is not None and thresholds is not None and with_missed:
        usual_area = float(np.median(nuclei.areas)) if len(nuclei.ids) else 0.0
        found += _missed(labels, maps, thresholds, usual_area)
    return tuple(sorted(found, key=lambda candidate: -candidate.doubt))


def count_doubtful(
    labels: Labels, maps: QuantisedMaps, thresholds: DecodeThresholds, checkpoint: Callable[[], None] = lambda: None
) -> int:
    """Count what `doubt` calls doubtful in a decoded plane; ``checkpoint`` is called now and then, and may raise.

    With a score no reason is looked for, which takes a sixth of the time.
    """
    checkpoint()
    if thresholds.scoring is None:
        return sum(one.is_doubtful for one in doubt(labels, maps, thresholds))
    _, evidence = evidence_of(labels, maps)
    checkpoint()
    found = np.count_nonzero(_by_evidence(evidence, labels.shape, thresholds) > PLAUSIBLE)
    usual_area = float(np.median(evidence.areas)) if evidence.areas.size else 0.0
    return int(found) + sum(one.is_doubtful for one in _missed(labels, maps, thresholds, usual_area))


def _by_score(
    labels: Labels, maps: QuantisedMaps | None, thresholds: DecodeThresholds | None
) -> NDArray[np.float64] | None:
    """Doubt of each nucleus by the model's score, in the order of the ids; None where there is no score."""
    if maps is None or thresholds is None or thresholds.scoring is None:
        return None
    return _by_evidence(evidence_of(labels, maps)[1], labels.shape, thresholds)


def _by_evidence(evidence: Evidence, shape: tuple[int, ...], thresholds: DecodeThresholds) -> NDArray[np.float64]:
    """Doubt of each nucleus by the model's score."""
    usual = median_area(evidence.areas, thresholds.min_size)
    return np.asarray(1 - scores_of(evidence, shape, thresholds.scale, usual, thresholds.scoring), np.float64)


def _found(nuclei: PlaneNuclei, maps: QuantisedMaps | None, by_score: NDArray[np.float64] | None) -> list[Candidate]:
    """List the nuclei of a plane, at least one, with their doubt and its reason."""
    outlines = Outlines.of(nuclei)
    suspicions = _of_shape(nuclei, outlines, maps)
    if maps is not None:
        suspicions |= _of_maps(nuclei, maps)
    chances = np.stack(list(suspicions.values()))
    # A nucleus is right only if every suspicion is unfounded.
    total = 1 - np.prod(1 - chances, axis=0)
    names = np.array(list(suspicions))
    reasons = np.where(total > 0, names[chances.argmax(axis=0)], "")
    if by_score is not None:
        # The score ranks better than the suspicions, but only these can be put in words.
        reasons = np.where((reasons == "") & (by_score > PLAUSIBLE), "score", reasons)
        total = by_score
    rows = zip(
        nuclei.ids.tolist(),
        total.tolist(),
        reasons.tolist(),
        nuclei.centroids.T.tolist(),
        outlines.boxes.tolist(),
        strict=True,
    )
    return [
        Candidate(nucleus, "found", chance, REASONS[reason], (y, x), (y0, y1, x0, x1))
        for nucleus, chance, reason, (y, x), (y0, y1, x0, x1) in rows
    ]


def _of_shape(nuclei: PlaneNuclei, outlines: Outlines, maps: QuantisedMaps | None) -> Suspicions:
    """Judge sizes and shapes relative to the other nuclei of the plane."""
    inside = ~touching_edge(nuclei)  # a nucleus cut by the image's edge is not small or long by nature
    # Sizes vary by factors: twice and half the median are equally odd.
    sizes = np.log(nuclei.areas)
    if np.count_nonzero(inside) >= FEWEST_TO_COMPARE:
        middle = float(np.median(sizes[inside]))
        deviation = float(np.median(np.abs(sizes[inside] - middle)))
        spread = max(TO_STANDARD_DEVIATION * deviation, SMALLEST_SPREAD)
    else:
        # An infinite spread makes no size odd.
        middle, spread = float(np.median(sizes)), np.inf
    oddness = (sizes - middle) / spread
    # Relative to the plane: where nuclei are few pixels wide, the steps of their outlines dent all of them.
    dents = np.median(outlines.solidities) - outlines.solidities
    return {
        "large": RAMPS["large"].of(oddness),
        "small": RAMPS["small"].of(oddness) * inside,
        "notched": RAMPS["notched"].of(dents),
        "long": RAMPS["long"].of(eccentricities(nuclei)) * inside,
        "neighbour": _of_neighbours(nuclei, outlines, Neighbours.of(outlines, maps), (middle, spread)),
    }


def _of_neighbours(
    nuclei: PlaneNuclei, outlines: Outlines, pairs: Neighbours, usual: tuple[float, float]
) -> NDArray[np.float64]:
    """Suspect touching nuclei to be one: no border between them, or together round and of a usual size."""
    result = np.zeros(len(nuclei.ids))
    both = np.stack([pairs.one, pairs.other])
    # The perimeter of a circle of the smaller one's area: the outlines of pixels are longer by their steps.
    contact = pairs.length / (2 * np.sqrt(np.pi * nuclei.areas[both].min(axis=0)))
    if pairs.border is not None:
        chance = RAMPS["no border between"].of(pairs.border) * RAMPS["contact"].of(contact)
    else:
        area = nuclei.areas[both].sum(axis=0)
        middle, spread = usual
        chance = RAMPS["one outline"].of(area / outlines.hulls_of_pairs(pairs)) * RAMPS["long contact"].of(contact)
        chance *= RAMPS["usual together"].of((np.log(area) - middle) / spread)
    # Either of the two may be wrong, so both get the suspicion; of several neighbours the worst counts.
    for members in both:
        np.maximum.at(result, members, chance)
    return result


def _of_maps(nuclei: PlaneNuclei, maps: QuantisedMaps) -> Suspicions:
    """Judge what the network saw in each nucleus."""
    foreground, border, distance = (head.ravel()[nuclei.pixels] for head in maps)
    # In int16, for the difference of uint8 maps would wrap around below 0.
    contrast = np.maximum.reduceat(distance.astype(np.int16) - border, nuclei.starts) / 255
    # A border belongs at the outline; across the middle it hints at two nuclei.
    weights = np.maximum(1 - squared_radii(nuclei), 0)
    crossing = nuclei.mean(weights * border) / (255 * nuclei.mean(weights))
    return {
        "faint": RAMPS["faint"].of(nuclei.mean(foreground / 255)),
        "flat": RAMPS["flat"].of(contrast),
        "border": RAMPS["border"].of(crossing),
    }


def _missed(labels: Labels, maps: QuantisedMaps, thresholds: DecodeThresholds, usual_area: float) -> list[Candidate]:
    """Find unlabelled areas of foreground that have a plausible size and a middle; ``usual_area`` in px², 0 if unknown.

    What the foreground threshold left out counts from half of it on, so faint nuclei are among them.
    """
    # Without nuclei to compare with, the size that the model was trained on.
    usual_area = usual_area or np.pi / 4 * (USUAL_DIAMETER * thresholds.scale) ** 2
    foreground, border, distance = maps
    faint = (foreground > 255 * FAINT_SHARE * thresholds.foreground) & (labels == 0)
    # Around every nucleus the foreground falls off gradually: that is its halo, not another nucleus. Widened pixel by
    # pixel, which is much faster than one dilation with a large structure.
    faint &= ~ndimage.binary_dilation(labels > 0, iterations=max(round(HALO * thresholds.scale), 1))
    places, count = label_components(faint)
    if not count:
        return []
    pixels = np.flatnonzero(faint)
    place = places.ravel()[pixels]
    areas = np.bincount(place, minlength=count + 1)
    evidence = distance.ravel()[pixels].astype(np.int16) - border.ravel()[pixels]
    # -255 is the lowest difference of two maps.
    peaks = np.full(count + 1, -255)
    np.maximum.at(peaks, place, evidence)
    brightness = np.bincount(place, foreground.ravel()[pixels], count + 1) / np.maximum(areas, 1) / 255
    smallest = max(SMALLEST_SHARE * usual_area, thresholds.min_size)
    plausible = (areas >= smallest) & (areas <= LARGEST_SHARE * usual_area)
    plausible &= peaks > 255 * FAINT_MIDDLE
    plausible[0] = False
    boxes = ndimage.find_objects(places)
    result = []
    for number in np.flatnonzero(plausible).tolist():
        rows, columns = boxes[number - 1]
        here = places[rows, columns] == number
        seen = np.where(here, distance[rows, columns].astype(np.int16) - border[rows, columns], -255)
        y, x = np.unravel_index(int(seen.argmax()), seen.shape)
        likelihood = _likelihood(float(brightness[number]), peaks[number] / 255, thresholds)
        reason = CLEAR if brightness[number] > thresholds.foreground else FAINT
        peak = float(rows.start + y), float(columns.start + x)
        box = rows.start, rows.stop, columns.start, columns.stop
        result.append(Candidate(0, "missed", likelihood, reason, peak, box))
    return result


def _likelihood(brightness: float, peak: float, thresholds: DecodeThresholds) -> float:
    """How likely a place is a nucleus, by how far both maps lie between just plausible and sure."""
    # At least 0.05, for with a high threshold just plausible lies close to sure, or beyond it.
    strength = [
        (value - least) / max(SURE_VALUE - least, 0.05)
        for value, least in ((brightness, FAINT_SHARE * thresholds.foreground), (peak, FAINT_MIDDLE))
    ]
    low, high = LIKELIHOODS
    return low + (high - low) * float(np.mean(np.clip(strength, 0, 1)))
