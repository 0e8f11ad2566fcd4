"""The nucleus that was clicked on the canvas: framed, and its values in a line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from napari_unet_nuclei.gui.segment.session import SegmentSession
from napari_unet_nuclei.gui.viewer.columns import card_text
from napari_unet_nuclei.gui.viewer.dock import Dock
from napari_unet_nuclei.gui.viewer.followed_layer import is_followed
from napari_unet_nuclei.gui.viewer.frame import REACH, NucleusFrame, box_of
from napari_unet_nuclei.gui.viewer.labels_and_image import describe_labels
from napari_unet_nuclei.gui.viewer.measure_request import MeasuredTable
from napari_unet_nuclei.gui.viewer.view import label_under, on_click, world_point

if TYPE_CHECKING:
    from napari import Viewer


class ClickedNucleus(QObject):
    """Frames the nucleus of the result that the user clicks, while its dock is in front."""

    said = Signal(str)
    """What is known of the nucleus; empty if none is clicked."""

    def __init__(self, viewer: Viewer, dock: Dock, session: SegmentSession) -> None:
        super().__init__(dock)
        self._viewer, self._dock, self._session = viewer, dock, session
        self.frame = NucleusFrame(viewer, dock)
        on_click(viewer, self._show)

    def follow(self, session: SegmentSession) -> None:
        """Look at the result of another session from now on."""
        self._session = session

    def forget(self) -> None:
        """Frame none: it may be another one, or gone, by now."""
        self.frame.clear()
        self.said.emit("")

    def _show(self, event: Any) -> None:
        shown = self._session.shown
        if shown is None or shown.classes or shown.layer not in self._viewer.layers or not self._dock.is_in_front:
            return
        label = label_under(self._viewer, shown.layer, event)
        if not label:
            self.forget()
            return
        labels = describe_labels(shown.layer)
        position = labels.place.position(world_point(self._viewer, shown.layer, event))
        # The ids of tracks are others than those of the table.
        if shown.table is not None and not is_followed(shown.layer):
            measured = MeasuredTable(labels, shown.table)
            row = measured.row_at(label, position)
            if row >= 0:
                self.frame.show_row(measured, row)
                self.said.emit(card_text(shown.table, row))
                return
        *leading, y, x = position - labels.place.origin
        index = tuple(round(one) for one in leading)
        self.frame.show(labels, index, box_of(labels, index, label, (y, x), 2 * REACH * shown.result.diameter))
        self.said.emit(f"Nucleus {label}")
