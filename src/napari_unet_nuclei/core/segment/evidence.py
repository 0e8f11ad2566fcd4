"""Let the network decide how an image is to be read, where the picture alone leaves it open.

A wrong reading shows few things that look like nuclei: turned the wrong way, or read in another colour, an image has
blobs at most. So each reading is tried on a small window, and the one with most nuclei in it is taken: the sum of
their scores, which is how many of them are expected to be right.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from napari_unet_nuclei.core.image.plane import ImageKind, PlaneLook, PlaneReader
from napari_unet_nuclei.core.image.sample import PlaneSample
from napari_unet_nuclei.core.labels.decode import decode_plane, quantise
from napari_unet_nuclei.core.model.card import DECODED_HEADS
from napari_unet_nuclei.core.progress import Advanced, Progress, Silent
from napari_unet_nuclei.core.segment.automatic_size import Glance, brightest_patch, glance, scale_for, shrinkings
from napari_unet_nuclei.core.segment.network_runner import NetworkRunner
from napari_unet_nuclei.core.segment.predict import thresholds_at

CLEAR = 1.5
"""The kind that the picture makes less likely must have this many times the evidence of the other to be taken, and the
likelier one as many times that of the other not to be called doubtful."""

AS_GOOD = 0.9
"""Readings of one kind with this share of the best evidence are as good, and the likeliest of them is taken: the same
nuclei often show in two colours, in one of them brighter."""

LEAST = 0.5
"""Expected nuclei below which a window is said to show nothing."""

AREA = 176**2
"""Pixels, at their own scale, of the windows that show one of two readings to the network; of more readings less each.
Of 96 grey images that were made to choose, with the wrong kind called the likelier one, all were told rightly; with
windows of 210² and 270² pixels one was not."""


@dataclass(frozen=True)
class ChosenLook:
    """How an image is read, by the reader of the plane that decided.

    Attributes
    ----------
    sure : bool
        False where another reading, of another kind, is nearly as likely.
    estimate : float
        Diameter of the nuclei in image pixels, where it was seen in choosing the reading; else 0.
    """

    reader: PlaneReader
    sure: bool = True
    estimate: float = 0.0

    @property
    def look(self) -> PlaneLook:
        """What is read, and how."""
        return self.reader.look

    def open_all(self, indices: Sequence[tuple[int, ...]], percentiles: tuple[float, float]) -> tuple[PlaneReader, ...]:
        """Return the readers of some planes of the image, which are all read as the one that decided."""
        known = self.reader
        # The plane that decided has been measured already, which took reading all of its pixels.
        return tuple(
            known
            if index == known.index
            else PlaneSample(known.source, index, known.region).open(known.look, percentiles)
            for index in indices
        )


def choose_look(
    looks: Sequence[PlaneLook], plane: PlaneSample, runner: NetworkRunner, progress: Progress, diameter: float = 0.0
) -> ChosenLook:
    """Choose among the readings that an image leaves open, the likeliest first: it wins where nothing is seen in any.

    Where ``diameter`` is known (image pixels, else 0), the windows are of that scale.
    """
    tried = [_Tried.of(look, plane, runner) for look in looks]
    if len(tried) == 1 or 0 in tried[0].reader.shape:
        return ChosenLook(tried[0].reader)
    places = _places(tried)
    card = runner.card
    judges_size = card.tells_size and not diameter
    known = scale_for(diameter or card.diameter, card.diameter)
    # All readings at one scale: at a coarser one, where more is in view, only while the best shows no nuclei, or nuclei
    # too large for this one.
    for scale in [1 / shrink for shrink in shrinkings(tried[0].reader.shape)] if judges_size else [known]:
        judged: list[tuple[float, ChosenLook]] = []
        for one, centres in zip(tried, places, strict=True):
            progress.report(Advanced(0.0, "looking at the kind of image"))
            # The same area for every reading, or the one with more windows would show more nuclei.
            side = int(np.sqrt(AREA / (len(tried) - 1) / len(centres)))
            # Silent: if memory runs short the runner keeps the notice, and the run tells it once.
            seen = glance(one.reader, one.runner, centres, scale, side, Silent())
            estimate = seen.diameter if judges_size and seen.is_judged else 0.0
            judged.append((one.evidence(seen), ChosenLook(one.reader, estimate=estimate)))
        most, best = max(judged, key=lambda one: one[0])
        if most > LEAST and best.estimate:
            break
    # First within a kind, where it is about colours, then between the kinds, where a mistake spoils everything.
    found: dict[ImageKind, tuple[float, ChosenLook]] = {}
    for kind in dict.fromkeys(look.kind for look in looks):
        alike = [one for one in judged if one[1].look.kind == kind]
        most = max(evidence for evidence, _ in alike)
        found[kind] = next(one for one in alike if one[0] >= AS_GOOD * most)
    (first, likelier), *others = found.values()
    if not others:
        return likelier
    [(second, other)] = others
    # `LEAST` counts even against nothing: one faint blob is no evidence.
    if second > max(CLEAR * first, LEAST):
        return other
    return replace(likelier, sure=first > max(CLEAR * second, LEAST))


@dataclass(frozen=True)
class _Tried:
    """A reading, and the network with the card for its kind of image."""

    reader: PlaneReader
    runner: NetworkRunner

    @staticmethod
    def of(look: PlaneLook, plane: PlaneSample, runner: NetworkRunner) -> _Tried:
        fitted = runner.for_kind(look.kind)
        return _Tried(plane.open(look, fitted.card.percentiles), fitted)

    def evidence(self, seen: Glance) -> float:
        """Sum the scores of the nuclei that the windows show.

        They are not brought to the model's size first, which takes the network twice: nuclei need not be outlined well
        to be counted.
        """
        card = self.runner.card
        # In pixels of the windows, which is what the maps to be decoded are in.
        thresholds = thresholds_at(card, scale_for(seen.diameter * seen.scale, card.diameter))
        heads = [card.architecture.heads.index(head) for head in DECODED_HEADS]
        return float(sum(decode_plane(quantise(output[heads]), thresholds).scores.sum() for output in seen.outputs))


def _places(tried: Sequence[_Tried]) -> list[tuple[tuple[int, int], ...]]:
    """Where each reading is judged: where it is brightest, two of one kind where either of them is.

    Brown nuclei, say, may lie elsewhere than blue ones.
    """
    own = [brightest_patch(one.reader) for one in tried]
    kinds = [one.reader.look.kind for one in tried]
    # Without repetitions: two colours are often brightest at one place, which then gets a window twice as large.
    return [
        tuple(dict.fromkeys(there for there, other in zip(own, kinds, strict=True) if other == kind))
        if kinds.count(kind) == 2
        else (place,)
        for place, kind in zip(own, kinds, strict=True)
    ]
