"""What lists of rows in our docks share: their look, their height, and tick boxes that are seen in every theme."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTreeWidget, QWidget

LISTED = (3, 6)
"""Rows for which there is room at least and at most; more are scrolled to."""

TICK_BOX = "QAbstractItemView::indicator:unchecked { border: 1px solid #8a8d93; width: 10px; height: 10px }"
"""Empty boxes are drawn in the colour of a shadow otherwise, which a dark theme swallows."""


class RowList(QTreeWidget):
    """Rows below each other, of which one is chosen; the first column takes the room that the others leave.

    Parameters
    ----------
    columns : sequence of str
    """

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

    def fit_height(self) -> None:
        """Be as high as the rows are, within limits."""
        least, most = LISTED
        row = max(self.sizeHintForRow(0), self.fontMetrics().height() + 6)
        rows = min(max(self.topLevelItemCount(), least), most)
        self.setFixedHeight(self._head.sizeHint().height() + rows * row + 2 * self.frameWidth())
