"""The images of a run as a table: before the run how they will be read, afterwards their results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from qtpy.QtCore import QAbstractTableModel, QEvent, QModelIndex, QSortFilterProxyModel, Qt, Signal
from qtpy.QtGui import QFont, QMouseEvent
from qtpy.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableView,
    QWidget,
)

from napari_unet_nuclei.core.folder.dry_run import Prospect
from napari_unet_nuclei.core.folder.record import FileRecord
from napari_unet_nuclei.gui.batch.rows import PREVIEW, SHOW, FileRow

ACTION, IMAGE, WELL, FIELD, PARTS, NUCLEI, STATE = range(7)
HEADS = ("", "Image", "Well", "Field", "Channels", "Nuclei", "State")
GROUPING = (WELL, FIELD, PARTS)
"""Columns that are shown where the names of files tell something."""

TOOLTIPS = {
    SHOW: "Show this image with its labels in the viewer.",
    PREVIEW: "Segment only this image and show it in the viewer, without writing files.",
}
LINE_END = "\u2028"
"""Line separator that Qt understands in a cell."""

SORT_ROLE = Qt.ItemDataRole.UserRole


class BatchTableModel(QAbstractTableModel):
    """Qt model of the rows."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.rows: list[FileRow] = []
        self.is_running = False
        self._places: dict[str, int] = {}

    def set_prospects(self, prospects: Sequence[Prospect]) -> None:
        """Show other images, with those that would fail first."""
        self.beginResetModel()
        self.rows = [FileRow(prospect) for prospect in prospects]
        self.endResetModel()
        self.put_worst_first()

    def add_record(self, record: FileRecord) -> None:
        """Show the result of an image; an image that was not listed gets a new row."""
        place = self._places.get(record.title)
        if place is None:
            place = len(self.rows)
            self.beginInsertRows(QModelIndex(), place, place)
            self.rows.append(FileRow(Prospect(record.image, series=record.series, part=record.part), record))
            self._places[record.title] = place
            self.endInsertRows()
            return
        self.rows[place] = replace(self.rows[place], record=record)
        self.dataChanged.emit(self.index(place, 0), self.index(place, len(HEADS) - 1))

    def put_worst_first(self) -> None:
        """Sort failed images first, then doubtful ones; otherwise keep the order."""
        self.beginResetModel()
        self.rows.sort(key=lambda row: row.urgency, reverse=True)
        self._places = {row.prospect.title: place for place, row in enumerate(self.rows)}
        self.endResetModel()

    def set_running(self, running: bool) -> None:
        """Offer no previews during a run."""
        self.is_running = running
        self.dataChanged.emit(self.index(0, ACTION), self.index(len(self.rows) - 1, ACTION))

    def action(self, row: FileRow) -> str:
        """Return the action of a click now."""
        return "" if self.is_running and row.action == PREVIEW else row.action

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        """Return the number of images."""
        return 0 if parent is not None and parent.isValid() else len(self.rows)

    def columnCount(self, parent: QModelIndex | None = None) -> int:
        """Return the number of columns."""
        return 0 if parent is not None and parent.isValid() else len(HEADS)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return the name of a column."""
        if role == Qt.ItemDataRole.DisplayRole and orientation == Qt.Orientation.Horizontal:
            return HEADS[section]
        return None

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return what a cell shows."""
        if not index.isValid():
            return None
        row, column = self.rows[index.row()], index.column()
        match role:
            case Qt.ItemDataRole.DisplayRole:
                return self._text(row, column)
            case Qt.ItemDataRole.ToolTipRole:
                return TOOLTIPS.get(self.action(row), "") if column == ACTION else row.tooltip
            case Qt.ItemDataRole.TextAlignmentRole if column == NUCLEI:
                return Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
            case Qt.ItemDataRole.FontRole if column == ACTION:
                font = QFont()
                font.setUnderline(True)  # looks like a link in every theme
                return font
            case _ if role == SORT_ROLE:
                return _nuclei(row) if column == NUCLEI else self._text(row, column)
        return None

    def _text(self, row: FileRow, column: int) -> str:
        match column:
            case 0:
                return self.action(row)
            case 1:
                return row.prospect.short_title
            case 2 | 3 | 4:
                return row.grouping[column - WELL]
            case 5:
                return f"{row.result.nuclei:,}" if row.result is not None else ""
            case _:
                return row.state


