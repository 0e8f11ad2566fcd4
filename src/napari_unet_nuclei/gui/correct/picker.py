"""Chooses which labels are corrected, and in which image they lie."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari.layers import Image, Labels
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QFormLayout, QVBoxLayout, QWidget

from napari_unet_nuclei.core.errors import NucleiError
from napari_unet_nuclei.gui.correct.panels import Banner
from napari_unet_nuclei.gui.viewer.corrected_layer import corrected_layer
from napari_unet_nuclei.gui.viewer.measure_layers import describe_labels, image_under
from napari_unet_nuclei.gui.widgets.choice_box import choice_box
from napari_unet_nuclei.gui.widgets.wrapped_label import Sentence

if TYPE_CHECKING:
    from napari import Viewer

WITHOUT_IMAGE = "none"


class LayerPicker(QWidget):
    """Two lists of layers that follow the viewer; what was chosen stays chosen.

    Parameters
    ----------
    viewer : napari.Viewer
    """

    changed = Signal()
    """Other labels, or another image, are chosen."""

    copy_clicked = Signal()
    """The user wants a copy of labels that cannot be changed."""

    restore_clicked = Signal()

    def __init__(self, viewer: Viewer) -> None:
        super().__init__()
        self._viewer = viewer
        self._wants_no_image = False
        self.labels_box = choice_box("Labels layer to correct: segmented here, or opened from anywhere.")
        self.image_box = choice_box("Image that the labels belong to: corrections are saved together with it.")
        self.problem_label = Sentence()
        self.copy_banner = Banner("Work on a copy in memory")
        self.restore_banner = Banner("Restore")
        self._lay_out()
        events = viewer.layers.events
        for event in (events.inserted, events.removed, events.reordered, events.renamed):
            event.connect(self.list_layers)
        self.labels_box.currentIndexChanged.connect(self._choose_labels)
        self.image_box.currentIndexChanged.connect(self.changed)
        self.image_box.activated.connect(self._note_choice)
        self.copy_banner.clicked.connect(self.copy_clicked)
        self.restore_banner.clicked.connect(self.restore_clicked)
        self.list_layers()

    def _lay_out(self) -> None:
        form = QFormLayout()
        form.setContentsMargins(0, 0, 0, 0)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow("Labels", self.labels_box)
        form.addRow("Image", self.image_box)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addLayout(form)
        for widget in (self.problem_label, self.copy_banner, self.restore_banner):
            layout.addWidget(widget)

    @property
    def labels(self) -> Labels | None:
        """The chosen labels layer."""
        return self.labels_box.currentData()

    @property
    def image(self) -> Image | None:
        """The chosen image layer."""
        return self.image_box.currentData()

    def choose(self, layer: Labels) -> None:
        """Choose labels."""
        row = next(row for row in range(self.labels_box.count()) if self.labels_box.itemData(row) == layer)
        self.labels_box.setCurrentIndex(row)

    def list_layers(self, _event: Any = None) -> None:
        """Offer the layers that there are, the latest first."""
        before = (self.labels, self.image)
        layers = [layer for layer in reversed(self._viewer.layers) if isinstance(layer, Labels)]
        _fill(self.labels_box, layers, before[0] or self._viewer.layers.selection.active)
        self._list_images(before[1] if self.labels == before[0] else None)
        if (self.labels, self.image) != before:
            self.changed.emit()

    def problem(self) -> str:
        """Say why the chosen labels cannot be corrected; empty where they can."""
        if self.labels is None:
            return "Segment an image, or open labels: there is no labels layer yet."
        try:
            corrected_layer(self.labels, self.image)
        except NucleiError as error:
            return str(error)
        return ""

    def show_problem(self, problem: str) -> None:
        """Say what is wrong with the choice, and offer a copy where that helps."""
        copy_helps = "copy in memory" in problem
        self.copy_banner.offer(problem if copy_helps else "")
        self.problem_label.setText("" if copy_helps else problem)
        self.problem_label.setVisible(bool(self.problem_label.text()))

    def _choose_labels(self) -> None:
        self._wants_no_image = False
        self._list_images(None)
        self.changed.emit()

    def _note_choice(self) -> None:
        self._wants_no_image = self.image is None

    def _list_images(self, chosen: Image | None) -> None:
        """Offer all images, first those that the labels fit; none is needed for correcting."""
        images = [layer for layer in reversed(self._viewer.layers) if isinstance(layer, Image)]
        fitting = [image for image in images if self._fits(image)]
        _fill(self.image_box, [*fitting, *(image for image in images if image not in fitting)], chosen)
        self.image_box.blockSignals(True)
        self.image_box.addItem(WITHOUT_IMAGE, None)
        if self._wants_no_image or (chosen is None and not fitting):
            self.image_box.setCurrentIndex(self.image_box.count() - 1)
        self.image_box.blockSignals(False)

    def _fits(self, image: Image) -> bool:
        if self.labels is None:
            return True
        try:
            image_under(image, describe_labels(self.labels))
        except NucleiError:
            return False
        return True


def _fill(box: QComboBox, layers: list[Any], chosen: Any) -> None:
    """List layers and choose again what was chosen, else the first."""
    box.blockSignals(True)
    box.clear()
    for layer in layers:
        box.addItem(layer.name, layer)
    box.setCurrentIndex(next((row for row, layer in enumerate(layers) if layer == chosen), 0) if layers else -1)
    box.blockSignals(False)
