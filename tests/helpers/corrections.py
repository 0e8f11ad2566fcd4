"""Corrections of drawn images, as a user keeps them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from napari_unet_nuclei.core.corrections.correction import Correction
from napari_unet_nuclei.core.image.pixel_size import PixelSize
from tests.helpers.drawn import discs
from tests.helpers.samples import fluorescent_nuclei

LABELS = discs((40, 50), (12, 12, 6), (25, 30, 8)) * 5
REVIEWED = np.zeros((40, 50), bool)
REVIEWED[4:36, 2:44] = True


def nuclei_in_a_row(seed: int, count: int = 8, name: str = "DAPI") -> Correction:
    """A row of square nuclei, 10 px apart, all of it reviewed."""
    labels = np.zeros((14, 10 * count + 4), np.int32)
    for number in range(count):
        labels[4:9, 10 * number + 4 : 10 * number + 9] = number + 1
    noise = np.random.default_rng(seed).integers(0, 200, labels.shape)
    image = (noise + 2000 * (labels > 0)).astype(np.uint16)
    return Correction(name, image, "YX", labels, np.ones(labels.shape, bool))


def full_correction(name: str = "cells", **changes: object) -> Correction:
    """A correction with everything that one can have: an index, a pixel size, a provenance."""
    rng = np.random.default_rng(0)
    image = (rng.integers(90, 110, LABELS.shape) + 400 * (LABELS > 0)).astype(np.uint16)
    made = Correction(
        name, image, "YX", LABELS, REVIEWED, (10,), PixelSize(0.5, 0.25), provenance={"model": "m", "hash": "abc"}
    )
    return replace(made, **changes)


def drawn_correction(name: str, seed: int) -> Correction:
    """A small fluorescence image, all of it reviewed."""
    drawn = fluorescent_nuclei(seed, (64, 64), 14, 8)
    return Correction(name, drawn.image, "YX", drawn.labels, np.ones((64, 64), bool))
