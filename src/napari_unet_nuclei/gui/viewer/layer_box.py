"""A list of layers to choose one from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QComboBox, QWidget

from napari_unet_nuclei.gui.widgets.choice_box import keep_narrow

if TYPE_CHECKING:
    from napari.layers import Layer


class LayerBox(QComboBox):
    """Names of layers, of which one is chosen; it does not widen its dock.

    The layers are kept in Python, not as Qt's item data: PySide6 holds item data in C++, where Python's garbage
    collector does not see it, and a layer leads to its canvas, which leads to napari's window.

    Parameters
    ----------
    tooltip : str
    """

    def __init__(self, tooltip: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._layers: list[Layer] = []
        self.setToolTip(tooltip)
        keep_narrow(self)

    @property
    def layer(self) -> Layer | None:
        """The chosen layer; None where there is none, or an entry without a layer is chosen."""
        row = self.currentIndex()
        return self._layers[row] if 0 <= row < len(self._layers) else None

    def offer(self, layers: Sequence[Layer], row: int, without: str = "") -> None:
        """List layers in place of those before, and choose one; no signal is emitted.

        Parameters
        ----------
        layers : sequence of napari.layers.Layer
        row : int
            The chosen one; -1 for none, ``len(layers)`` for the entry without a layer.
        without : str
            A last entry that stands for no layer; empty where there is none.
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
        """Choose one of the layers that are listed."""
        self.setCurrentIndex(row_in(self._layers, layer))


def row_in(layers: Sequence[Layer], chosen: Layer | None) -> int:
    """Return the row of a layer in a list that is to be offered; -1 where it is not there."""
    return next((row for row, layer in enumerate(layers) if layer == chosen), -1)
