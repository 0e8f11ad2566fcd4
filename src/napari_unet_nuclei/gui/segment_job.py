"""What runs in the thread when Segment is pressed: PyTorch is loaded here and nowhere else in the window."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

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
    kind_put_back : bool
        The kind of image was carried over from another image, and put back to automatic: it is not this one's.
    """

    image: LayerImage
    request: SegmentRequest
    result: SegmentResult
    shown: Labels
    table: pd.DataFrame
    channel_names: tuple[str, ...]
    devices: tuple[str, ...]
    kind_put_back: bool = False


def segment_job(
    image: LayerImage, request: SegmentRequest, channel_names: Sequence[str] = (), kind_is_carried: bool = False
) -> Callable[[Progress], SegmentAnswer]:
    """Return the job that segments and measures what was asked for.

    Parameters
    ----------
    image : LayerImage
    request : SegmentRequest
    channel_names : sequence of str
        For the table.
    kind_is_carried : bool
        The kind of image was set for another image, or in another session: it is not held against what this image
        evidently is.
    """

    def job(progress: Progress) -> SegmentAnswer:
        progress.report(Advanced(0.0, "Preparing…" if "torch" in sys.modules else "Loading PyTorch…"))
        from napari_unet_nuclei.core.model.device import available_devices
        from napari_unet_nuclei.core.segment.run import run_segment

        asked = with_own_kind(request) if kind_is_carried else request
        result = run_segment(asked, Share(progress, 0.0, SEGMENTING))
        table = measure_result(result, asked, channel_names, Share(progress, SEGMENTING, 1.0))
        shown, names, put_back = image.arrange(result.labels).copy(), tuple(channel_names), asked is not request
        return SegmentAnswer(image, asked, result, shown, table, names, available_devices(), put_back)

    return job


def with_own_kind(request: SegmentRequest) -> SegmentRequest:
    """Return a request without its kind of image where the image is evidently of another one; else itself."""
    from napari_unet_nuclei.core.segment.run import evident_kind

    evident = evident_kind(request) if request.settings.kind != "auto" else None
    if evident in (None, request.settings.kind):
        return request
    return replace(request, settings=request.settings.changed(kind="auto"))
