"""Which nuclei to look at first: found ones that may be wrong, and places where one may have been missed.

Where the network's maps are there and its model can score them, the doubt of a nucleus is one minus its score: the
same figure that its table and *Drop doubtful* go by. Else every suspicion is a number from 0 to its weight, and those
of a nucleus add up like independent chances that it is wrong. Either way the strongest suspicion is the reason that is
given.

Ramps and weights were set on 32 real images, fluorescent and stained: of nuclei with a doubt above 0.2 two in three
were wrong (IoU below 0.6), of those with no doubt one in thirteen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from napari_unet_nuclei.core.errors import ImageShapeError
from napari_unet_nuclei.core.labels.decode import DecodeThresholds
from napari_unet_nuclei.core.labels.doubt.missed import find_missed
from napari_unet_nuclei.core.labels.doubt.outlines import Neighbours, Outlines
from napari_unet_nuclei.core.labels.edit.edit import check_plane
from napari_unet_nuclei.core.labels.measure.shapes import PlaneNuclei, eccentricities, squared_radii, touching_edge
from napari_unet_nuclei.core.labels.score import evidence_of, median_area, scores_of
from napari_unet_nuclei.core.types import Labels, QuantisedMaps, Region

FEWEST_TO_COMPARE = 8
"""With fewer nuclei inside the image nobody can say which size is odd."""

SMALLEST_SPREAD = 0.2
"""Of the logarithms of areas: nuclei that are all alike do not make a slightly larger one odd."""

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

PLAUSIBLE = 0.2
"""A nucleus with a lower doubt by its score is called odd for no other reason than its own suspicions."""

Suspicions = dict[str, NDArray[np.float64]]
"""From 0 to 1, one value per nucleus, by the keys of `REASONS`."""


@dataclass(frozen=True)
class Candidate:
    """One place to look at.

    Attributes
    ----------
    id : int
        Of the nucleus; 0 where one may have been missed.
    kind : {"found", "missed"}
    doubt : float
        0 (looks right) to 1; how likely a missed one is a nucleus.
    reason : str
        In the user's words.
    centre : tuple of float
        (y, x) in pixels: the middle of a nucleus; for a missed one the pixel to give to `grow.add_from_click`.
    box : Region
        Smallest rectangle that holds it.
    plane : tuple of int
        Index along the leading axes; empty in a single plane.
    """

    id: int
    kind: Literal["found", "missed"]
    doubt: float
    reason: str
    centre: tuple[float, float]
    box: Region
    plane: tuple[int, ...] = ()


def doubt(
    labels: Labels,
    maps: QuantisedMaps | None = None,
    thresholds: DecodeThresholds | None = None,
    *,
    with_missed: bool = True,
) -> tuple[Candidate, ...]:
    """List the nuclei of one plane, and the places where one may have been missed, most doubtful first.

    Parameters
    ----------
    labels : ndarray, shape (Y, X), int
        Any nuclei, also from elsewhere.
    maps : ndarray, shape (3, Y, X), uint8, optional
        Cached foreground, border and distance of the plane. Without them only sizes and shapes speak, and nothing can
        be missed.
    thresholds : DecodeThresholds, optional
        Those of ``labels``; without them nothing can be missed, and nothing scored.
    with_missed : bool
        Whether to look for missed nuclei as well.

    Raises
    ------
    EditError
        If the labels are no plane of ids.
    ImageShapeError
        If maps and labels differ in size.
    """
    check_plane(labels)
    if maps is not None and maps.shape != (3, *labels.shape):
        raise ImageShapeError(f"Maps of shape {maps.shape} do not belong to labels of shape {labels.shape}.")
    nuclei = PlaneNuclei(labels.astype(np.int64))
    found = _found(nuclei, maps, _scored(labels, maps, thresholds)) if len(nuclei.ids) else []
    if maps is not None and thresholds is not None and with_missed:
        typical = float(np.median(nuclei.areas)) if len(nuclei.ids) else 0.0
        found += [
            Candidate(0, "missed", place.likelihood, place.reason, place.peak, place.box)
            for place in find_missed(labels, maps, thresholds, typical)
        ]
    return tuple(sorted(found, key=lambda candidate: -candidate.doubt))


def queue(planes: Mapping[tuple[int, ...], Sequence[Candidate]]) -> tuple[Candidate, ...]:
    """Merge the candidates of several planes, by the index of each, most doubtful first."""
    placed = [replace(candidate, plane=index) for index, found in planes.items() for candidate in found]
    return tuple(sorted(placed, key=lambda candidate: -candidate.doubt))


def _scored(
    labels: Labels, maps: QuantisedMaps | None, thresholds: DecodeThresholds | None
) -> NDArray[np.float64] | None:
    """Doubt of each nucleus by the model's score, in the order of the ids; None where there is no score."""
    if maps is None or thresholds is None or thresholds.scoring is None:
        return None
    _, evidence = evidence_of(labels, maps)
    usual = median_area(evidence.areas, thresholds.min_size)
    return 1 - scores_of(evidence, labels.shape, thresholds.scale, usual, thresholds.scoring)


