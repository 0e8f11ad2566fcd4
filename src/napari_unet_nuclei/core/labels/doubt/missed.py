"""Places where a nucleus may have been missed: what the foreground map shows faintly, or nobody has labelled."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from napari_unet_nuclei.core.labels.decode import DecodeThresholds, label_components
from napari_unet_nuclei.core.labels.edit.add import USUAL_DIAMETER
from napari_unet_nuclei.core.types import Labels, Mask, QuantisedMaps, Region

FAINT_SHARE = 0.5
"""Share of the foreground threshold that a missed nucleus must reach."""

FAINT_MIDDLE = 0.1
"""Distance minus border, 0 to 1, that its middle must reach: half of what nuclei had to have when they were found by
their middles."""

SMALLEST_SHARE, LARGEST_SHARE = 0.2, 4.0
"""Of the usual area."""

HALO = 2
"""Pixels round a nucleus, at the model's own scale, whose foreground is the nucleus's own."""


FAINT = "may be a missed, faint nucleus"
CLEAR = "no nucleus is labelled here, and the network sees one"


@dataclass(frozen=True)
class Missed:
    """One such place.

    Attributes
    ----------
    likelihood : float
        0 to 1, that a nucleus is there.
    reason : str
        In the user's words.
    peak : tuple of float
        (y, x) of the pixel with most evidence.
    box : Region
        Smallest rectangle that holds what the map shows.
    """

    likelihood: float
    reason: str
    peak: tuple[float, float]
    box: Region


def find_missed(
    labels: Labels, maps: QuantisedMaps, thresholds: DecodeThresholds, usual_area: float = 0.0
) -> list[Missed]:
    """Find unlabelled pieces of foreground of a plausible size that have a middle.

    Parameters
    ----------
    labels : ndarray, shape (Y, X), int
    maps : ndarray, shape (3, Y, X), uint8
        Foreground, border and distance.
    thresholds : DecodeThresholds
        Those of ``labels``.
    usual_area : float
        Of the nuclei, in px²; 0 where there are none yet, which makes it the one that the model knows.
    """
    usual_area = usual_area or np.pi / 4 * (USUAL_DIAMETER * thresholds.scale) ** 2
    foreground, border, distance = maps
    faint = (foreground > 255 * FAINT_SHARE * thresholds.foreground) & (labels == 0)
    faint &= ~_widened(labels > 0, max(round(HALO * thresholds.scale), 1))
    pieces, count = label_components(faint)
    if not count:
        return []
    pixels = np.flatnonzero(faint)
    piece = pieces.ravel()[pixels]
    areas = np.bincount(piece, minlength=count + 1)
    evidence = distance.ravel()[pixels].astype(np.int16) - border.ravel()[pixels]
    peaks = np.full(count + 1, -255)
    np.maximum.at(peaks, piece, evidence)
    brightness = np.bincount(piece, foreground.ravel()[pixels], count + 1) / np.maximum(areas, 1) / 255
    smallest = max(SMALLEST_SHARE * usual_area, thresholds.min_size)
    plausible = (areas >= smallest) & (areas <= LARGEST_SHARE * usual_area)
    plausible &= peaks > 255 * FAINT_MIDDLE
    plausible[0] = False
    boxes = ndimage.find_objects(pieces)
    result = []
    for number in np.flatnonzero(plausible).tolist():
        rows, columns = boxes[number - 1]
        here = pieces[rows, columns] == number
        seen = np.where(here, distance[rows, columns].astype(np.int16) - border[rows, columns], -255)
        y, x = np.unravel_index(int(seen.argmax()), seen.shape)
        peak = (float(rows.start + y), float(columns.start + x))
        likelihood = _likelihood(float(brightness[number]), peaks[number] / 255, thresholds)
        reason = CLEAR if brightness[number] > thresholds.foreground else FAINT
        result.append(Missed(likelihood, reason, peak, (rows.start, rows.stop, columns.start, columns.stop)))
    return result


def _likelihood(brightness: float, peak: float, thresholds: DecodeThresholds) -> float:
    """0.2 where both maps are just plausible, 0.95 where both speak for a nucleus."""
    strength = [
        (value - least) / max(0.9 - least, 0.05)
        for value, least in ((brightness, FAINT_SHARE * thresholds.foreground), (peak, FAINT_MIDDLE))
    ]
    return 0.2 + 0.75 * float(np.clip(np.mean(np.clip(strength, 0, 1)), 0, 1))


def _widened(mask: Mask, reach: int) -> Mask:
    """Widen a mask by a diamond, pixel by pixel: much faster than one dilation with a large structure."""
    return np.asarray(ndimage.binary_dilation(mask, iterations=reach))
