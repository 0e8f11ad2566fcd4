"""Let the network decide how an image is to be read, where the picture alone leaves it open.

A wrong reading shows few things that look like nuclei: turned the wrong way, or read in another colour, an image has
blobs at most. So each reading is tried on a small window, and the one with most nuclei in it is taken: the sum of
their scores, which is how many of them are expected to be right.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from napari_unet_nuclei.core.image.plane import ImageKind, PlaneLook, PlaneReader
from napari_unet_nuclei.core.image.sample import PlaneSample, Scaling
from napari_unet_nuclei.core.labels.decode import Decoded, decode_plane, quantise
from napari_unet_nuclei.core.model.architecture import DECODED_HEADS
from napari_unet_nuclei.core.progress import Advanced, Progress, Silent
from napari_unet_nuclei.core.segment.automatic_size import Glance, brightest_patch, glance, scale_for, shrinkings
from napari_unet_nuclei.core.segment.network_runner import NetworkRunner
from napari_unet_nuclei.core.segment.predict import thresholds_at
from napari_unet_nuclei.core.types import Labels

CLEAR = 1.5
"""The kind that the picture makes less likely must have this many times the evidence of the other to be taken, and the
likelier one as many times that of the other not to be called doubtful."""

AS_GOOD: dict[ImageKind, float] = {"fluorescence": 0.9, "brightfield": 0.97}
"""Readings of one kind with this share of the best evidence are as good, and the likeliest of them is taken: the same
nuclei often show in two colours, in one of them brighter. Of stains more is asked, since the few nuclei that DAB hides
in haematoxylin alone may be a twentieth of those in the windows, but a seventh of all."""

WITHIN, FEWER, MORE, SMALLEST, LARGEST = 0.9, 0.5, 1.5, 0.1, 0.7
"""Nuclei lie in cell bodies that another colour shows: of their pixels `WITHIN` or more do, there are `FEWER` to `MORE`
times as many, and the typical one has `SMALLEST` to `LARGEST` of the area of a body. Nucleoli and spots are smaller and
more; nuclei that merely shine through into another colour have about the same area."""

LEAST = 0.5
"""Expected nuclei below which a window is said to show nothing."""

AREA = 160**2
"""Pixels, at their own scale, of the windows that show one of two readings to the network; of more readings less each.
Of 106 grey images that were made to choose, with the wrong kind called the likelier one, all were told rightly, as with
windows of 192² pixels."""


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

    def open_all(self, indices: Sequence[tuple[int, ...]], scaling: Scaling) -> tuple[PlaneReader, ...]:
        """Return the readers of some planes of the image, which are all read as the one that decided."""
        known = self.reader
        # The plane that decided has been measured already, which took reading all of its pixels.
        return tuple(
            known if index == known.index else PlaneSample(known.source, index, known.region).open(known.look, scaling)
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
        judged: list[_Judged] = []
        for one, centres in zip(tried, places, strict=True):
            progress.report(Advanced(0.0, "looking at the kind of image"))
            # The same area for every reading, or the one with more windows would show more nuclei.
            side = int(np.sqrt(AREA / (len(tried) - 1) / len(centres)))
            # Silent: if memory runs short the runner keeps the notice, and the run tells it once.
            seen = glance(one.reader, one.runner, centres, scale, side, Silent())
            estimate = seen.diameter if judges_size and seen.is_judged else 0.0
            judged.append(_Judged(ChosenLook(one.reader, estimate=estimate), centres, one.nuclei(seen)))
        best = max(judged, key=lambda one: one.evidence)
        if best.evidence > LEAST and best.chosen.estimate:
            break
    # First within a kind, where it is about colours, then between the kinds, where a mistake spoils everything.
    found: dict[ImageKind, tuple[float, ChosenLook]] = {}
    for kind in dict.fromkeys(look.kind for look in looks):
        chosen = _of_one_kind([one for one in judged if one.chosen.look.kind == kind])
        found[kind] = chosen.evidence, chosen.chosen
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
        return _Tried(plane.open(look, fitted.card.scaling), fitted)

    def nuclei(self, seen: Glance) -> tuple[Decoded, ...]:
        """Decode the nuclei that the windows show.

        They are not brought to the model's size first, which takes the network twice: nuclei need not be outlined well
        to be counted.
        """
        card = self.runner.card
        # In pixels of the windows, which is what the maps to be decoded are in.
        thresholds = thresholds_at(card, scale_for(seen.diameter * seen.scale, card.diameter))
        heads = [card.architecture.heads.index(head) for head in DECODED_HEADS]
        return tuple(decode_plane(quantise(output[heads]), thresholds) for output in seen.outputs)


@dataclass(frozen=True, eq=False)
class _Judged:
    """A reading, and the nuclei that windows around some places show in it."""

    chosen: ChosenLook
    centres: tuple[tuple[int, int], ...]
    nuclei: tuple[Decoded, ...]

    @property
    def evidence(self) -> float:
        """How many nuclei are expected to be right: the sum of their scores."""
        return float(sum(one.scores.sum() for one in self.nuclei))

    def lies_within(self, other: _Judged) -> bool:
        """Tell whether its objects are the nuclei of cells whose bodies another reading shows."""
        if self.centres != other.centres or len(self.nuclei) != len(other.nuclei):
            return False  # seen in other windows
        own, around = (np.concatenate([part.labels.ravel() for part in one.nuclei]) for one in (self, other))
        sizes = [np.concatenate([_areas(part.labels) for part in one.nuclei]) for one in (self, other)]
        if not all(len(areas) for areas in sizes):
            return False
        share = np.median(sizes[0]) / np.median(sizes[1])
        return bool(
            (around[own > 0] > 0).mean() >= WITHIN
            and FEWER <= len(sizes[0]) / len(sizes[1]) <= MORE
            and SMALLEST <= share <= LARGEST
        )


def _areas(labels: Labels) -> NDArray[np.int64]:
    return np.bincount(labels.ravel())[1:]


def _of_one_kind(readings: Sequence[_Judged]) -> _Judged:
    """Choose among readings of one kind of image, the likeliest first: colours or stains."""
    most = max(one.evidence for one in readings)
    kind = readings[0].chosen.look.kind
    best = next(one for one in readings if one.evidence >= AS_GOOD[kind] * most)
    if kind == "fluorescence":
        # Dyes of the whole cell show bodies that look like large nuclei.
        inner = (one for one in readings if one.evidence >= FEWER * most and one.lies_within(best))
        best = next(inner, best)
    return best


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
