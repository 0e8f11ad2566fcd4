"""A table of nuclei that can be sorted by any column and in which a nucleus can be selected."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from qtpy.QtCore import QAbstractTableModel, QModelIndex, Qt, Signal
from qtpy.QtWidgets import QAbstractItemView, QTableView, QWidget


class TableModel(QAbstractTableModel):
    """Qt model of a data frame; pandas sorts it, as comparing cell by cell takes seconds for 10,000 rows."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.table = pd.DataFrame()
        self._order = np.arange(0)

    def set_table(self, table: pd.DataFrame) -> None:
        """Show another table, unsorted."""
        self.beginResetModel()
        self.table = table
        self._order = np.arange(len(table))
        self.endResetModel()

    def table_row(self, shown_row: int) -> int:
        """Return the row of the table that is shown at a position."""
        return int(self._order[shown_row])

    def shown_row(self, table_row: int) -> int:
        """Return the position at which a row of the table is shown."""
        return int(np.flatnonzero(self._order == table_row)[0])

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        """Return the number of rows."""
        return 0 if parent is not None and parent.isValid() else len(self.table)

    def columnCount(self, parent: QModelIndex | None = None) -> int:
        """Return the number of columns."""
        return 0 if parent is not None and parent.isValid() else self.table.shape[1]

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return the text or the alignment of a cell."""
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        if role != Qt.ItemDataRole.DisplayRole or not index.isValid():
            return None
        return cell_text(self.table.iat[self.table_row(index.row()), index.column()])

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return the name of a column; rows have no header, as the label is a column."""
        if role == Qt.ItemDataRole.DisplayRole and orientation == Qt.Orientation.Horizontal:
            return str(self.table.columns[section])
        return None

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Sort by a column; ties stay in the table's order, empty cells come last."""
        if not 0 <= column < self.columnCount():
            return
        self.layoutAboutToBeChanged.emit()
        before = self.persistentIndexList()
        rows = [self.table_row(index.row()) for index in before]
        ascending = order == Qt.SortOrder.AscendingOrder
        values = self.table.iloc[:, column].reset_index(drop=True)
        self._order = values.sort_values(ascending=ascending, kind="stable", na_position="last").index.to_numpy()
        after = [self.index(self.shown_row(row), index.column()) for row, index in zip(rows, before, strict=True)]
        self.changePersistentIndexList(before, after)
        self.layoutChanged.emit()


class TableView(QTableView):
    """A sortable table with a column ``label``, of which one row can be selected."""

    row_selected = Signal(object)
    """The user selected the row of this label (int), by mouse or keyboard; `selected_row` is its number."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._model = TableModel(self)
        self._announcing = True
        self.setModel(self._model)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setWordWrap(False)
        rows, columns = self.verticalHeader(), self.horizontalHeader()
        assert rows is not None, "Qt makes both headers with the view"
        assert columns is not None
        rows.hide()
        rows.setDefaultSectionSize(self.fontMetrics().height() + 6)
        self._columns = columns
        self._columns.setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        self.setSortingEnabled(True)

    @property
    def table(self) -> pd.DataFrame:
        """The table shown, unsorted."""
        return self._model.table

    @property
    def selected_row(self) -> int:
        """Selected row of `table`; -1 if there is none."""
        index = self.currentIndex()
        return self._model.table_row(index.row()) if index.isValid() else -1

    def set_table(self, table: pd.DataFrame) -> None:
        """Show another table with a column ``label``; columns without any value are hidden."""
        self._model.set_table(table)
        self._columns.setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        for column, empty in enumerate(table.isna().all()):
            self.setColumnHidden(column, bool(empty) and len(table) > 0)
        self.resizeColumnsToContents()

    def select_row(self, row: int) -> None:
        """Select a row of `table` and scroll to it, without emitting `row_selected`."""
        shown = next(column for column in range(self._model.columnCount()) if not self.isColumnHidden(column))
        index = self._model.index(self._model.shown_row(row), shown)
        self._announcing = False
        self.setCurrentIndex(index)
        self._announcing = True
        self.scrollTo(index, QAbstractItemView.ScrollHint.PositionAtCenter)

    def currentChanged(self, current: QModelIndex, previous: QModelIndex) -> None:
        """Emit `row_selected` if the user selected another row."""
        super().currentChanged(current, previous)
        if self._announcing and current.isValid() and current.row() != previous.row():
            label: Any = self.table["label"].iat[self._model.table_row(current.row())]
            self.row_selected.emit(int(label))


def cell_text(value: Any) -> str:
    """Return a value as text: about four significant digits, empty if there is no value.

    Examples
    --------
    >>> [cell_text(value) for value in (7, 1234.567, 12.3456, 0.0123456, float("nan"), True, np.bool_(False))]
    ['7', '1234.6', '12.35', '0.01235', '', 'yes', 'no']
    """
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if not isinstance(value, float):  # numpy.float64 is a float
        return str(value)
    if np.isnan(value):
        return ""
    if abs(value) >= 100:
        return f"{value:.1f}"
    return f"{value:.2f}" if abs(value) >= 1 else f"{value:.4g}"
