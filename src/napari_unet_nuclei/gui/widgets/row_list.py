"""Lists of rows with a common look, a height that fits, and tick boxes that are visible in every theme."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import QEvent, Qt
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTreeWidget, QWidget

from napari_unet_nuclei.gui.widgets.rest_timer import call_soon

LISTED = (3, 6)
"""Minimum and maximum number of visible rows."""

TICK_BOX = "QAbstractItemView::indicator:unchecked { border: 1px solid #8a8d93; width: 10px; height: 10px }"
"""Qt draws empty boxes in the colour of shadows, which is invisible in a dark theme."""


class RowList(QTreeWidget):
    """Rows with these columns, one of which can be selected; the first column takes the remaining width."""

    def __init__(self, columns: Sequence[str], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setHeaderLabels(list(columns))
        self.setRootIsDecorated(False)
        self.setUniformRowHeights(True)
        self.setAllColumnsShowFocus(True)
        self.setStyleSheet(f"QTreeView::item {{ padding: 3px 0px }} {TICK_BOX}")
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        header = self.header()
        assert header is not None, "Qt makes it with the list"
        header.setStretchLastSection(False)
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self._head = header
        self._is_fitted = False

    def changeEvent(self, event: QEvent | None) -> None:
        """Be as high as letters of another size need, unless the list takes the room that there is."""
        super().changeEvent(event)
        if event is not None and event.type() == QEvent.Type.FontChange and self._is_fitted:
            call_soon(self, self.fit_height)  # the head gets the letters after this

    def fit_height(self) -> None:
        """Set the height to that of the rows, within limits, from now on."""
        self._is_fitted = True
        least, most = LISTED
        row = max(self.sizeHintForRow(0), self.fontMetrics().height() + 6)
        rows = min(max(self.topLevelItemCount(), least), most)
        self.setFixedHeight(self._head.sizeHint().height() + rows * row + 2 * self.frameWidth())
