"""Let the network decide how an image is to be read, where the picture alone leaves it open.

A wrong reading shows few things that look like nuclei: turned the wrong way, or read in another colour, an image has
blobs at most. So each reading is tried on a small window, and the one with most nuclei in it is taken: the sum of
their scores, which is how many of them are expected to be right.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from napari_unet_nuclei.core.image.axes import ImageSource
from napari_unet_nuclei.core.image.plane import PlaneLook, PlaneReader, open_plane
from napari_unet_nuclei.core.labels.decode import decode_plane
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

LEAST = 0.5
"""Expected nuclei below which a window is said to show nothing."""


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
    opened = []
    for look in looks:
        progress.report(Advanced(0.0, "looking at the kind of image"))
        opened.append(_Opened.of(look, source, index, region, runner, diameter))
    # Windows of one size, for the smallest nuclei, so that all readings are judged by as much of the image.
    side = WINDOW * min(one.size for one in opened) / runner.card.diameter
    found = {
        kind: _best([one for one in opened if one.chosen.look.kind == kind], side)
        for kind in dict.fromkeys(look.kind for look in looks)
    }
    (first, likelier), *others = found.values()
    if not others:
        return likelier
    [(second, other)] = others
    if second > max(CLEAR * first, LEAST):
        return other
    return replace(likelier, sure=first > max(CLEAR * second, LEAST))


@dataclass(frozen=True)
class _Opened:
    """A reading, what the network needs for it, and the size of its nuclei in image pixels."""

    chosen: ChosenLook
    reader: PlaneReader
    runner: NetworkRunner
    size: float

    @staticmethod
    def of(
        look: PlaneLook,
        source: ImageSource,
        index: tuple[int, ...],
        region: Region,
        runner: NetworkRunner,
        diameter: float,
    ) -> _Opened:
        fitted = runner.for_kind(look.kind)
        reader = open_plane(source, index, region, look, fitted.card.percentiles)
        estimate = first_look(reader, fitted, Silent()) if fitted.card.tells_size and not diameter else 0.0
        chosen = ChosenLook(look, estimate=estimate)
        return _Opened(chosen, reader, fitted, diameter or estimate or fitted.card.diameter)

    def evidence(self, window: Region) -> float:
        """Sum the scores of the nuclei in a window."""
        scale = scale_for(self.size, self.runner.card.diameter)
        prediction = predict_plane(replace(self.reader, region=window), scale, self.runner, Silent())
        return float(decode_plane(prediction.maps, thresholds_at(self.runner.card, scale)).scores.sum())


def _best(readings: Sequence[_Opened], side: float) -> tuple[float, ChosenLook]:
    """Return the first reading of one kind whose evidence is as good as the best, and that evidence.

    Each is judged where it is brightest, two readings where either of them is: brown nuclei, say, may lie elsewhere
    than blue ones.
    """
    windows = [_window(one.reader, side) for one in readings]
    if len(readings) == 2:
        evidence = [float(np.mean([one.evidence(window) for window in windows])) for one in readings]
    else:
        evidence = [one.evidence(window) for one, window in zip(readings, windows, strict=True)]
    best = next(number for number, found in enumerate(evidence) if found >= AS_GOOD * max(evidence))
    return evidence[best], readings[best].chosen


def _window(reader: PlaneReader, side: float) -> Region:
    """Square of about ``side`` image pixels round the brightest patch, within the plane."""
    region: list[int] = []
    for centre, size, start in zip(brightest_patch(reader), reader.shape, reader.region[::2], strict=True):
        length = min(round(side), size)
        first = min(max(centre - length // 2, 0), size - length)
        region += [start + first, start + first + length]
    return region[0], region[1], region[2], region[3]
