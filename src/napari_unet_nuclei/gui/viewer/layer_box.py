"""A combo box of layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QComboBox, QWidget

from napari_unet_nuclei.gui.widgets.choice_box import keep_narrow

if TYPE_CHECKING:
    from napari.layers import Layer


class LayerBox(QComboBox):
    """A combo box of layers that does not widen its dock.

    The layers are kept in Python, not as Qt's item data: PySide6 holds item data in C++, invisible to Python's garbage
    collector, and a layer refers to its canvas, which refers to napari's window.
    """

    def __init__(self, tooltip: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._layers: list[Layer] = []
        self.setToolTip(tooltip)
        keep_narrow(self)

    @property
    def layer(self) -> Layer | None:
        """The chosen layer; None if there is none or the entry without a layer is chosen."""
        row = self.currentIndex()
        return self._layers[row] if 0 <= row < len(self._layers) else None

    def offer(self, layers: Sequence[Layer], row: int, without: str = "") -> None:
        """Replace the listed layers and choose one, without emitting a signal.

        Parameters
        ----------
        layers : sequence of napari.layers.Layer
        row : int
            The chosen one; -1 for none, ``len(layers)`` for the entry without a layer.
        without : str
            Text of a last entry that stands for no layer; empty for none.
        """
        blocked = self.blockSignals(True)
        self.clear()
        self._layers = list(layers)
        self.addItems([layer.name for layer in layers])
        if without:
            self.addItem(without)
        self.setCurrentIndex(row)
        self.blockSignals(blocked)

    def choose(self, layer: Layer) -> None:
        """Choose a listed layer."""
        self.setCurrentIndex(row_in(self._layers, layer))


def row_in(layers: Sequence[Layer], chosen: Layer | None) -> int:
    """Return the index of a layer in a list; -1 if it is not there."""
    return next((row for row, layer in enumerate(layers) if layer == chosen), -1)
