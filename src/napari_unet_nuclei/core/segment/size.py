"""Find the nuclei's size without asking the user, from the network's own size head."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from napari_unet_nuclei.core.model.card import ModelCard
from napari_unet_nuclei.core.types import Maps

_BINS = np.linspace(-5.0, 5.0, 401)
"""log2 of the diameter over the model's, in steps of 1/40."""

_STEP = 2
"""Every second pixel of every second row gives the same size as all of them, in a quarter of the time."""

_SURENESS = 8
"""A pixel of a fine-tuned model counts by this power of its probability: tissue is full of things half taken for
nuclei."""

TOLERANCE = 0.4
"""Octaves by which nuclei differ from the sizes that a model was taught, as a standard deviation."""

SURPRISE = 0.02
"""What any other size counts, so that a model still sees nuclei of a size that it was never taught."""


@dataclass(frozen=True)
class SizeEvidence:
    """Output of the size head over some area; evidence of several areas adds up.

    Attributes
    ----------
    histogram : ndarray, shape (400,), float64
        Foreground pixels by the diameter they belong to, each weighing one over that diameter: pixels alone would
        count large nuclei too much, and nuclei alone debris. Where sizes were taught, which debris has not, nuclei
        count, the surest ones and those of such sizes more.
    nuclei : float
        About how many nuclei that is.
    """

    histogram: NDArray[np.float64]
    nuclei: float

    @staticmethod
    def of(output: Maps, card: ModelCard, scale: float) -> SizeEvidence:
        """Read the output (K, Y, X) of a card's network for an image of ``scale`` model pixels per image pixel."""
        heads = card.architecture.heads
        thinned = output[:, ::_STEP, ::_STEP]
        probability = thinned[heads.index("foreground")]
        # Not the model's fitted threshold: which pixels outlines enclose does not matter, that they lie in nuclei does.
        foreground = probability > 0.5
        # Clipped, because `histogram` drops what lies beyond the outer bins.
        size = np.clip(thinned[heads.index("size")][foreground], _BINS[0], _BINS[-1])
        # A nucleus d times as large has d² times the pixels: weighing 1/d² each, they make up one nucleus.
        per_nucleus = np.exp2(-2.0 * size)
        weights = per_nucleus * probability[foreground] ** _SURENESS if card.taught else np.exp2(-size)
        histogram, _ = np.histogram(size, _BINS, weights=weights)
        if card.taught:
            # Taught diameters are in image pixels, the head's in model pixels; a tuple, so that the cache can hash it.
            histogram = histogram * expectation(tuple(scale * taught / card.diameter for taught in card.taught))
        # Each pixel stands for `_STEP`² of them; divided by the area of a disc of the model's diameter.
        nuclei = per_nucleus.sum() * _STEP**2 * 4 / (np.pi * card.diameter**2)
        return SizeEvidence(histogram, float(nuclei))

    def __add__(self, other: SizeEvidence) -> SizeEvidence:
        """Join the evidence of two areas."""
        return SizeEvidence(self.histogram + other.histogram, self.nuclei + other.nuclei)

    @property
    def factor(self) -> float:
        """Weighted median of the diameter over the model's; 1 where nothing was seen."""
        total = self.histogram.sum()
        if total <= 0:
            return 1.0
        # A median, which a few clumps or specks cannot move; the middle of its bin is within 1 % of it.
        middle = int(np.searchsorted(np.cumsum(self.histogram), total / 2))
        return float(np.exp2((_BINS[middle] + _BINS[middle + 1]) / 2))


NO_NUCLEI = SizeEvidence(np.zeros(len(_BINS) - 1), 0.0)


@lru_cache(maxsize=64)
def expectation(factors: Sequence[float]) -> NDArray[np.float64]:
    """How much evidence of each size counts, shape (400,), where some diameters over the model's are expected.

    In tissue, glands and tubules look like nuclei many times as large, and a size alone cannot tell which are meant;
    the sizes that a model was taught can.
    """
    middles = (_BINS[:-1] + _BINS[1:]) / 2
    octaves = (middles - np.log2(factors)[:, None]) / TOLERANCE
    return np.asarray(np.exp(-(octaves**2) / 2).mean(axis=0) + SURPRISE)
