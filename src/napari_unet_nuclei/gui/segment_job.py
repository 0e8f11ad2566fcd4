"""What runs in the thread when Segment is pressed: PyTorch is loaded here and nowhere else in the window."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pandas as pd

from napari_unet_nuclei.core.batch.result_table import measure_result
from napari_unet_nuclei.core.progress import Advanced, Progress, Share
from napari_unet_nuclei.core.segment.request import SegmentRequest
from napari_unet_nuclei.core.segment.result import SegmentResult
from napari_unet_nuclei.core.types import Labels
from napari_unet_nuclei.gui.layers import LayerImage

SEGMENTING = 0.9
"""Share of the progress bar; measuring has the rest."""


@dataclass(frozen=True)
class SegmentAnswer:
    """What a run brings to the window.

    Attributes
    ----------
    image : LayerImage
    request : SegmentRequest
    result : SegmentResult
    shown : ndarray
        Copy of the labels in the order of the layer's axes, for a layer that may be painted on.
    table : pandas.DataFrame
    channel_names : tuple of str
    devices : tuple of str
        Names of the devices of this computer, the preferred one first.
    """

    image: LayerImage
    request: SegmentRequest
    result: SegmentResult
    shown: Labels
    table: pd.DataFrame
    channel_names: tuple[str, ...]
    devices: tuple[str, ...]


def segment_job(
    image: LayerImage, request: SegmentRequest, channel_names: Sequence[str] = ()
) -> Callable[[Progress], SegmentAnswer]:
    """Return the job that segments and measures what was asked for."""

    def job(progress: Progress) -> SegmentAnswer:
        progress.report(Advanced(0.0, "Preparing…" if "torch" in sys.modules else "Loading PyTorch…"))
        from napari_unet_nuclei.core.model.device import available_devices
        from napari_unet_nuclei.core.segment.run import run_segment

        result = run_segment(request, Share(progress, 0.0, SEGMENTING))
        table = measure_result(result, request, channel_names, Share(progress, SEGMENTING, 1.0))
        shown = image.arrange(result.labels).copy()
        return SegmentAnswer(image, request, result, shown, table, tuple(channel_names), available_devices())

    return job
