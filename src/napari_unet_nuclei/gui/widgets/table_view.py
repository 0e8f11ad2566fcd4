"""A table of nuclei that can be sorted by any column and in which nuclei can be selected."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from qtpy.QtCore import QAbstractTableModel, QEvent, QItemSelection, QItemSelectionModel, QModelIndex, Qt, Signal
from qtpy.QtGui import QKeyEvent, QKeySequence
from qtpy.QtWidgets import QAbstractItemView, QTableView, QWidget

from napari_unet_nuclei.gui.widgets.rest_timer import call_soon

ROWS_MEASURED = 50
"""Rows on the screen by which the width of a column is chosen."""


class TableModel(QAbstractTableModel):
    """Qt model of a data frame; pandas sorts it, as comparing cell by cell takes seconds for 10,000 rows."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.table = pd.DataFrame()
        self.titles: dict[str, str] = {}
        self.helps: dict[str, str] = {}
        """What a column means, by its name, above the hint that a click sorts."""
        self._order = np.arange(0)

    def set_table(self, table: pd.DataFrame) -> None:
        """Show another table, unsorted."""
        self.beginResetModel()
        self.table = table
        self._order = np.arange(len(table))
        self.endResetModel()

    def replace_table(self, table: pd.DataFrame) -> None:
        """Show a table of the same rows, in the order that they have."""
        self.beginResetModel()
        self.table = table
        self.endResetModel()

    def table_row(self, shown_row: int) -> int:
        """Return the row of the table that is shown at a position."""
        return int(self._order[shown_row])

    def shown_row(self, table_row: int) -> int:
        """Return the position at which a row of the table is shown."""
        return int(np.flatnonzero(self._order == table_row)[0])

    def shown_rows(self, table_rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the positions at which rows of the table are shown."""
        return np.argsort(self._order)[table_rows]

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
            name = str(self.table.columns[section])
            return self.titles.get(name, name)
        if role == Qt.ItemDataRole.ToolTipRole and orientation == Qt.Orientation.Horizontal:
            name = str(self.table.columns[section])
            return "\n".join([*filter(None, [self.helps.get(name)]), f"{name}: click to sort"])
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
    """A sortable table with a column ``label``, of which rows can be selected; one of them is the current one."""

    row_selected = Signal(object)
    """The user made the row of this label (int) the current one, by mouse or keyboard; `selected_row` is its number."""

    rows_selected = Signal(object)
    """The user selected other rows, one or several: ndarray of their numbers, in the order on the screen."""

    copy_wanted = Signal()
    """The user pressed the keys that copy."""

    def __init__(self, parent: QWidget | None = None, shared: TableView | None = None, least_rows: int = 0) -> None:
        """Make a view of a table of its own, or of the table and the selection of another view.

        ``least_rows`` have room in a low window, head and scroll bar included.
        """
        super().__init__(parent)
        self._least_rows = least_rows
        self._model = TableModel(self) if shared is None else shared.table_model
        self._announcing = shared is None
        self.setModel(self._model)
        if shared is not None:
            self.setSelectionModel(shared.selectionModel())
            self._model.modelReset.connect(self._hide_empty)
            self.copy_wanted.connect(shared.copy_wanted)
            self._hide_empty()
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setWordWrap(False)
        rows, columns = self.verticalHeader(), self.horizontalHeader()
        assert rows is not None, "Qt makes both headers with the view"
        assert columns is not None
        rows.hide()
        # Else Qt asks for the texts of a thousand rows to find the width of a column.
        columns.setResizeContentsPrecision(ROWS_MEASURED)
        self._rows, self._columns = rows, columns
        self._fit_rows()
        self._columns.setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        self.setSortingEnabled(True)

    def changeEvent(self, event: QEvent | None) -> None:
        """Make rows as high, and columns as wide, as letters of another size need."""
        super().changeEvent(event)
        if event is not None and event.type() == QEvent.Type.FontChange:
            self._fit_rows()
            call_soon(self, self.resizeColumnsToContents)  # the heads get the letters after this

    def _fit_rows(self) -> None:
        high = self.fontMetrics().height() + 6
        self._rows.setDefaultSectionSize(high)
        self.setMinimumHeight(self._least_rows * high)

    @property
    def table_model(self) -> TableModel:
        """The model, for a second view."""
        return self._model

    @property
    def table(self) -> pd.DataFrame:
        """The table shown, unsorted."""
        return self._model.table

    @property
    def selected_row(self) -> int:
        """Selected row of `table`; -1 if there is none."""
        index = self.currentIndex()
        return self._model.table_row(index.row()) if index.isValid() else -1

    @property
    def selected_rows(self) -> NDArray[np.int64]:
        """Selected rows of `table`, in the order on the screen."""
        selection = self.selectionModel()
        shown = sorted({index.row() for index in selection.selectedRows()}) if selection is not None else []
        return np.array([self._model.table_row(row) for row in shown], np.int64)

    @property
    def rows_in_order(self) -> NDArray[np.int64]:
        """All rows of `table`, in the order on the screen."""
        return np.array([self._model.table_row(row) for row in range(self._model.rowCount())], np.int64)

    def set_table(self, table: pd.DataFrame, titles: dict[str, str] | None = None) -> None:
        """Show another table with a column ``label``; columns without any value are hidden."""
        self._model.titles = titles or {}
        self._model.set_table(table)
        self._columns.setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        self._hide_empty()

    def _hide_empty(self) -> None:
        for column, empty in enumerate(self.table.isna().all()):
            self.setColumnHidden(column, bool(empty) and len(self.table) > 0)
        self.resizeColumnsToContents()

    def replace_table(self, table: pd.DataFrame, titles: dict[str, str]) -> None:
        """Show other values or columns of the same rows, in the order on the screen, with the selection."""
        rows, current = self.selected_rows, self.selected_row
        self._model.titles = titles
        self._model.replace_table(table)
        if current >= 0:
            self.select_row(current)
        if len(rows) > 1:
            self.select_rows(rows)

    def show_columns(self, names: Collection[str]) -> None:
        """Show these columns and hide all others."""
        for column, name in enumerate(self.table.columns):
            self.setColumnHidden(column, str(name) not in names)
        self.resizeColumnsToContents()

    def select_rows(self, rows: NDArray[np.int64]) -> None:
        """Select rows of `table`, without emitting a signal."""
        shown = np.sort(self._model.shown_rows(rows))
        # As few ranges as possible: Qt takes seconds for ten thousand single rows.
        starts = np.flatnonzero(np.diff(shown, prepend=-2) != 1)
        ends = np.append(starts[1:], len(shown))[: len(starts)] - 1
        selection, last = QItemSelection(), self._model.columnCount() - 1
        for start, end in zip(starts, ends, strict=True):
            selection.select(self._model.index(int(shown[start]), 0), self._model.index(int(shown[end]), last))
        model = self.selectionModel()
        assert model is not None, "a view with a model has one"
        with self._silence():
            model.select(selection, QItemSelectionModel.SelectionFlag.ClearAndSelect)
        if len(shown):
            column = next(one for one in range(self._model.columnCount()) if not self.isColumnHidden(one))
            self.scrollTo(self._model.index(int(shown[0]), column))

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        """Copy rows rather than one cell."""
        if event is not None and event.matches(QKeySequence.StandardKey.Copy):
            self.copy_wanted.emit()
        else:
            super().keyPressEvent(event)

    def select_row(self, row: int) -> None:
        """Select a row of `table` and scroll to it, without emitting a signal."""
        shown = next(column for column in range(self._model.columnCount()) if not self.isColumnHidden(column))
        index = self._model.index(self._model.shown_row(row), shown)
        with self._silence():
            self.setCurrentIndex(index)
        self.scrollTo(index, QAbstractItemView.ScrollHint.PositionAtCenter)

    @contextmanager
    def _silence(self) -> Iterator[None]:
        announcing, self._announcing = self._announcing, False
        yield
        self._announcing = announcing

    def selectionChanged(self, selected: QItemSelection, deselected: QItemSelection) -> None:
        """Emit `rows_selected` if the user selected other rows."""
        super().selectionChanged(selected, deselected)
        if self._announcing:
            self.rows_selected.emit(self.selected_rows)

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
