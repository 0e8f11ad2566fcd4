"""The list of what a model can learn from, with a box to learn from a line, and one to say that all of it is right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from qtpy.QtCore import QSize, Qt, Signal
from qtpy.QtWidgets import QTreeWidgetItem

from napari_unet_nuclei.gui.finetune.check import Key
from napari_unet_nuclei.gui.finetune.thumbnails import SIDE, Thumbnail
from napari_unet_nuclei.gui.widgets.row_list import RowList

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
