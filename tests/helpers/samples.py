"""The package's drawn samples, each drawn once in a process: drawing one anew takes longer than most tests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache, wraps
from typing import ParamSpec

from napari_unet_nuclei.core.samples import packed_tissue as packed
from napari_unet_nuclei.core.samples import synthetic
from napari_unet_nuclei.core.samples.synthetic import SampleImage

Parameters = ParamSpec("Parameters")


def drawn_once(draw: Callable[Parameters, SampleImage]) -> Callable[Parameters, SampleImage]:
    """Keep what a function draws, and give every test a copy of its own to change."""
    kept = cache(draw)

    @wraps(draw)
    def copied(*args: Parameters.args, **kwargs: Parameters.kwargs) -> SampleImage:
        sample = kept(*args, **kwargs)
        return replace(sample, image=sample.image.copy(), labels=sample.labels.copy())

    return copied


fluorescent_nuclei = drawn_once(synthetic.fluorescent_nuclei)
immunohistochemistry = drawn_once(synthetic.immunohistochemistry)
packed_tissue = drawn_once(packed.packed_tissue)
stained_tissue = drawn_once(synthetic.stained_tissue)
time_series = drawn_once(synthetic.time_series)
two_channels = drawn_once(synthetic.two_channels)
z_stack = drawn_once(synthetic.z_stack)
