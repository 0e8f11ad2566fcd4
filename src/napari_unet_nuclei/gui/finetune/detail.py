"""The selected row of corrected labels: its layers, its plane, and the part of it that was reviewed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from napari.layers import Image, Labels
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFormLayout, QHBoxLayout, QLabel, QPushButton, QWidget

from napari_unet_nuclei.core.errors import NucleiError
from napari_unet_nuclei.gui.finetune.rows import Plane, Row, find_plane
from napari_unet_nuclei.gui.viewer.image_line import ImageLine
from napari_unet_nuclei.gui.viewer.layer_box import LayerBox, row_in
from napari_unet_nuclei.gui.viewer.pairing import choose_image, image_of
from napari_unet_nuclei.gui.viewer.reviewed_layer import add_reviewed_layer, is_plane_reviewed, mark_plane
from napari_unet_nuclei.gui.widgets.forms import fill, fill_form
from napari_unet_nuclei.gui.widgets.reviewed_controls import reviewed_controls

if TYPE_CHECKING:
    from napari import Viewer


class RowDetail(QWidget):
    """Show one row and let the user change it."""

    row_changed = Signal(object)
    """The user replaces the shown row by this `Row`."""

    def __init__(self, viewer: Viewer) -> None:
        super().__init__()
        self._viewer = viewer
        self._row = Row(None, None)
        self._plane: Plane | None = None
        self.labels_box = LayerBox("The labels layer with the corrected nuclei.")
        self.image_line = ImageLine("The image layer that the labels belong to.")
        self.plane_label = QLabel()
        self.plane_button = QPushButton("Take shown plane")
        self.plane_button.setToolTip(
            "Learn from the plane that the viewer shows now, even if it shows another one later."
        )
        self.whole_box, self.draw_button = reviewed_controls("click each corner, double-click to finish")
        self._plane_row, reviewed = QWidget(), QWidget()
        fill(QHBoxLayout(self._plane_row), self.plane_label, self.plane_button)
        fill(QHBoxLayout(reviewed), self.whole_box, self.draw_button)
        self._layout = fill_form(
            QFormLayout(self),
            ("Labels", self.labels_box),
            ("Image", self.image_line),
            ("Plane", self._plane_row),
            ("Reviewed", reviewed),
        )
        self.labels_box.currentIndexChanged.connect(self._take_labels)
        self.image_line.chosen.connect(self._take_image)
        self.plane_button.clicked.connect(self._take_plane)
        self.whole_box.clicked.connect(self._mark)
        self.draw_button.clicked.connect(self._draw)

    def show_row(self, row: Row) -> None:
        """Show a row."""
        self._row = row
        labels, images = (
            [layer for layer in reversed(self._viewer.layers) if isinstance(layer, kind)] for kind in (Labels, Image)
        )
        self.labels_box.offer(labels, row_in(labels, row.labels))
        self.image_line.show_pair(row.labels, row.image, images, asks=row.image is None and row.labels is not None)
        try:
            self._plane = find_plane(row, self._viewer)
        except NucleiError:
            self._plane = None
        plane = self._plane
        stack = row.labels is not None and row.labels.ndim > 2
        self._layout.setRowVisible(self._plane_row, stack)
        position = plane.position if plane is not None else "none"
        self.plane_label.setText(f"{position} (shown)" if row.plane is None else position)
        for widget in (self.whole_box, self.draw_button):
            widget.setEnabled(plane is not None)
        self.whole_box.setChecked(plane is not None and is_plane_reviewed(plane.corrected.layer, plane.index))

    def _take_labels(self) -> None:
        labels = self.labels_box.layer
        image = None if labels is None else image_of(self._viewer, labels)
        self.row_changed.emit(Row(labels, image or self._row.image))

    def _take_image(self) -> None:
        image = self.image_line.image
        if self._row.labels is not None and image is not None:
            choose_image(self._row.labels, image)
        self.row_changed.emit(replace(self._row, image=image))

    def _take_plane(self) -> None:
        """Choose the plane that is shown for good."""
        try:
            shown = find_plane(replace(self._row, plane=None), self._viewer)
        except NucleiError:
            return  # the row already shows that there is no plane
        self.row_changed.emit(replace(self._row, plane=shown.index))

    def _mark(self, whole: bool) -> None:
        if self._plane is not None:
            mark_plane(self._plane.corrected.layer, self._plane.index, reviewed=whole)

    def _draw(self) -> None:
        if self._plane is None:
            return
        layer = add_reviewed_layer(self._viewer, self._plane.corrected.layer)
        self._viewer.layers.selection.active = layer
        layer.mode = "add_polygon"
