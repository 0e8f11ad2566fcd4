"""What finding out how an image is read costs: its kind, and the colour or stain that shows the nuclei."""

from __future__ import annotations

import statistics
import time
from typing import Any

import numpy as np
from scipy.ndimage import gaussian_filter

from benchmarks.child import in_child
from benchmarks.images import DIAMETER, PIECE, field
from benchmarks.table import Table

RUNS = 7
"""Pairs of runs; the medians count."""


def measure() -> Table:
    rows = tuple(
        (
            name,
            f"{figures['readings']}",
            f"{figures['given']:.3f}",
            f"{figures['found']:.3f}",
            f"{figures['share']:.1%}",
        )
        for name in PICTURES
        for figures in [in_child(reading_figures, name)]
    )
    return Table(
        "Finding out how an image is read",
        ("picture", "readings possible", "reading given s", "reading found out s", "share of the run"),
        rows,
        f"Processor time on one thread, medians of {RUNS} runs in turns, at 1 megapixel (2^20 pixels). The size of the "
        "nuclei is estimated in all runs. Aim: at most a tenth of the run.",
    )


def reading_figures(name: str) -> dict[str, Any]:
    """Seconds of a run that is told how to read a picture, and of one that finds it out."""
    import torch

    from napari_unet_nuclei import segment
    from napari_unet_nuclei.core.image.axes import ImageSource
    from napari_unet_nuclei.core.image.kind import NetworkInputs, possible_looks
    from napari_unet_nuclei.core.image.sample import PlaneSample
    from napari_unet_nuclei.core.model.card import INSTANCE_INPUTS

    torch.set_num_threads(1)
    image, axes = PICTURES[name]()
    given: dict[str, Any] = {"kind": "brightfield" if name in STAINED else "fluorescence"}
    if name == TWO_COLOURS:
        given["channel"] = NUCLEI
    plane = PlaneSample(ImageSource(image, axes), (), (0, PIECE, 0, PIECE))
    looks = possible_looks(plane, inputs=NetworkInputs(INSTANCE_INPUTS, len(INSTANCE_INPUTS)))
    times: dict[str, list[float]] = {"given": [], "found": []}
    for run in range(RUNS + 1):
        for way, settings in (("given", given), ("found", {})):
            start = time.process_time()
            segment(image, axes=axes, **settings)
            if run:  # the first loads the model
                times[way].append(time.process_time() - start)
    medians = {way: statistics.median(values) for way, values in times.items()}
    share = statistics.median(1 - told / found for told, found in zip(*times.values(), strict=True))
    return {**medians, "share": max(share, 0.0), "readings": len(looks)}


def light() -> np.ndarray:
    """Return a megapixel of nuclei, (Y, X) float32 from 0 to about 1."""
    image = field(1).astype(np.float32)
    return (image - image.min()) / np.float32(np.percentile(image, 99.8) - image.min())


def grey() -> tuple[np.ndarray, str]:
    """Nuclei on a dark background."""
    return field(1), "YX"


def doubtful() -> tuple[np.ndarray, str]:
    """Nuclei in haze that grows across the picture, so that the background is neither dark nor bright."""
    return np.clip(8 + 120 * (light() + np.linspace(0, 1, PIECE, dtype=np.float32)), 0, 255).astype(np.uint8), "YX"


def two_colours() -> tuple[np.ndarray, str]:
    """Nuclei in blue, and the bodies of their cells in green."""
    nuclei = light()
    bodies = 1.5 * gaussian_filter(nuclei, DIAMETER / 3)
    picture = np.stack([np.zeros_like(nuclei), bodies, nuclei], axis=-1)
    return np.clip(8 + 220 * picture, 0, 255).astype(np.uint8), "YXS"


def brown() -> tuple[np.ndarray, str]:
    """Immunohistochemistry with brown nuclei."""
    from napari_unet_nuclei.core.samples.synthetic import immunohistochemistry

    return immunohistochemistry(shape=(PIECE, PIECE), diameter=DIAMETER, count=900).image, "YXS"


TWO_COLOURS, NUCLEI = "fluorescence, two lit colours", 2
"""The picture with a choice of colours, and the channel in it that has the nuclei."""

PICTURES = {
    "grey fluorescence": grey,
    "grey, doubtful": doubtful,
    TWO_COLOURS: two_colours,
    "immunohistochemistry": brown,
}

STAINED = ("immunohistochemistry",)
