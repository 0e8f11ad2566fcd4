"""The result on the picture: how its labels are shown, and which nucleus is clicked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Qt, Signal
from qtpy.QtGui import QKeySequence
from qtpy.QtWidgets import QShortcut

from napari_unet_nuclei.gui.segment.session import SegmentSession
from napari_unet_nuclei.gui.viewer.columns import card_text
from napari_unet_nuclei.gui.viewer.display import (
    DISPLAY_KEY,
    Display,
    DisplaySwitch,
    display_labels,
    display_of,
    first_display,
    next_display,
    outline_width,
)
from napari_unet_nuclei.gui.viewer.dock import Dock
from napari_unet_nuclei.gui.viewer.followed_layer import is_followed
from napari_unet_nuclei.gui.viewer.frame import REACH, NucleusFrame, box_of
from napari_unet_nuclei.gui.viewer.labels_and_image import describe_labels
from napari_unet_nuclei.gui.viewer.measure_request import MeasuredTable
from napari_unet_nuclei.gui.viewer.staging import Stage
from napari_unet_nuclei.gui.viewer.view import label_under, on_click, world_point

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Labels


class DisplayControl(QObject):
    """Switches one labels layer between outlines, filled and hidden; a layer that comes next is shown likewise."""

    def __init__(self, viewer: Viewer, dock: Dock, switch: DisplaySwitch) -> None:
        super().__init__(dock)
        self._viewer = viewer
        self._dock = dock
        self._switch = switch
        self._chosen: Display | None = None
        self._layer: Labels | None = None
        self._diameter = 0.0
        self._key = QShortcut(QKeySequence(DISPLAY_KEY), dock)
        # Also from the canvas, and while the dock floats; text fields still get the letter.
        self._key.setContext(Qt.ShortcutContext.ApplicationShortcut)
        self._key.activated.connect(self._next)
        switch.chosen.connect(self.choose)
        dock.front_changed.connect(self._refresh)
        self._refresh()

    def follow(self, layer: Labels | None, diameter: float) -> None:
        """Act on a layer from now on; None for none."""
        self._layer, self._diameter = layer, diameter
        if layer is not None:
            self._switch.show_display(display_of(layer))
        self._refresh()

    def stage(self) -> Stage:
        """Return where a job makes new labels ready to be shown as by `show_new`."""
        return Stage(self._viewer, self._for_new)

    def show_new(self) -> None:
        """Show a new layer as the user chose before; never hide it."""
        if self._layer is not None:
            self._show(self._for_new or first_display(self._layer))

    @property
    def _for_new(self) -> Display | None:
        return self._chosen if self._chosen != "Hidden" else None

    def choose(self, display: Display) -> None:
        """Show the labels in this way, and those of later runs as well."""
        self._chosen = display
        self._show(display)

    def _show(self, display: Display) -> None:
        if self._layer is not None:
            width = outline_width(float(self._viewer.scene.camera.zoom), self._layer, self._diameter)
            display_labels(self._layer, display, width)
            self._switch.show_display(display)

    def _next(self) -> None:
        if self._layer is not None:
            self.choose(next_display(display_of(self._layer)))

    def _refresh(self) -> None:
        self._key.setEnabled(self._dock.is_in_front and self._layer is not None)


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
