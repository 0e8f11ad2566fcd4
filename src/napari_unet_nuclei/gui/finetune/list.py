"""The list of what a model can learn from: planes of open layers, and corrections that were kept earlier."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QTreeWidgetItem, QWidget

from napari_unet_nuclei.gui.finetune.check import Key
from napari_unet_nuclei.gui.widgets.row_list import RowList


@dataclass(frozen=True)
class Listed:
    """One line of the list.

    Attributes
    ----------
    key : Row or str
        What it stands for.
    title, state, reading : str
    tooltip : str
    ticked : bool
    """

    key: Key
    title: str
    state: str
    tooltip: str
    ticked: bool
    reading: str = ""


class CorrectionList(RowList):
    """Lines to be ticked, of which one is chosen."""

    chosen = Signal()
    """Another line is chosen."""

    tick_changed = Signal(object, bool)
    """The user ticked or unticked the line of this key."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(["Learn from", "Reviewed", "Read as"], parent)
        self._lines: tuple[Listed, ...] = ()
        self.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.currentItemChanged.connect(self.chosen)
        self.itemChanged.connect(self._note_tick)

    def key(self) -> Key | None:
        """Return the key of the chosen line; None where none is."""
        item = self.currentItem()
        return None if item is None else self._lines[self.indexOfTopLevelItem(item)].key

    def choose(self, key: Key) -> None:
        """Choose the line of a key, where there is one."""
        row = next((row for row, line in enumerate(self._lines) if line.key == key), -1)
        if row >= 0:
            self.setCurrentItem(self.topLevelItem(row))

    def set_lines(self, lines: Sequence[Listed]) -> None:
        """Show other lines; the chosen one stays chosen, else it is the first."""
        if tuple(lines) == self._lines:
            return
        before = self.key()
        self._lines = tuple(lines)
        self.blockSignals(True)
        self.clear()
        for line in lines:
            item = QTreeWidgetItem(self, [line.title, line.state, line.reading])
            item.setCheckState(0, Qt.CheckState.Checked if line.ticked else Qt.CheckState.Unchecked)
            for column in range(3):
                item.setToolTip(column, line.tooltip)
        row = next((row for row, line in enumerate(lines) if line.key == before), 0)
        self.setCurrentItem(self.topLevelItem(row))
        self.blockSignals(False)
        self.fit_height()
        if self.key() != before:
            self.chosen.emit()

    def _note_tick(self, item: QTreeWidgetItem) -> None:
        key = self._lines[self.indexOfTopLevelItem(item)].key
        self.tick_changed.emit(key, item.checkState(0) == Qt.CheckState.Checked)
