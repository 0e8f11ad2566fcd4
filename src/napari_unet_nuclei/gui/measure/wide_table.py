"""The table of nuclei once more, where it is wide: a second view of the same rows and the same selection."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtGui import QHideEvent, QShowEvent
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_unet_nuclei.gui.viewer.letters import LetterSize
from napari_unet_nuclei.gui.widgets.forms import fill
from napari_unet_nuclei.gui.widgets.table_view import TableView


class WideTable(QWidget):
    """A view of another view's table, with all of its columns that have values."""

    seen = Signal(bool)
    """It came into sight, or is hidden or closed."""

    def __init__(self, narrow: TableView) -> None:
        super().__init__()
        self.view = TableView(shared=narrow)
        fill(QVBoxLayout(self), self.view)
        self._letters = LetterSize(self)

    def showEvent(self, event: QShowEvent | None) -> None:
        """Announce that it can be seen."""
        super().showEvent(event)
        self._letters.follow()
        self.seen.emit(True)

    def hideEvent(self, event: QHideEvent | None) -> None:
        """Announce that it cannot be seen any more, as when its dock is closed."""
        super().hideEvent(event)
        self.seen.emit(False)
