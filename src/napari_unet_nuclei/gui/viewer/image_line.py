"""Show which image labels belong to, as text; the list of images opens when the user wants another one, or is asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from napari_unet_nuclei.gui.viewer.layer_box import LayerBox, row_in
from napari_unet_nuclei.gui.viewer.pairing import pairing_doubt
from napari_unet_nuclei.gui.widgets.forms import fill
from napari_unet_nuclei.gui.widgets.wrapped_label import Sentence

if TYPE_CHECKING:
    from napari.layers import Image, Labels

WHICH = "Which image do these labels belong to?"


class ImageLine(QWidget):
    """The image of labels, a button to change it, and a warning where the labels were made from another one.

    Parameters
    ----------
    tooltip : str
    without : str
        Text of the entry that stands for no image; empty if there must be one.
    """

    chosen = Signal()
    """Another image, or none, is chosen in the list."""

    def __init__(self, tooltip: str, without: str = "") -> None:
        super().__init__()
        self._without = without
        self._labels: Labels | None = None
        self._is_open = False
        self.box = LayerBox(tooltip)
        self.sentence, self.doubt_label = Sentence(), Sentence()
        self.sentence.setToolTip(tooltip)
        self.button = QPushButton("Change…")
        self.button.setToolTip("Choose another image for these labels.")
        line = fill(QHBoxLayout(), self.sentence, self.button)
        line.setStretch(0, 1)
        fill(QVBoxLayout(self), line, self.box, self.doubt_label)
        self.button.clicked.connect(self._open)
        self.box.currentIndexChanged.connect(self._note_choice)

    @property
    def image(self) -> Image | None:
        """The image shown."""
        return self.box.layer

    def show_pair(self, labels: Labels | None, image: Image | None, offered: Sequence[Image], *, asks: bool) -> None:
        """Show labels with their image, and the images to choose from; ``asks`` opens the list.

        No signal is emitted.
        """
        if labels is not self._labels:
            self._labels, self._is_open = labels, False
        without = len(offered) if self._without else -1
        self.box.offer(offered, without if image is None else row_in(offered, image), self._without)
        self._refresh(asks=asks)

    def show_doubt(self) -> None:
        """Look again whether the image is the one that the labels were made from."""
        labels, image = self._labels, self.image
        doubt = "" if labels is None or image is None else pairing_doubt(labels, image)
        self.doubt_label.setText(f"⚠ {doubt}" if doubt else "")
        self.doubt_label.setVisible(bool(doubt))

    def _open(self) -> None:
        self._is_open = True
        self._refresh(asks=False)

    def _note_choice(self) -> None:
        self._refresh(asks=False)
        self.chosen.emit()

    def _refresh(self, *, asks: bool) -> None:
        image = self.image
        self.sentence.setText(WHICH if asks else f"of '{image.name}'" if image is not None else self._without)
        self._is_open |= asks
        self.sentence.setVisible(asks or not self._is_open)
        self.box.setVisible(self._is_open)
        self.button.setVisible(not self._is_open and self._labels is not None)
        self.show_doubt()
