"""A list of image layers with tick boxes."""

from __future__ import annotations

from collections.abc import Collection

from napari.layers import Image
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QListWidget, QListWidgetItem

from napari_unet_nuclei.gui.widgets.row_list import TICK_BOX

LISTED = 5
"""Maximum number of visible layers."""


class LayerChecklist(QListWidget):
    """Image layers with tick boxes; they are kept in Python for the reason given in `LayerBox`."""

    ticks_changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._layers: list[Image] = []
        self._decided: list[tuple[Image, Qt.CheckState]] = []
        self.itemChanged.connect(self._note_tick)
        self.setStyleSheet(TICK_BOX)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)

    def forget_ticks(self) -> None:
        """Let `set_layers` decide on every layer again."""
        self._decided = []

    def set_layers(self, layers: list[tuple[Image, str]], likely: Collection[Image]) -> None:
        """List layers, each with the reason why it cannot be measured.

        Likely ones without a reason are ticked; if every layer has one, all are ticked, which shows the reason. Layers
        that the user ticked or unticked stay so.
        """
        hopeless = all(problem for _, problem in layers)
        self.blockSignals(True)
        self.clear()
        self._layers = [layer for layer, _ in layers]
        for layer, problem in layers:
            item = QListWidgetItem(f"{layer.name}  (other size)" if problem else layer.name, self)
            item.setToolTip(problem or f"Measure the nuclei in '{layer.name}', in all its channels.")
            item.setFlags(Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsUserCheckable)
            ticked = hopeless or (not problem and layer in likely)
            at_first = Qt.CheckState.Checked if ticked else Qt.CheckState.Unchecked
            item.setCheckState(next((state for known, state in self._decided if known == layer), at_first))
        self.blockSignals(False)
        self.setFixedHeight(self._height())

    def ticked(self) -> list[Image]:
        """Return the ticked layers."""
        listed = zip(self._layers, self._all(), strict=True)
        return [layer for layer, item in listed if item.checkState() == Qt.CheckState.Checked]

    def _note_tick(self, item: QListWidgetItem) -> None:
        layer = self._layers[self.row(item)]
        self._decided = [(known, state) for known, state in self._decided if known != layer]
        self._decided.append((layer, item.checkState()))
        self.ticks_changed.emit()

    def _all(self) -> list[QListWidgetItem]:
        items = (self.item(row) for row in range(self.count()))
        return [item for item in items if item is not None]

    def _height(self) -> int:
        rows = min(max(self.count(), 1), LISTED)
        return rows * max(self.sizeHintForRow(0), self.fontMetrics().height() + 6) + 2 * self.frameWidth() + 4
