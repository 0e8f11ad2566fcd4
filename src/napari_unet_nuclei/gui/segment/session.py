"""The result of a dock, and the preview of the current view if the image was too large for live thresholds."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal

from napari_unet_nuclei.core.labels.decode import DecodeThresholds
from napari_unet_nuclei.core.segment.request import SegmentRequest
from napari_unet_nuclei.core.settings import SegmentSettings
from napari_unet_nuclei.core.types import Region
from napari_unet_nuclei.gui.segment.job import SegmentAnswer
from napari_unet_nuclei.gui.segment.live_labels import LiveLabels
from napari_unet_nuclei.gui.segment.stored_labels import StoredAnswer, StoredLabels

if TYPE_CHECKING:
    import napari

PREVIEW_SUFFIX = " (current view)"


class SegmentSession(QObject):
    """Keeps the last result and its labels layer; a running job keeps it alive when its dock is closed."""

    answered = Signal(object)
    """A run has ended; carries its `Answer`."""

    changed = Signal()
    """Other labels or another table are shown."""

    message = Signal(str)
    failed = Signal(object)

    def __init__(self, viewer: napari.Viewer) -> None:
        super().__init__()
        self._viewer = viewer
        self.live: LiveLabels | StoredLabels | None = None
        self.preview: LiveLabels | None = None

    @property
    def shown(self) -> LiveLabels | StoredLabels | None:
        """The labels that the sliders act on: the preview if there is one, else the result."""
        return self.preview or self.live

    def take(self, answer: SegmentAnswer | StoredAnswer) -> None:
        """Show a result in a new layer."""
        self._end_preview()
        if self.live is not None:
            self.live.close()
        self.live = StoredLabels(self._viewer, answer) if isinstance(answer, StoredAnswer) else self._follow(answer)
        self.answered.emit(answer)

    def take_again(self, answer: SegmentAnswer | StoredAnswer) -> None:
        """Replace the last labels by a run of the same image with other thresholds."""
        if isinstance(answer, StoredAnswer) or not isinstance(self.live, LiveLabels):
            self.take(answer)
            return
        self._end_preview()
        self.live.take(answer)
        self.answered.emit(answer)

    def take_instead(self, answer: SegmentAnswer | StoredAnswer) -> None:
        """Show a result in a new layer and hide the last labels, which would be mistaken for a part of it."""
        before = self.live.layer if self.live is not None else None
        self.take(answer)
        if before is not None and before in self._viewer.layers:
            before.visible = False

    def take_preview(self, answer: SegmentAnswer) -> None:
        """Show a result for the current view in addition to the large one."""
        self._end_preview()
        image = replace(answer.image, name=f"{answer.image.name}{PREVIEW_SUFFIX}")
        self.preview = self._follow(replace(answer, image=image))
        self.answered.emit(answer)

    def needs_preview(self, plane: tuple[int, ...], region: Region) -> bool:
        """Return whether the sliders first need the network's maps of the current view."""
        if self.live is None or self.live.has_maps:
            return False
        if self.preview is None or not self.preview.has_maps:
            return True
        return (self.preview.request.plane, self.preview.request.region) != (plane, region)

    def preview_request(self, plane: tuple[int, ...], region: Region, settings: SegmentSettings) -> SegmentRequest:
        """Return the request for the current view, at the scale of the large result."""
        assert self.live is not None, "a preview belongs to a result"
        fixed = settings.changed(diameter=self.live.result.diameter, diameter_unit="px")
        return replace(self.live.request, settings=fixed, plane=plane, region=region)

    def apply(self, thresholds: DecodeThresholds) -> None:
        """Apply thresholds to the labels shown."""
        shown = self.shown
        if isinstance(shown, LiveLabels) and shown.has_maps:
            shown.apply(thresholds)

    def _follow(self, answer: SegmentAnswer) -> LiveLabels:
        live = LiveLabels(self._viewer, answer)
        live.labels_changed.connect(self.changed)
        live.table_changed.connect(self.changed)
        live.layer_added.connect(self.message)
        live.failed.connect(self.failed)
        return live

    def _end_preview(self) -> None:
        """Remove the preview unless the user has edited it."""
        preview, self.preview = self.preview, None
        if preview is None:
            return
        preview.close()
        if preview.layer in self._viewer.layers and not preview.is_edited():
            self._viewer.layers.remove(preview.layer)