def _found(nuclei: PlaneNuclei, maps: QuantisedMaps | None, by_score: NDArray[np.float64] | None) -> list[Candidate]:
    outlines = Outlines.of(nuclei)
    suspicions = _of_shape(nuclei, outlines, maps)
    if maps is not None:
        suspicions |= _of_maps(nuclei, maps)
    chances = np.stack(list(suspicions.values()))
    total = 1 - np.prod(1 - chances, axis=0)
    names = np.array(list(suspicions))
    reasons = np.where(total > 0, names[chances.argmax(axis=0)], "")
    if by_score is not None:
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
    """Odd sizes and shapes relative to the other nuclei; what the edge of the image cuts is not small or long."""
    inside = ~touching_edge(nuclei)
    sizes = np.log(nuclei.areas)
    if np.count_nonzero(inside) >= FEWEST_TO_COMPARE:
        middle = float(np.median(sizes[inside]))
        spread = max(1.4826 * float(np.median(np.abs(sizes[inside] - middle))), SMALLEST_SPREAD)
    else:
        middle, spread = float(np.median(sizes)), np.inf
    oddness = (sizes - middle) / spread
    dents = np.median(outlines.solidities) - outlines.solidities
    return {
        "large": 0.4 * _ramp(oddness, 1.5, 5),
        "small": 0.4 * _ramp(-oddness, 1.5, 5) * inside,
        "notched": 0.6 * _ramp(dents, 0.04, 0.2),
        "long": 0.3 * _ramp(eccentricities(nuclei), 0.93, 1.0) * inside,
        "neighbour": _of_neighbours(nuclei, outlines, Neighbours.of(outlines, maps), (middle, spread)),
    }


def _of_neighbours(
    nuclei: PlaneNuclei, outlines: Outlines, pairs: Neighbours, usual: tuple[float, float]
) -> NDArray[np.float64]:
    """Touching nuclei that may be one: without a border in the maps, or together of a usual size and round."""
    result = np.zeros(len(nuclei.ids))
    both = np.stack([pairs.one, pairs.other])
    shared = pairs.length / (2 * np.sqrt(np.pi * nuclei.areas[both].min(axis=0)))
    if pairs.border is not None:
        chance = 0.9 * _ramp(-pairs.border, -0.9, -0.2) * _ramp(shared, 0.05, 0.2)
    else:
        area = nuclei.areas[both].sum(axis=0)
        middle, spread = usual
        whole = _ramp(area / outlines.hulls_of_pairs(pairs), 0.91, 0.97)
        chance = 0.7 * whole * _ramp(shared, 0.12, 0.3) * _ramp((middle - np.log(area)) / spread, -3, -1.5)
    for members in both:
        np.maximum.at(result, members, chance)
    return result


def _of_maps(nuclei: PlaneNuclei, maps: QuantisedMaps) -> Suspicions:
    """What the network saw in each nucleus."""
    foreground, border, distance = (head.ravel()[nuclei.pixels] for head in maps)
    contrast = np.maximum.reduceat(distance.astype(np.int16) - border, nuclei.starts) / 255
    # A border belongs at the outline; across the middle it hints at two nuclei.
    weights = np.maximum(1 - squared_radii(nuclei), 0)
    crossing = nuclei.mean(weights * border) / (255 * nuclei.mean(weights))
    return {
        "faint": 0.8 * _ramp(-nuclei.mean(foreground / 255), -0.96, -0.65),
        "flat": 0.6 * _ramp(-contrast, -0.72, -0.3),
        "border": 0.85 * _ramp(crossing, 0.1, 0.35),
    }


def _ramp(values: NDArray[np.float64], start: float, stop: float) -> NDArray[np.float64]:
    """0 up to ``start``, 1 from ``stop`` on, straight between them."""
    return np.clip((values - start) / (stop - start), 0, 1)
