"""What runs in the thread when Segment is pressed: PyTorch is loaded here and nowhere else in the window."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from napari_unet_nuclei.core.errors import ImageShapeError
from napari_unet_nuclei.core.progress import Advanced, Progress, Share
from napari_unet_nuclei.core.segment.request import SegmentRequest
from napari_unet_nuclei.core.segment.result import SegmentResult
from napari_unet_nuclei.core.segment.table import measure_result
from napari_unet_nuclei.core.types import Labels
from napari_unet_nuclei.gui.viewer.layers import LayerImage

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


@dataclass(frozen=True)
class Carried:
    """What a run is told that need not hold for its image: the image itself decides, in the thread.

    Attributes
    ----------
    kind : bool
        The kind of image was set for another image, or in another session: it is not held against what this image
        evidently is.
    channel : int or None
        The channel on the screen, for images in which nothing tells which channel shows the nuclei.
    """

    kind: bool = False
    channel: int | None = None

    def fitted(self, request: SegmentRequest) -> SegmentRequest:
        """Return the request that fits its image, which is itself where nothing is carried over."""
        from napari_unet_nuclei.core.segment.run import evident_kind

        settings, evident = request.settings, None
        # Channels coloured red, green and blue are one picture only over a bright background.
        may_be_picture = settings.channel_auto and settings.kind != "brightfield" and request.source.rgb_channels
        try:
            if (self.kind and settings.kind != "auto") or (self.channel is not None and may_be_picture):
                evident = evident_kind(request)
        except ImageShapeError:
            if self.channel is None or not settings.channel_auto:
                raise
            request = replace(request, settings=settings.changed(channel=self.channel))
            return replace(self, channel=None).fitted(request)
        if not self.kind or evident is None or settings.kind in ("auto", evident):
            return request
        return replace(request, settings=settings.changed(kind="auto"))


NOTHING_CARRIED = Carried()


def segment_job(
    image: LayerImage, request: SegmentRequest, channel_names: Sequence[str] = (), carried: Carried = NOTHING_CARRIED
) -> Callable[[Progress], SegmentAnswer]:
    """Return the job that segments and measures what was asked for.

    Parameters
    ----------
    image : LayerImage
    request : SegmentRequest
    channel_names : sequence of str
        For the table.
    carried : Carried
    """

    def job(progress: Progress) -> SegmentAnswer:
        progress.report(Advanced(0.0, "Preparing…" if "torch" in sys.modules else "Loading PyTorch…"))
        from napari_unet_nuclei.core.model.device import available_devices
        from napari_unet_nuclei.core.segment.run import run_segment

        asked = carried.fitted(request)
        result = run_segment(asked, Share(progress, 0.0, SEGMENTING))
        table = measure_result(result, asked, channel_names, Share(progress, SEGMENTING, 1.0))
        shown, names = image.arrange(result.labels).copy(), tuple(channel_names)
        put_back = asked.settings.kind != request.settings.kind
        return SegmentAnswer(image, asked, result, shown, table, names, available_devices(), put_back)

    return job
