"""Shows a table of nuclei that can be sorted by any column, and says which nucleus was chosen in it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from qtpy.QtCore import QAbstractTableModel, QModelIndex, Qt, Signal
from qtpy.QtWidgets import QAbstractItemView, QTableView, QWidget


class TableModel(QAbstractTableModel):
    """A table as Qt sees it; it sorts by numpy, since comparing cell by cell takes seconds for 10,000 rows."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.table = pd.DataFrame()
        self._order = np.arange(0)

    def set_table(self, table: pd.DataFrame) -> None:
        """Show another table, in its own order."""
        self.beginResetModel()
        self.table = table
        self._order = np.arange(len(table))
        self.endResetModel()

    def table_row(self, shown_row: int) -> int:
        """Return which row of the table is shown there."""
        return int(self._order[shown_row])

    def shown_row(self, table_row: int) -> int:
        """Return where a row of the table is shown."""
        return int(np.flatnonzero(self._order == table_row)[0])

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        """Return the number of rows."""
        return 0 if parent is not None and parent.isValid() else len(self.table)

    def columnCount(self, parent: QModelIndex | None = None) -> int:
        """Return the number of columns."""
        return 0 if parent is not None and parent.isValid() else self.table.shape[1]

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return the text of a cell, or how it is aligned."""
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        if role != Qt.ItemDataRole.DisplayRole or not index.isValid():
            return None
        return cell_text(self.table.iat[self.table_row(index.row()), index.column()])

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return the name of a column; rows have no headers, since the label is a column."""
        if role == Qt.ItemDataRole.DisplayRole and orientation == Qt.Orientation.Horizontal:
            return str(self.table.columns[section])
        return None

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Sort by a column's values; equal ones stay in the table's own order, empty cells come last."""
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
    """A sortable table with a column ``label``, from which one row at a time is chosen."""

    row_selected = Signal(object)
    """The user chose the row of this label (int), by mouse or keyboard; `selected_row` tells which row it is."""

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
        """The table that is shown, in its own order."""
        return self._model.table

    @property
    def selected_row(self) -> int:
        """Row of `table` that is selected; -1 where none is."""
        index = self.currentIndex()
        return self._model.table_row(index.row()) if index.isValid() else -1

    def set_table(self, table: pd.DataFrame) -> None:
        """Show another table; columns without any value are hidden.

        Parameters
        ----------
        table : pandas.DataFrame
            With a column ``label``.
        """
        self._model.set_table(table)
        self._columns.setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        for column, empty in enumerate(table.isna().all()):
            self.setColumnHidden(column, bool(empty) and len(table) > 0)
        self.resizeColumnsToContents()

    def select_label(self, label: int) -> None:
        """Select the first row of a label, as `select_row` does; nothing happens where there is none."""
        rows = np.flatnonzero(self.table["label"] == label) if "label" in self.table else np.arange(0)
        if rows.size:
            self.select_row(int(rows[0]))

    def select_row(self, row: int) -> None:
        """Select a row of `table` and scroll to it, without announcing it."""
        shown = next(column for column in range(self._model.columnCount()) if not self.isColumnHidden(column))
        index = self._model.index(self._model.shown_row(row), shown)
        self._announcing = False
        self.setCurrentIndex(index)
        self._announcing = True
        self.scrollTo(index, QAbstractItemView.ScrollHint.PositionAtCenter)

    def currentChanged(self, current: QModelIndex, previous: QModelIndex) -> None:
        """Announce what the user chose."""
        super().currentChanged(current, previous)
        if self._announcing and current.isValid() and current.row() != previous.row():
            label: Any = self.table["label"].iat[self._model.table_row(current.row())]
            self.row_selected.emit(int(label))


def cell_text(value: Any) -> str:
    """Return a value as a person reads it: about four significant digits, nothing where there is no value.

    Examples
    --------
    >>> [cell_text(value) for value in (7, 1234.567, 12.3456, 0.0123456, float("nan"), True, np.bool_(False))]
    ['7', '1234.6', '12.35', '0.01235', '', 'yes', 'no']
    """
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if not isinstance(value, float):  # numpy's is one too
        return str(value)
    if np.isnan(value):
        return ""
    if abs(value) >= 100:
        return f"{value:.1f}"
    return f"{value:.2f}" if abs(value) >= 1 else f"{value:.4g}"
