"""Says which part of a plane was reviewed, and lets the user draw or mark it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QPushButton, QVBoxLayout, QWidget

from napari_unet_nuclei.gui.viewer.corrected_layer import CorrectedLayer, Index
from napari_unet_nuclei.gui.viewer.reviewed_layer import (
    add_reviewed_layer,
    is_plane_reviewed,
    mark_plane,
    reviewed_layers,
    reviewed_mask,
)
from napari_unet_nuclei.gui.widgets.rest_timer import rest_timer
from napari_unet_nuclei.gui.widgets.wrapped_label import Sentence

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Shapes

DRAW, BACK = "Draw regions", "Back to the labels"


class ReviewedPanel(QWidget):
    """Where the labels can be trusted.

    Parameters
    ----------
    viewer : napari.Viewer
    """

    message = Signal(str)

    changed = Signal()
    """Another part is reviewed than before."""

    def __init__(self, viewer: Viewer) -> None:
        super().__init__()
        self._viewer = viewer
        self._corrected: CorrectedLayer | None = None
        self._watched: list[Shapes] = []
        self.plane_box = QCheckBox("The whole plane is reviewed")
        self.plane_box.setToolTip("Every nucleus of this plane is right, and none is missing.")
        self.draw_button = QPushButton(DRAW)
        self.draw_button.setToolTip("Draw rectangles or polygons round what you have reviewed, in a layer of shapes.")
        self.share_label = Sentence()
        self._refreshing = rest_timer(self, self.refresh)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        for widget in (self.plane_box, self.draw_button, self.share_label):
            layout.addWidget(widget)
        self.plane_box.clicked.connect(self._mark)
        self.draw_button.clicked.connect(self._draw)
        viewer.layers.selection.events.active.connect(self._name_button)

    def choose(self, corrected: CorrectedLayer | None) -> None:
        """Show what was reviewed of other labels."""
        if self._corrected is not None:
            self._corrected.layer.events.metadata.disconnect(self._note_change)
        self._corrected = corrected
        if corrected is not None:
            corrected.layer.events.metadata.connect(self._note_change)
        self._refreshing.start()

    def mark(self, indices: list[Index]) -> None:
        """Mark planes as reviewed as a whole."""
        assert self._corrected is not None, "planes come with labels"
        for index in indices:
            mark_plane(self._corrected.layer, index)

    def refresh(self) -> None:
        """Look again which part of the plane on the screen was reviewed."""
        index = None if self._corrected is None else self._corrected.shown_plane(self._viewer)
        self.setEnabled(index is not None)
        if self._corrected is None or index is None:
            self.share_label.setText("")
            return
        layer = self._corrected.layer
        self._watch_shapes()
        mask = reviewed_mask(self._viewer, layer, index)
        self.plane_box.setChecked(is_plane_reviewed(layer, index))
        self.share_label.setText(_share_text(0.0 if mask is None else float(mask.mean())))

    def _watch_shapes(self) -> None:
        assert self._corrected is not None, "shapes come with labels"
        for shapes in self._watched:
            shapes.events.data.disconnect(self._note_change)
        self._watched = reviewed_layers(self._viewer, self._corrected.layer)
        for shapes in self._watched:
            shapes.events.data.connect(self._note_change)

    def _note_change(self, _event: object = None) -> None:
        self._refreshing.start()
        self.changed.emit()

    def _mark(self, reviewed: bool) -> None:
        index = None if self._corrected is None else self._corrected.shown_plane(self._viewer)
        if self._corrected is not None and index is not None:
            mark_plane(self._corrected.layer, index, reviewed=reviewed)

    def _draw(self) -> None:
        """Go to the shapes to draw in, or back to the labels."""
        assert self._corrected is not None, "the button is enabled with labels"
        selection = self._viewer.layers.selection
        if self.draw_button.text() == BACK:
            selection.active = self._corrected.layer
            self.message.emit("")
            return
        shapes = add_reviewed_layer(self._viewer, self._corrected.layer)
        self._watch_shapes()
        selection.active = shapes
        shapes.mode = "add_rectangle"
        self._name_button()
        self.message.emit("Drag rectangles round what you have reviewed; the polygon tool is in the layer controls.")

    def _name_button(self) -> None:
        """Lead back from the shapes that are drawn in."""
        drawing = self._viewer.layers.selection.active in self._watched
        self.draw_button.setText(BACK if drawing else DRAW)


def _share_text(share: float) -> str:
    if not share:
        return "Nothing of this plane is reviewed yet: training would ignore it."
    percent = "Less than 1" if share < 0.01 else f"{100 * share:.0f}"
    return f"{percent} % of this plane is reviewed. Training ignores the rest."
