from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from qtpy.QtCore import Qt

from napari_unet_nuclei.gui.widgets.table_view import TableView

TABLE = pd.DataFrame(
    {
        "label": [3, 10, 2, 7_000_000_000],
        "area_px": [100, 9, 20, 9],
        "area_um2": [np.nan] * 4,
        "GFP_mean": [2.5, 10.25, np.nan, 0.001234],
        "touches_edge": [True, False, False, True],
    }
)


@pytest.fixture
def view(qtbot) -> TableView:
    view = TableView()
    qtbot.addWidget(view)
    view.set_table(TABLE)
    view.resize(500, 300)
    view.show()
    return view


def shown(view: TableView, column: int) -> list[str]:
    model = view.model()
    return [model.data(model.index(row, column)) for row in range(model.rowCount())]


def click_cell(qtbot, view: TableView, row: int, column: int) -> None:
    point = view.visualRect(view.model().index(row, column)).center()
    qtbot.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=point)


def click_heading(qtbot, view: TableView, column: int) -> None:
    header = view.horizontalHeader()
    x = header.sectionViewportPosition(column) + header.sectionSize(column) // 2
    position = header.viewport().rect().center()
    position.setX(x)
    qtbot.mouseClick(header.viewport(), Qt.MouseButton.LeftButton, pos=position)


def test_values_are_shown_as_people_read_them_and_empty_columns_are_hidden(view):
    assert shown(view, 0) == ["3", "10", "2", "7000000000"]
    assert shown(view, 3) == ["2.50", "10.25", "", "0.001234"]
    assert shown(view, 4) == ["yes", "no", "no", "yes"]
    assert [view.isColumnHidden(column) for column in range(5)] == [False, False, True, False, False]


def test_a_click_on_a_heading_sorts_by_number(view, qtbot):
    click_heading(qtbot, view, 0)
    assert shown(view, 0) == ["2", "3", "10", "7000000000"]
    click_heading(qtbot, view, 0)
    assert shown(view, 0) == ["7000000000", "10", "3", "2"]


@pytest.mark.parametrize("order", [Qt.SortOrder.AscendingOrder, Qt.SortOrder.DescendingOrder])
def test_cells_without_value_come_last(view, order):
    view.sortByColumn(3, order)
    assert shown(view, 3)[-1] == ""


def test_equal_values_keep_the_order_of_the_table(view):
    view.sortByColumn(1, Qt.SortOrder.AscendingOrder)
    assert shown(view, 0) == ["10", "7000000000", "2", "3"]


def test_a_click_on_a_row_tells_its_label_also_when_sorted(view, qtbot):
    view.sortByColumn(1, Qt.SortOrder.DescendingOrder)
    with qtbot.waitSignal(view.row_selected) as selected:
        click_cell(qtbot, view, 1, 0)
    assert selected.args == [2]
    assert view.selected_row == 2


def test_arrow_keys_walk_through_the_rows(view, qtbot):
    click_cell(qtbot, view, 0, 0)
    with qtbot.waitSignal(view.row_selected) as selected:
        qtbot.keyClick(view, Qt.Key.Key_Down)
    assert selected.args == [10]


def test_another_cell_of_the_same_row_is_no_other_nucleus(view, qtbot):
    click_cell(qtbot, view, 0, 0)
    with qtbot.assertNotEmitted(view.row_selected):
        click_cell(qtbot, view, 0, 1)


def test_selecting_from_outside_is_not_announced(view, qtbot):
    view.sortByColumn(0, Qt.SortOrder.DescendingOrder)
    with qtbot.assertNotEmitted(view.row_selected):
        view.select_row(3)
    assert view.selected_row == 3
    assert [index.row() for index in view.selectionModel().selectedRows()] == [0]


def test_sorting_keeps_the_selected_nucleus(view, qtbot):
    view.select_row(2)
    with qtbot.assertNotEmitted(view.row_selected):
        click_heading(qtbot, view, 0)
    assert view.selected_row == 2
    assert [index.row() for index in view.selectionModel().selectedRows()] == [0]


def test_a_new_table_comes_in_its_own_order_without_selection(view, qtbot):
    view.sortByColumn(0, Qt.SortOrder.DescendingOrder)
    view.select_row(2)
    view.set_table(TABLE.iloc[:0])
    assert view.model().rowCount() == 0
    assert view.selected_row == -1
    view.set_table(TABLE)
    assert shown(view, 0) == ["3", "10", "2", "7000000000"]
    assert view.selected_row == -1


def test_heads_say_what_a_column_means_where_that_is_not_plain(view):
    view.table_model.helps = {"GFP_mean": "Empty where it was not measured."}
    heads = [
        view.table_model.headerData(column, Qt.Orientation.Horizontal, Qt.ItemDataRole.ToolTipRole) for column in (0, 3)
    ]
    assert heads == ["label: click to sort", "Empty where it was not measured.\nGFP_mean: click to sort"]
