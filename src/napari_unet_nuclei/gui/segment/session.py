"""The result of a dock, and the preview of the current view if the image was too large for live thresholds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from napari_unet_nuclei.core.labels.decode import DecodeThresholds
from napari_unet_nuclei.core.segment.request import SegmentRequest
from napari_unet_nuclei.core.settings import SegmentSettings
from napari_unet_nuclei.core.types import Region
from napari_unet_nuclei.gui.segment.image_panel import ImageChoice
from napari_unet_nuclei.gui.segment.job import Answer, SegmentAnswer
from napari_unet_nuclei.gui.segment.live_labels import LiveLabels
from napari_unet_nuclei.gui.segment.run_name import what_differs
from napari_unet_nuclei.gui.segment.stored_labels import StoredAnswer, StoredLabels, StoreOrder
from napari_unet_nuclei.gui.viewer.layers import LayerImage, pictures_in, shown_projection
from napari_unet_nuclei.gui.viewer.pairing import exchanged_image, labels_over
from napari_unet_nuclei.gui.viewer.source_file import SourceFile

if TYPE_CHECKING:
    import napari
    from napari.layers import Image
    from napari.utils.events import EventEmitter

PREVIEW_SUFFIX = " (current view)"


@dataclass(frozen=True)
class Run:
    """The last run: the layer, its file if that contains the same image, and where labels are stored."""

    layer: Image
    choice: ImageChoice
    file: SourceFile
    order: StoreOrder | None


class SegmentSession(QObject):
    """Keeps the last result and its labels layer; a running job keeps it alive when its dock is closed."""

    answered = Signal(object)
    """A run has ended; carries its `Answer`."""

    came_first = Signal(object)
    """What is in view of a large image was segmented before the whole; carries its `SegmentAnswer`. For any thread."""

    changed = Signal()
    """Other labels or another table are shown."""

    message = Signal(str)
    failed = Signal(object)

    def __init__(self, viewer: napari.Viewer) -> None:
        super().__init__()
        self._viewer = viewer
        self.live: LiveLabels | StoredLabels | None = None
        self.preview: LiveLabels | None = None
        self.run: Run | None = None
        self.moved = SegmentSettings()
        """Thresholds that the user set by hand; all others are automatic."""
        self._watched: EventEmitter | None = None
        self.came_first.connect(self._take_first)
        viewer.layers.events.removed.connect(self._note_removed)
        viewer.layers.events.inserted.connect(self._note_image)

    @property
    def shown(self) -> LiveLabels | StoredLabels | None:
        """The labels that the sliders act on: the preview if there is one, else the result."""
        return self.preview or self.live

    def take(self, answer: SegmentAnswer | StoredAnswer) -> None:
        """Show a result: in the layer of the last one if only thresholds differ and nobody painted there.

        Else in the layer of what was shown first of the same run, or in a new one. Either hides labels of the same part
        of the image: they would be mistaken for a part of it.
        """
        if isinstance(answer, SegmentAnswer):
            if answer.stack is not None:
                answer = self._on_projection(answer, answer.stack)
            if self._take_into(self.live, answer):
                self._end_preview()
                self.answered.emit(answer)
                return
            if self.live is None and self._take_into(self.preview, answer):
                self.live, self.preview = self.preview, None
                self._settle(answer)
                return
        self._end_preview()
        before = self.live
        if before is not None:
            before.close()
        same_image = before is not None and before.image.layer_id == answer.image.layer_id
        note = what_differs(before.request, answer.request) if before is not None and same_image else ""
        # Removing the layers of an earlier run from the same store would end a session that still had them.
        self.live = None
        if isinstance(answer, StoredAnswer):
            self.live = StoredLabels(self._viewer, answer, note)
        else:
            self.live = self._follow(answer, note)
        self._settle(answer)

    def _take_into(self, labels: LiveLabels | StoredLabels | None, answer: SegmentAnswer) -> bool:
        """Show a result in the layer of labels that are of the same run, and tell whether they are."""
        if not isinstance(labels, LiveLabels) or not labels.can_take(answer):
            return False
        labels.take(answer)
        return True

    def _settle(self, answer: Answer) -> None:
        """Leave nothing else over the part of the image whose labels are shown now."""
        assert self.live is not None, "labels were shown"
        for layer in labels_over(self._viewer, self.live.layer):
            layer.visible = False
        self._watch(answer)
        self.answered.emit(answer)

    def _on_projection(self, answer: SegmentAnswer, stack: LayerImage) -> SegmentAnswer:
        """Show the projection that was segmented; from then on the run is one of its layer."""
        image = shown_projection(self._viewer, answer.image, stack, answer.request.settings.planes)
        layer = next(one for one in pictures_in(self._viewer) if str(one.unique_id) == image.layer_id)
        if self.run is not None:
            choice = replace(self.run.choice, image=image, plane=answer.request.plane)
            self.run = replace(self.run, layer=layer, choice=choice)
        return replace(answer, image=image, request=replace(answer.request, source=image.source), stack=None)

    def take_again(self, answer: SegmentAnswer | StoredAnswer) -> None:
        """Replace the last labels by a run of the same image with other thresholds."""
        if isinstance(answer, StoredAnswer) or not isinstance(self.live, LiveLabels):
            self.take(answer)
            return
        self._end_preview()
        self.live.take(answer)
        self.answered.emit(answer)

    def take_preview(self, answer: SegmentAnswer) -> None:
        """Show a result for the current view in addition to the large one."""
        self._preview(answer)
        self.answered.emit(answer)

    def _take_first(self, answer: SegmentAnswer) -> None:
        """Show what is in view until the whole is there."""
        self._preview(answer)
        self.changed.emit()

    def end_first(self) -> None:
        """Remove what was shown first of a run that has ended without a result."""
        if self.live is None and self.preview is not None:
            self._end_preview()
            self.changed.emit()

    def _preview(self, answer: SegmentAnswer) -> None:
        self._end_preview()
        image = replace(answer.image, name=f"{answer.image.name}{PREVIEW_SUFFIX}")
        self.preview = self._follow(replace(answer, image=image))

    def needs_preview(self, plane: tuple[int | None, ...], region: Region) -> bool:
        """Return whether the sliders first need the network's maps of the current view."""
        if self.live is None or self.live.has_maps:
            return False
        if self.preview is None or not self.preview.has_maps:
            return True
        return (self.preview.request.plane, self.preview.request.region) != (plane, region)

    def preview_request(
        self, plane: tuple[int | None, ...], region: Region, settings: SegmentSettings
    ) -> SegmentRequest:
        """Return the request for the current view, at the scale of the large result."""
        assert self.live is not None, "a preview belongs to a result"
        result = self.live.result
        fixed = settings.changed(diameter=result.diameter, diameter_unit="px")
        if result.planes == "volume":
            fixed = fixed.changed(z_spacing=result.provenance["z_spacing"]["pixels"], z_spacing_unit="px")
        return replace(self.live.request, settings=fixed, plane=plane, region=region)

    def apply(self, thresholds: DecodeThresholds) -> None:
        """Apply thresholds to the labels shown."""
        shown = self.shown
        if isinstance(shown, LiveLabels) and shown.has_maps:
            shown.apply(thresholds)

    def _follow(self, answer: SegmentAnswer, note: str = "") -> LiveLabels:
        live = LiveLabels(self._viewer, answer, note)
        live.labels_changed.connect(self.changed)
        live.table_changed.connect(self.changed)
        live.work_changed.connect(self.changed)
        live.layer_added.connect(self.message)
        live.failed.connect(self.failed)
        return live

    @property
    def exchanged(self) -> str:
        """Name of the image of the result if it holds other pixels now than were segmented; empty if it does not."""
        image = None if self.live is None else exchanged_image(self._viewer, self.live.layer)
        return "" if image is None else str(image.name)

    def _watch(self, answer: Answer) -> None:
        """Notice when the image that was segmented gets other pixels."""
        if self._watched is not None:
            self._watched.disconnect(self._note_image)
        layers = (layer for layer in self._viewer.layers if str(layer.unique_id) == answer.image.layer_id)
        self._watched = next((layer.events.data for layer in layers), None)
        if self._watched is not None:
            self._watched.connect(self._note_image)

    def _note_image(self, _event: object) -> None:
        if self.live is not None:
            self.changed.emit()

    def _note_removed(self, event: Any) -> None:
        """Forget the result whose layer was removed."""
        if self.preview is not None and event.value == self.preview.layer:
            self.preview.close()
            self.preview = None
            self.changed.emit()
        if self.live is not None and event.value == self.live.layer:
            self.live.close()
            self.live = None
            self._end_preview()
            self.changed.emit()

    def _end_preview(self) -> None:
        """Remove the preview unless the user has edited it."""
        preview, self.preview = self.preview, None
        if preview is None:
            return
        preview.close()
        if preview.layer in self._viewer.layers and not preview.is_edited():
            self._viewer.layers.remove(preview.layer)
