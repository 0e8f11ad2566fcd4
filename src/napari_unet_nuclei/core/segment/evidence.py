"""Let the network decide how an image is to be read, where the picture alone leaves it open.

A wrong reading shows few things that look like nuclei: turned the wrong way, or read in another colour, an image has
blobs at most. So each reading is tried on a small window, and the one with most nuclei in it is taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from napari_unet_nuclei.core.image.axes import ImageSource
from napari_unet_nuclei.core.image.plane import PlaneLook, PlaneReader, open_plane
from napari_unet_nuclei.core.labels.decode import decode_maps
from napari_unet_nuclei.core.progress import Advanced, Progress, Silent
from napari_unet_nuclei.core.segment.automatic_size import WINDOW, brightest_patch, first_look, scale_for
from napari_unet_nuclei.core.segment.network_runner import NetworkRunner
from napari_unet_nuclei.core.segment.predict import predict_plane, thresholds_at
from napari_unet_nuclei.core.types import Region

CLEAR = 1.5
"""The kind that the picture makes less likely must have this many times the evidence of the other to be taken, and the
likelier one as many times that of the other not to be called doubtful."""

AS_GOOD = 0.9
"""Readings of one kind with this share of the best evidence are as good, and the likeliest of them is taken: the same
nuclei often show in two colours, in one of them brighter."""

LEAST = 100.0
"""Evidence in pixels of the model's scale, about half a nucleus, below which a window is said to show nothing."""


@dataclass(frozen=True)
class ChosenLook:
    """How an image is read.

    Attributes
    ----------
    look : PlaneLook
    sure : bool
        False where another reading, of another kind, is nearly as likely.
    estimate : float
        Diameter of the nuclei as `first_look` saw them in this reading, in image pixels; 0 where it was not asked.
    """

    look: PlaneLook
    sure: bool = True
    estimate: float = 0.0


def choose_look(
    looks: Sequence[PlaneLook],
    source: ImageSource,
    index: tuple[int, ...],
    region: Region,
    runner: NetworkRunner,
    progress: Progress,
    diameter: float = 0.0,
) -> ChosenLook:
    """Choose among the readings that an image leaves open.

    Parameters
    ----------
    looks : sequence of PlaneLook
        The likeliest first; it is taken where the network sees nothing in any.
    source : ImageSource
    index : tuple of int
        The plane to look at.
    region : Region
    runner : NetworkRunner
        Of a model for nuclei.
    progress : Progress
        May cancel.
    diameter : float
        Of the nuclei in image pixels, where it is known.
    """
    if len(looks) == 1 or region[0] == region[1] or region[2] == region[3]:
        return ChosenLook(looks[0])
    readings = []
    for look in looks:
        progress.report(Advanced(0.0, "looking at the kind of image"))
        fitted = runner.for_kind(look.kind)
        reader = open_plane(source, index, region, look, fitted.card.percentiles)
        estimate = (
            0.0 if diameter or "size" not in fitted.card.architecture.heads else first_look(reader, fitted, Silent())
        )
        readings.append((_evidence(reader, fitted, diameter or estimate), ChosenLook(look, estimate=estimate)))
    found = {
        kind: _best([(evidence, chosen) for evidence, chosen in readings if chosen.look.kind == kind])
        for kind in dict.fromkeys(look.kind for look in looks)
    }
    (first, likelier), *others = found.values()
    if not others:
        return likelier
    [(second, other)] = others
    if second > max(CLEAR * first, LEAST):
        return other
    return replace(likelier, sure=first > max(CLEAR * second, LEAST))


def _best(readings: Sequence[tuple[float, ChosenLook]]) -> tuple[float, ChosenLook]:
    """Return the first reading whose evidence is as good as the best."""
    most = max(evidence for evidence, _ in readings)
    return next(reading for reading in readings if reading[0] >= AS_GOOD * most)


def _evidence(reader: PlaneReader, runner: NetworkRunner, diameter: float) -> float:
    """Foreground beyond 0.5 within nuclei, in pixels of the model's scale, on a window where something is."""
    card = runner.card
    scale = scale_for(diameter or card.diameter, card.diameter)
    window = replace(reader, region=_window(reader, WINDOW / scale))
    maps = predict_plane(window, scale, runner, Silent()).maps
    labels = decode_maps(maps, thresholds_at(card, scale))
    surplus = maps[0][labels > 0].astype(np.float64) / 255 - 0.5
    return max(float(surplus.sum()), 0.0) * scale**2


def _window(reader: PlaneReader, side: float) -> Region:
    """Square of about ``side`` image pixels round the brightest patch, within the plane."""
    region: list[int] = []
    for centre, size, start in zip(brightest_patch(reader), reader.shape, reader.region[::2], strict=True):
        length = min(round(side), size)
        first = min(max(centre - length // 2, 0), size - length)
        region += [start + first, start + first + length]
    return region[0], region[1], region[2], region[3]
