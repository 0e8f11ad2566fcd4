"""Choose which labels are corrected, and the image that they belong to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari.layers import Image, Labels
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFormLayout, QVBoxLayout, QWidget

from napari_unet_nuclei.core.errors import NucleiError
from napari_unet_nuclei.gui.viewer.corrected_layer import is_writable
from napari_unet_nuclei.gui.viewer.labels_and_image import describe_labels, image_under
from napari_unet_nuclei.gui.viewer.layer_box import LayerBox, row_in
from napari_unet_nuclei.gui.widgets.banner import ActionLine
from napari_unet_nuclei.gui.widgets.forms import fill, fill_form
from napari_unet_nuclei.gui.widgets.wrapped_label import Sentence

if TYPE_CHECKING:
    from napari import Viewer

WITHOUT_IMAGE = "none"


class LayerPicker(QWidget):
    """Two lists of layers that follow the viewer and keep their choice."""

    changed = Signal()
    """Other labels or another image are chosen."""

    def __init__(self, viewer: Viewer) -> None:
        super().__init__()
        self._viewer = viewer
        self._wants_no_image = False
        self.labels_box = LayerBox("Labels layer to correct: segmented here, or opened from anywhere.")
        self.image_box = LayerBox("Image that the labels belong to: corrections are saved together with it.")
        self.problem_label = Sentence()
        self.copy_banner = ActionLine("Add a copy of these labels that can be changed.")
        self.restore_banner = ActionLine("Show the saved nuclei, decisions and reviewed regions.")
        form = fill_form(QFormLayout(), ("Labels", self.labels_box), ("Image", self.image_box))
        fill(QVBoxLayout(self), form, self.problem_label, self.copy_banner, self.restore_banner)
        events = viewer.layers.events
        for event in (events.inserted, events.removed, events.reordered, events.renamed):
            event.connect(self.list_layers)
        self.labels_box.currentIndexChanged.connect(self._choose_labels)
        self.image_box.currentIndexChanged.connect(self.changed)
        # Emitted when the user chooses, but not when the list is filled again.
        self.image_box.activated.connect(self._note_choice)
        self.list_layers()

    @property
    def labels(self) -> Labels | None:
        """The chosen labels layer."""
        return self.labels_box.layer

    @property
    def image(self) -> Image | None:
        """The chosen image layer."""
        return self.image_box.layer

    def choose(self, layer: Labels, image: Image | None = None) -> None:
        """Choose labels, and an image where one is given."""
        for box, chosen in ((self.labels_box, layer), (self.image_box, image)):
            if chosen is not None:
                box.choose(chosen)

    def list_layers(self, _event: Any = None) -> None:
        """List the layers of the viewer, the latest first."""
        # Compared and announced here, as the lists are silent while they are filled.
        before = (self.labels, self.image)
        layers = [layer for layer in reversed(self._viewer.layers) if isinstance(layer, Labels)]
        wanted = before[0] or self._viewer.layers.selection.active
        self.labels_box.offer(layers, max(row_in(layers, wanted), 0) if layers else -1)
        self._list_images(before[1] if self.labels == before[0] else None)
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
        self._list_images(None)
        self.changed.emit()

    def _note_choice(self) -> None:
        self._wants_no_image = self.image is None

    def _list_images(self, chosen: Image | None) -> None:
        """List all images, fitting ones first, and the choice of none, which is enough for correcting."""
        images = [layer for layer in reversed(self._viewer.layers) if isinstance(layer, Image)]
        fitting = [image for image in images if self._fits(image)]
        offered = [*fitting, *(image for image in images if image not in fitting)]
        wants_none = self._wants_no_image or (chosen is None and not fitting)
        row = len(offered) if wants_none else max(row_in(offered, chosen), 0)
        self.image_box.offer(offered, row, WITHOUT_IMAGE)

    def _fits(self, image: Image) -> bool:
        if self.labels is None:
            return True
        try:
            image_under(image, describe_labels(self.labels))
        except NucleiError:
            return False
        return True
