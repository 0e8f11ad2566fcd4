"""The job that segments in a thread; PyTorch is imported there, never in the window's thread."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import pandas as pd
from napari.layers import Labels
from napari.utils.colormaps import CyclicLabelColormap
from qtpy.QtCore import QObject, Signal

from napari_unet_nuclei.core.errors import ImageShapeError
from napari_unet_nuclei.core.progress import Progress, Share
from napari_unet_nuclei.core.segment.projection import projected
from napari_unet_nuclei.core.segment.request import SegmentRequest
from napari_unet_nuclei.core.segment.result import SegmentResult
from napari_unet_nuclei.core.segment.table import measure_result
from napari_unet_nuclei.gui.jobs.latest_job import LatestJob
from napari_unet_nuclei.gui.jobs.worker import report_start
from napari_unet_nuclei.gui.segment.view_first import ViewFirst, in_its_plane
from napari_unet_nuclei.gui.viewer.display import MOST_COLOURS, colours_apart, prepare_drawing
from napari_unet_nuclei.gui.viewer.layers import LayerImage, labels_arguments
from napari_unet_nuclei.gui.viewer.staging import Stage
from napari_unet_nuclei.gui.widgets.rest_timer import rest_timer

SEGMENTING = 0.9
"""Share of the progress bar; measuring takes the rest."""

FIRST = 0.1
"""Share of the progress bar of what is segmented before the whole."""

SETTLED = 500
"""Milliseconds after the dock or an image was opened: the import halts the window for moments, as Python does one thing
at a time."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What every run returns to the window.

    Attributes
    ----------
    image : LayerImage
    request : SegmentRequest
    table : pandas.DataFrame
    devices : tuple of str
        Names of the devices of this computer, the preferred one first.
    kind_put_back : bool
        The kind of image was carried over from another image, and reset to automatic because it does not fit this one.
    """

    image: LayerImage
    request: SegmentRequest
    table: pd.DataFrame
    devices: tuple[str, ...]
    kind_put_back: bool = False


@dataclass(frozen=True, kw_only=True)
class SegmentAnswer(Answer):
    """A result in memory.

    Attributes
    ----------
    result : SegmentResult
    layer : napari.layers.Labels
        Shows a copy of the labels, which may be painted on; in no viewer so far.
    stack : LayerImage or None
        The image of which ``image`` is a projection that is to be shown; None where it is the layer that was chosen.
    where : str
        "in view" where the rest follows; empty for a whole result.
    """

    result: SegmentResult
    layer: Labels
    stack: LayerImage | None = None
    where: str = ""


@dataclass(frozen=True)
class Carried:
    """Choices made for another image, which the run checks against its own image.

    Attributes
    ----------
    kind : bool
        The kind of image was set for another image or in another session; what this image evidently is overrules it.
    channel : int or None
        The visible channel, for images in which nothing else tells which channel shows the nuclei.
    """

    kind: bool = False
    channel: int | None = None

    def fitted(self, request: SegmentRequest) -> SegmentRequest:
        """Return the request without the choices that do not fit its image."""
        from napari_unet_nuclei.core.segment.run import evident_kind

        settings, evident = request.settings, None
        # Red, green and blue channels are one colour picture only on a bright background.
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


def load_engine(progress: Progress) -> tuple[str, ...]:
    """Import what a run and its labels need; return the devices of this computer, the preferred one first."""
    report_start(progress)
    prepare_drawing()
    import napari_unet_nuclei.core.segment.run  # noqa: F401  # imports PyTorch
    from napari_unet_nuclei.core.model.device import available_devices

    return available_devices()


def segment_job(
    image: LayerImage,
    request: SegmentRequest,
    stage: Stage,
    carried: Carried = NOTHING_CARRIED,
    first: ViewFirst | None = None,
    show_first: Callable[[SegmentAnswer], object] = lambda _: None,
) -> Callable[[Progress], SegmentAnswer]:
    """Return the job that segments and measures an image, a part of it ``first``, which is shown from its thread."""

    def job(progress: Progress) -> SegmentAnswer:
        report_start(progress)
        from napari_unet_nuclei.core.model.device import available_devices
        from napari_unet_nuclei.core.segment.run import run_segment

        asked = projected(carried.fitted(request))
        is_new = asked.projected is not None and request.projected is None
        picture = image.projected(asked.source, asked.settings.planes) if is_new else image

        def answer(part: SegmentRequest, progress: Progress, shown_first: ViewFirst | None = None) -> SegmentAnswer:
            result = run_segment(part, Share(progress, 0.0, SEGMENTING))
            table = measure_result(result, part, Share(progress, SEGMENTING, 1.0))
            colours = result_colours(result)
            if shown_first is not None and shown_first.joins:
                colours = result_colours(result, MOST_COLOURS)
                result, part = in_its_plane(result, part.source.plane_shape), asked
            layer = labels_layer(result, picture, table, colours)
            stage.make_ready(layer, result.diameter)
            return SegmentAnswer(
                image=picture,
                stack=image if is_new else None,
                request=part,
                table=table,
                devices=available_devices(),
                kind_put_back=asked.settings.kind != request.settings.kind,
                result=result,
                layer=layer,
                where="" if shown_first is None else shown_first.where,
            )

        # What was in view of a stack is no part of its projection.
        if first is None or is_new:
            return answer(asked, progress)
        part = replace(asked, plane=first.plane, region=first.region)
        show_first(answer(part, Share(progress, 0.0, FIRST), first))
        return answer(asked, Share(progress, FIRST, 1.0))

    return job


def result_colours(result: SegmentResult, room: int = 0) -> CyclicLabelColormap | None:
    """Return colours of which no neighbours share one, with ``room`` as in `colours_apart`; None for napari's own."""
    named = not result.classes and max(result.count, room) > 0 and result.count <= MOST_COLOURS
    return colours_apart(result.labels, result.kind, room) if named else None


def labels_layer(
    result: SegmentResult, image: LayerImage, table: pd.DataFrame, colours: CyclicLabelColormap | None = None
) -> Labels:
    """Return a layer with a copy of the labels of a result."""
    return Labels(image.arrange(result.labels).copy(), colormap=colours, **labels_arguments(result, image, table))


class EarlyEngine(QObject):
    """Loads the engine once, soon after it is first asked to."""

    loaded = Signal(object)
    """Carries the names of the devices of this computer, the preferred one first."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._is_begun = False
        self._loading = LatestJob()
        self._loading.succeeded.connect(self.loaded)
        self._timer = rest_timer(self, self._load, SETTLED)

    def load_soon(self) -> None:
        """Load the engine unless that has begun."""
        if not self._is_begun:
            self._timer.start()

    def _load(self) -> None:
        self._is_begun = True
        self._loading.submit(load_engine)
