"""Choose which labels are corrected, and the image that they belong to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari.layers import Image, Labels
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFormLayout, QVBoxLayout, QWidget

from napari_unet_nuclei.gui.viewer.corrected_layer import is_writable
from napari_unet_nuclei.gui.viewer.image_line import ImageLine
from napari_unet_nuclei.gui.viewer.layer_box import LayerBox, row_in
from napari_unet_nuclei.gui.viewer.layers import pictures_in
from napari_unet_nuclei.gui.viewer.pairing import choose_image, image_of, images_of_size
from napari_unet_nuclei.gui.widgets.banner import ActionLine
from napari_unet_nuclei.gui.widgets.forms import fill, fill_form
from napari_unet_nuclei.gui.widgets.wrapped_label import Sentence

if TYPE_CHECKING:
    from napari import Viewer
    from napari.utils.events import EventEmitter

WITHOUT_IMAGE = "none"


class LayerPicker(QWidget):
    """The labels to correct and their image, which follow the viewer and keep the user's choice."""

    changed = Signal()
    """Other labels or another image are chosen, or the image has other pixels."""

    def __init__(self, viewer: Viewer) -> None:
        super().__init__()
        self._viewer = viewer
        self._wants_no_image = False
        self._watched: EventEmitter | None = None
        self.labels_box = LayerBox("Labels layer to correct: segmented here, or opened from anywhere.")
        self.image_line = ImageLine(
            "Image that the labels belong to: corrections are saved together with it.", WITHOUT_IMAGE
        )
        self.problem_label = Sentence()
        # Shown in the foot of the dock, where they push nothing away: they come when a search in the background ends.
        self.copy_banner = ActionLine("Add a copy of these labels that can be changed.")
        self.restore_banner = ActionLine("Show the saved nuclei, decisions and reviewed regions.")
        form = fill_form(QFormLayout(), ("Labels", self.labels_box), ("Image", self.image_line))
        fill(QVBoxLayout(self), form, self.problem_label)
        events = viewer.layers.events
        for event in (events.inserted, events.removed, events.reordered, events.renamed):
            event.connect(self.list_layers)
        self.labels_box.currentIndexChanged.connect(self._choose_labels)
        self.image_line.chosen.connect(self._note_choice)
        self.list_layers()

    @property
    def labels(self) -> Labels | None:
        """The chosen labels layer."""
        return self.labels_box.layer

    @property
    def image(self) -> Image | None:
        """The chosen image layer."""
        return self.image_line.image

    def choose(self, layer: Labels, image: Image | None = None) -> None:
        """Choose labels, and an image where one is given."""
        for box, chosen in ((self.labels_box, layer), (self.image_line.box, image)):
            if chosen is not None:
                box.choose(chosen)

    def list_layers(self, _event: Any = None) -> None:
        """List the layers of the viewer, the latest first."""
        # Compared and announced here, as the lists are silent while they are filled.
        before = (self.labels, self.image)
        layers = [layer for layer in reversed(self._viewer.layers) if isinstance(layer, Labels)]
        wanted = before[0] or self._viewer.layers.selection.active
        self.labels_box.offer(layers, max(row_in(layers, wanted), 0) if layers else -1)
        if self.labels != before[0]:
            self._wants_no_image = False
        self._pair()
        if (self.labels, self.image) != before:
            self.changed.emit()

    def show_problem(self, problem: str) -> None:
        """Show why the chosen labels cannot be corrected; where they are read-only, offer a copy."""
        copy_helps = self.labels is not None and not is_writable(self.labels)
        self.copy_banner.say(problem if copy_helps else "", "Work on a copy in memory")
        self.problem_label.setText("" if copy_helps else problem)
        self.problem_label.setVisible(bool(problem) and not copy_helps)

    def offer_restore(self, text: str) -> None:
        """Offer to restore saved corrections; an empty text withdraws the offer."""
        self.restore_banner.say(text, "Restore")

    def _choose_labels(self) -> None:
        self._wants_no_image = False
        self._pair()
        self.changed.emit()

    def _note_choice(self) -> None:
        self._wants_no_image = self.image is None
        if self.labels is not None and self.image is not None:
            choose_image(self.labels, self.image)
        self._watch()
        self.changed.emit()

    def _pair(self) -> None:
        """Find the image of the labels, and list all others after those of the same size."""
        labels = self.labels
        images = pictures_in(self._viewer)[::-1]
        if labels is None:
            self.image_line.show_pair(None, next(iter(images), None), images, asks=False)
        else:
            fitting = images_of_size(self._viewer, labels)
            image = None if self._wants_no_image else image_of(self._viewer, labels)
            offered = [*fitting, *(one for one in images if one not in fitting)]
            asks = image is None and bool(fitting) and not self._wants_no_image
            self.image_line.show_pair(labels, image, offered, asks=asks)
        self._watch()

    def _watch(self) -> None:
        """Notice when the chosen image gets other pixels."""
        if self._watched is not None:
            self._watched.disconnect(self._note_pixels)
        self._watched = None if self.image is None else self.image.events.data
        if self._watched is not None:
            self._watched.connect(self._note_pixels)

    def _note_pixels(self, _event: object) -> None:
        self.image_line.show_doubt()
        self.changed.emit()
