"""Samples with the maps that a network might predict of them."""

from __future__ import annotations

import numpy as np

from napari_unet_nuclei.core.labels.encode import encode_labels
from napari_unet_nuclei.core.samples.drawing import draw_nuclei
from napari_unet_nuclei.core.segment.predict import Prediction
from napari_unet_nuclei.core.segment.size import NO_NUCLEI
from napari_unet_nuclei.core.train.samples import Sample


def example(seed: int, faint: int = 0) -> tuple[Sample, Prediction]:
    """Perfect maps of drawn nuclei, the first ``faint`` of which are no nuclei and which the network doubts."""
    _, drawn = draw_nuclei((96, 96), 16, 12, np.random.default_rng(seed))
    maps = encode_labels(drawn, 22.0)
    foreground = np.where(drawn <= faint, 0.7, 1.0) * maps.foreground
    stacked = np.stack([foreground, maps.border, maps.distance])
    labels = np.where(drawn > faint, drawn, 0).astype(np.int32)
    sample = Sample(str(seed), np.zeros((1, 96, 96), np.float32), labels, str(seed))
    return sample, Prediction((255 * stacked).astype(np.uint8), NO_NUCLEI, 1.0)


def examples(faint: int = 0) -> tuple[list[Sample], list[Prediction]]:
    pairs = [example(seed, faint) for seed in range(3)]
    return [sample for sample, _ in pairs], [prediction for _, prediction in pairs]
