"""The list of what a model can learn from, with a box to learn from a line, and one to say that all of it is right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from napari.layers import Image, Labels
from qtpy.QtCore import QSize, Qt, Signal
from qtpy.QtWidgets import QFormLayout, QHBoxLayout, QLabel, QPushButton, QTreeWidgetItem, QWidget

from napari_unet_nuclei.core.errors import NucleiError
from napari_unet_nuclei.gui.finetune.check import Key
from napari_unet_nuclei.gui.finetune.rows import Plane, Row, find_plane
from napari_unet_nuclei.gui.finetune.thumbnails import SIDE, Thumbnail
from napari_unet_nuclei.gui.viewer.image_line import ImageLine
from napari_unet_nuclei.gui.viewer.layer_box import LayerBox, row_in
from napari_unet_nuclei.gui.viewer.pairing import choose_image, image_of
from napari_unet_nuclei.gui.viewer.reviewed_layer import add_reviewed_layer, is_plane_reviewed, mark_plane
from napari_unet_nuclei.gui.widgets.forms import fill, fill_form
from napari_unet_nuclei.gui.widgets.reviewed_controls import reviewed_controls
from napari_unet_nuclei.gui.widgets.row_list import RowList

if TYPE_CHECKING:
    from napari import Viewer

REVIEWED = 1
"""Column that says what was reviewed."""

ALL_RIGHT = "Tick: all of it is right. Every nucleus of this plane is corrected, and none is missing."


@dataclass(frozen=True)
class Listed:
    """One line of the list; `Row` or the name of a saved correction is its key."""

    key: Key
    title: str
    state: str
    tooltip: str
    ticked: bool
    reading: str = ""
    whole: bool | None = None
    """Whether all of the plane was reviewed; None for saved corrections, of which that is settled."""
    picture: Thumbnail | None = None


class CorrectionList(RowList):
    """Lines with tick boxes; one of them is selected."""

    chosen = Signal()
    """Another line is selected."""

    tick_changed = Signal(object, bool)
    """The user ticked or unticked the line of this key."""

    whole_changed = Signal(object, bool)
    """The user said of the line of this key that all of it is right, or took it back."""

    def __init__(self) -> None:
        super().__init__(["Learn from", "Reviewed", "Read as"])
        self._lines: tuple[Listed, ...] = ()
        self.setIconSize(QSize(SIDE, SIDE))
        self.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.currentItemChanged.connect(self.chosen)
        self.itemChanged.connect(self._note_tick)

    def key(self) -> Key | None:
        """Return the key of the selected line; None where there is none."""
        item = self.currentItem()
        return None if item is None else self._lines[self.indexOfTopLevelItem(item)].key

    def choose(self, key: Key) -> None:
        """Select the line of a key, if there is one."""
        row = next((row for row, line in enumerate(self._lines) if line.key == key), -1)
        if row >= 0:
            self.setCurrentItem(self.topLevelItem(row))

    def set_lines(self, lines: Sequence[Listed]) -> None:
        """Show other lines; the selected key stays selected, else the first one is."""
        # Every stroke of a brush leads here: a list that is filled again would scroll to its top each time.
        if tuple(lines) == self._lines:
            return
        before = self.key()
        self._lines = tuple(lines)
        # Ticking and selecting here would count as the user's.
        self.blockSignals(True)
        self.clear()
        for line in lines:
            item = QTreeWidgetItem(self, [line.title, line.state, line.reading])
            item.setCheckState(0, Qt.CheckState.Checked if line.ticked else Qt.CheckState.Unchecked)
            if line.whole is not None:
                item.setCheckState(REVIEWED, Qt.CheckState.Checked if line.whole else Qt.CheckState.Unchecked)
            if line.picture is not None:
                item.setIcon(0, line.picture.icon())
            for column in range(3):
                item.setToolTip(column, ALL_RIGHT if column == REVIEWED and line.whole is not None else line.tooltip)
        row = next((row for row, line in enumerate(lines) if line.key == before), 0)
        self.setCurrentItem(self.topLevelItem(row))
        self.blockSignals(False)
        self.fit_height()
        if self.key() != before:
            self.chosen.emit()

    def _note_tick(self, item: QTreeWidgetItem, column: int) -> None:
        key = self._lines[self.indexOfTopLevelItem(item)].key
        signal = self.whole_changed if column == REVIEWED else self.tick_changed
        signal.emit(key, item.checkState(column) == Qt.CheckState.Checked)


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
