"""What finding out how an image is read costs: its kind, and the colour or stain that shows the nuclei."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.ndimage import gaussian_filter

from benchmarks.child import in_child
from benchmarks.images import DIAMETER, PIECE, field
from benchmarks.table import Table

RUNS = 7
"""Pairs of runs; the medians count."""


Drawn = tuple[np.ndarray, str]
"""An image with its axes."""


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

    from napari_unet_nuclei import load_model, segment
    from napari_unet_nuclei.core.image.axes import ImageSource
    from napari_unet_nuclei.core.image.kind import possible_looks
    from napari_unet_nuclei.core.image.sample import PlaneSample

    torch.set_num_threads(1)
    draw, given = PICTURES[name]
    image, axes = draw()
    looks = possible_looks(PlaneSample.whole(ImageSource(image, axes)), inputs=load_model().card.network_inputs)
    told, found = [], []
    for run in range(RUNS + 1):
        for times, settings in ((told, given), (found, {})):
            start = time.process_time()
            segment(image, axes=axes, **settings)
            if run:  # the first one warms up
                times.append(time.process_time() - start)
    return {
        "given": statistics.median(told),
        "found": statistics.median(found),
        "share": statistics.median(1 - one / other for one, other in zip(told, found, strict=True)),
        "readings": len(looks),
    }


def light() -> np.ndarray:
    """Return a megapixel of nuclei, (Y, X) float32 from 0 to about 1."""
    from napari_unet_nuclei.core.image.normalise import intensity_range

    image = field(1).astype(np.float32)
    return intensity_range(image).normalise(image)


def grey() -> Drawn:
    """Nuclei on a dark background."""
    return field(1), "YX"


def doubtful() -> Drawn:
    """Nuclei in haze that grows across the picture, so that the background is neither dark nor bright."""
    return np.clip(8 + 120 * (light() + np.linspace(0, 1, PIECE, dtype=np.float32)), 0, 255).astype(np.uint8), "YX"


def two_colours() -> Drawn:
    """Nuclei in blue, and the bodies of their cells in green."""
    nuclei = light()
    bodies = 1.5 * gaussian_filter(nuclei, DIAMETER / 3)
    picture = np.stack([np.zeros_like(nuclei), bodies, nuclei], axis=-1)
    return np.clip(8 + 220 * picture, 0, 255).astype(np.uint8), "YXS"


def brown() -> Drawn:
    """Immunohistochemistry with brown nuclei."""
    from napari_unet_nuclei.core.samples.synthetic import immunohistochemistry

    return immunohistochemistry(shape=(PIECE, PIECE), diameter=DIAMETER, count=900).image, "YXS"


PICTURES: dict[str, tuple[Callable[[], Drawn], dict[str, Any]]] = {
    "grey fluorescence": (grey, {"kind": "fluorescence"}),
    "grey, doubtful": (doubtful, {"kind": "fluorescence"}),
    "fluorescence, two lit colours": (two_colours, {"kind": "fluorescence", "channel": 2}),
    "immunohistochemistry": (brown, {"kind": "brightfield"}),
}
"""What draws each picture, and the settings that say how it is read."""