def _nuclei(row: FileRow) -> int:
    return row.result.nuclei if row.result is not None else -1


class _WithState(QStyledItemDelegate):
    """Writes the state of an image below its name."""

    def initStyleOption(self, option: QStyleOptionViewItem | None, index: QModelIndex) -> None:
        """Add a second line."""
        super().initStyleOption(option, index)
        if option is not None:
            option.text = f"{option.text}{LINE_END}{index.siblingAtColumn(STATE).data()}"


class BatchTable(QTableView):
    """Shows the images; a click in the first column or a double click asks to show one."""

    wanted = Signal(object)
    """`FileRow` to show or preview."""

    chosen = Signal(object)
    """`FileRow` that the user selected."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.images = BatchTableModel(self)
        self._sorted = QSortFilterProxyModel(self)
        self._sorted.setSourceModel(self.images)
        self._sorted.setSortRole(SORT_ROLE)
        self.setModel(self._sorted)
        self.setSortingEnabled(True)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setWordWrap(False)
        self.setMouseTracking(True)
        rows, columns = self.verticalHeader(), self.horizontalHeader()
        assert rows is not None, "Qt makes both headers with the view"
        assert columns is not None
        rows.hide()
        columns.setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        # With sizes that follow the contents, Qt would query thousands of cells whenever an image is done.
        rows.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        self._rows = rows
        self._fit_letters()
        columns.setSectionResizeMode(IMAGE, QHeaderView.ResizeMode.Stretch)
        self.setItemDelegateForColumn(IMAGE, _WithState(self))
        for column in (*GROUPING, NUCLEI):
            self.setColumnHidden(column, True)
        self.setColumnHidden(STATE, True)  # shown below the image's name instead: a dock is narrow
        self.clicked.connect(self._click)
        self.doubleClicked.connect(self._want)

    def changeEvent(self, event: QEvent | None) -> None:
        """Give letters of another size the room that they need."""
        super().changeEvent(event)
        if event is not None and event.type() == QEvent.Type.FontChange:
            self._fit_letters()

    def _fit_letters(self) -> None:
        self._rows.setDefaultSectionSize(2 * self.fontMetrics().height() + 8)
        heads = {column: f"{HEADS[column]} ▼" for column in (*GROUPING, NUCLEI)}
        for column, widest in {ACTION: PREVIEW, **heads}.items():
            self.setColumnWidth(column, self.fontMetrics().horizontalAdvance(widest) + 16)

    def row(self, index: QModelIndex) -> FileRow:
        """Return the image at an index."""
        return self.images.rows[self._sorted.mapToSource(index).row()]

    def show_prospects(self, prospects: Sequence[Prospect]) -> None:
        """Show other images; hide the column of nuclei if there are no results."""
        self.images.set_prospects(prospects)
        self.setColumnHidden(NUCLEI, all(row.result is None for row in self.images.rows))
        for column in GROUPING:
            self.setColumnHidden(column, not any(row.grouping[column - WELL] for row in self.images.rows))

    def show_record(self, record: FileRecord) -> None:
        """Show the result of an image."""
        self.images.add_record(record)
        self.setColumnHidden(NUCLEI, False)

    def currentChanged(self, current: QModelIndex, previous: QModelIndex) -> None:
        """Emit `chosen`."""
        super().currentChanged(current, previous)
        if current.isValid():
            self.chosen.emit(self.row(current))

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:
        """Show a hand over what can be clicked."""
        if event is not None:
            index = self.indexAt(event.pos())
            active = index.isValid() and index.column() == ACTION and bool(self.images.action(self.row(index)))
            shape = Qt.CursorShape.PointingHandCursor if active else Qt.CursorShape.ArrowCursor
            viewport = self.viewport()
            assert viewport is not None, "a view has one"
            viewport.setCursor(shape)
        super().mouseMoveEvent(event)

    def _click(self, index: QModelIndex) -> None:
        if index.column() == ACTION:
            self._want(index)

    def _want(self, index: QModelIndex) -> None:
        row = self.row(index)
        if self.images.action(row):
            self.wanted.emit(row)
