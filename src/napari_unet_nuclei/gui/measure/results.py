"""The table of nuclei with its buttons, the values of the selected nucleus, and the plot below."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QHideEvent, QShowEvent
from qtpy.QtWidgets import (
    QApplication,
    QCheckBox,
    QHBoxLayout,
    QPushButton,
    QSplitter,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from napari_unet_nuclei.core.labels.classify.nucleus_classes import CLASS, PROBABILITY
from napari_unet_nuclei.core.labels.measure.gate import Gate, share_text
from napari_unet_nuclei.core.quantity import quantity
from napari_unet_nuclei.gui.measure.classes_panel import ClassesPanel
from napari_unet_nuclei.gui.viewer.columns import COLUMN_HELP, as_text, card_text, numbers_of, short_set, titles_of
from napari_unet_nuclei.gui.viewer.layers import table_features
from napari_unet_nuclei.gui.viewer.letters import LetterSize
from napari_unet_nuclei.gui.widgets.choice_box import choice_box, fill
from napari_unet_nuclei.gui.widgets.forms import Rows
from napari_unet_nuclei.gui.widgets.forms import fill as fill_layout
from napari_unet_nuclei.gui.widgets.table_view import TableView, cell_text
from napari_unet_nuclei.gui.widgets.wrapped_label import Sentence, Sentences

if TYPE_CHECKING:
    from napari.layers import Labels

    from napari_unet_nuclei.gui.measure.plot import NucleiPlot

AS_THEY_ARE, SELECTED = "", "selected"
"""Values of the box *Colour by*; any other is a column."""

LEAST_ROWS = 5
"""Of the table, heads and scroll bar included, in a low window."""

MOST_REGIONS = 4
"""Lines of regions that are seen at once; more scroll."""

ALIKE = 1000
"""Height of either part in pixels, which the splitter brings to the room that there is."""

ONE_CHANNEL = ("mean", "min", "max", "sum", "nucleus", "count", "spots")
"""What follows the name of a layer in a column, where the image has one channel; else the channel's name does."""

WRITTEN_KEY = "measured columns"
"""Key in a labels layer's metadata: the columns of its features that were written here; all others are somebody's."""


class Results(QWidget):
    """Table, card and plot of one measured labels layer."""

    coloured = Signal(str)
    """The user chose what the nuclei on the canvas are coloured by: a value of the box *Colour by*."""

    gated = Signal(object)
    """The user changed the gate: a `Gate` or None."""

    picked = Signal(object)
    """The user selected rows with a lasso: ndarray of their numbers."""

    wide_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.plot: NucleiPlot | None = None
        self.table_view = TableView(least_rows=LEAST_ROWS)
        self.table_view.table_model.helps = COLUMN_HELP
        self.table_view.setToolTip("Click a row to show its nucleus, a heading to sort, or a nucleus to find its row.")
        self.all_columns = QCheckBox("all columns")
        self.all_columns.setToolTip("Show every measured column, not only the most common ones.")
        self.copy_button = _button("Copy", "Copy the selected rows, or all, to paste them into a spreadsheet.")
        self.wide_button = _button("Wide", "Open the table below the picture, where all columns have room.")
        self.save_button = _button("Save…", "Save the labels, this table, outlines for ImageJ and QuPath, a picture.")
        self.card, self.facts = (Sentence(selectable=True) for _ in range(2))
        self.regions = Sentences(MOST_REGIONS)
        self.colour_box = choice_box("What the nuclei on the picture are coloured by.")
        self.copy_gate = _button("Copy gate", "Copy the gate as text, for *Positive if* in Batch, or for --gate.")
        self.folder_button = _button(
            "Do this to a folder…", "Measure and gate the nuclei of many files, in the dock Batch."
        )
        self.classes_panel, self.tabs = ClassesPanel(), QTabWidget()
        self._lay_out()
        self._connect()

    def _lay_out(self) -> None:
        buttons = fill_layout(QHBoxLayout(), self.all_columns, self.copy_button, self.wide_button, self.save_button)
        above, below, plotted = QWidget(), QWidget(), QWidget()
        self._plotted = fill_layout(QVBoxLayout(plotted), self.facts)
        self.tabs.addTab(plotted, "Plot")
        self.tabs.addTab(self.classes_panel, "Classes")
        self.tabs.setTabToolTip(1, "Give a few nuclei of each class: the measured columns tell the rest.")
        fill_layout(QVBoxLayout(above), buttons, self.table_view, self.card, self.regions)
        further = fill_layout(QHBoxLayout(), self.copy_gate, self.folder_button)
        further.setStretch(1, 1)
        fill_layout(QVBoxLayout(below), self.tabs, Rows(("Colour by", self.colour_box)), further).setStretch(0, 1)
        parts = QSplitter(Qt.Orientation.Vertical)
        parts.setChildrenCollapsible(False)
        for part in (above, below):
            parts.addWidget(part)
        parts.setSizes([ALIKE, ALIKE])
        fill_layout(QVBoxLayout(self), parts)

    def _connect(self) -> None:
        self.all_columns.toggled.connect(self._show_columns)
        self.copy_button.clicked.connect(self.copy_rows)
        self.table_view.copy_wanted.connect(self.copy_rows)
        self.table_view.row_selected.connect(self.show_card)
        self.wide_button.clicked.connect(self.wide_wanted)
        self.colour_box.currentIndexChanged.connect(self._announce_colour)

    @property
    def table(self) -> pd.DataFrame:
        """The table shown, in its original order."""
        return self.table_view.table

    @property
    def gate(self) -> Gate | None:
        """The gate in the plot."""
        return self.plot.gate if self.plot is not None else None

    def show_measured(self, table: pd.DataFrame, regions: pd.DataFrame | None) -> None:
        """Show a new table."""
        if self.plot is None:
            # Loads matplotlib, which the window should not wait for before there is something to draw.
            from napari_unet_nuclei.gui.measure.plot import NucleiPlot

            self.plot = NucleiPlot()
            self._plotted.insertWidget(0, self.plot, stretch=1)
            self.plot.gated.connect(self._show_gate)
            self.plot.lassoed.connect(self.picked)
        self.table_view.set_table(table, titles_of(table.columns))
        self._show_columns()
        self.plot.set_table(table)
        self._list_colours(table)
        self.card.setText("")
        _give_room(self.card)
        self.regions.setText("" if regions is None else "\n".join(map(_region_text, regions.to_dict("records"))))
        self.show_facts()

    def replace_table(self, table: pd.DataFrame) -> None:
        """Show the same nuclei with other columns of positive ones and of classes; order and selection stay."""
        before = self.table
        self.table_view.replace_table(table, titles_of(table.columns))
        self._show_columns()

        self._list_colours(table)
        # Drawing takes long: only where the plot offers or shows other values.
        told = self.plot is not None and PROBABILITY in (self.plot.x_column, self.plot.y_column)
        if self.plot is not None and (told or numbers_of(before) != numbers_of(table)):
            self.plot.set_table(table)

    def _list_colours(self, table: pd.DataFrame) -> None:
        titles = {AS_THEY_ARE: "nothing: labels as they are", SELECTED: "gate or selection"}
        titles |= {CLASS: "class"} if CLASS in table.columns else {}
        of_columns = titles_of(table.columns)
        names = {name: of_columns[name] for name in numbers_of(table)}
        fill(self.colour_box, titles | names, self.colour_box.currentData())

    def show_facts(self) -> None:
        """Say mean and standard deviation of what is plotted, and how many nuclei are positive."""
        column = self.plot.x_column if self.plot is not None else ""
        lines = [_summary(self.table, column)] if column else []
        if self.gate is not None:
            inside = self.gate.holds(self.table)
            lines.append(f"{_gate_text(self.gate, self.table)}: {share_text(int(inside.sum()), len(inside))}")
        self.facts.setText("\n".join(lines))
        _give_room(self.facts)
        self.copy_gate.setEnabled(self.gate is not None)

    def show_card(self, _label: object = None) -> None:
        """Show the values of the current row."""
        row = self.table_view.selected_row
        self.card.setText("" if row < 0 else card_text(self.table, row))
        _give_room(self.card)

    def mark(self, rows: NDArray[np.int64]) -> None:
        """Mark rows in the plot."""
        if self.plot is not None:
            self.plot.mark(rows)

    def copy_rows(self) -> None:
        """Copy the selected rows, or all if at most one is selected, with the columns that are shown."""
        rows = self.table_view.selected_rows
        rows = rows if len(rows) > 1 else self.table_view.rows_in_order
        clipboard = QApplication.clipboard()
        assert clipboard is not None, "an application has one"
        clipboard.setText(as_text(self.table.iloc[rows], self._columns))

    @property
    def _columns(self) -> list[str]:
        """The columns that are shown."""
        if not self.all_columns.isChecked():
            return short_set(self.table)
        return [str(name) for name in self.table.columns if len(self.table) == 0 or self.table[name].notna().any()]

    def _show_columns(self) -> None:
        self.table_view.show_columns(self._columns)

    def _announce_colour(self) -> None:
        self.coloured.emit(str(self.colour_box.currentData() or AS_THEY_ARE))

    def _show_gate(self, gate: Gate | None) -> None:
        self.show_facts()
        self.gated.emit(gate)


def _button(text: str, tooltip: str) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(tooltip)
    return button


def _give_room(sentence: Sentence) -> None:
    """Let a sentence have all of its lines: a splitter counts one line for it, and would draw it over the table.

    One that says nothing has none.
    """
    sentence.setVisible(bool(sentence.text()))
    sentence.setMinimumHeight(max(sentence.heightForWidth(sentence.width()), 0) if sentence.text() else 0)


def _summary(table: pd.DataFrame, column: str) -> str:
    title, values = titles_of(table.columns)[column], table[column].to_numpy(np.float64)
    values = values[np.isfinite(values)]
    if not values.size:
        return f"{title}: no values."
    spread = f" ± {cell_text(float(values.std(ddof=1)))}" if len(values) > 1 else ""
    counted = quantity(len(values), "nucleus", "nuclei")
    return f"{title}: {cell_text(float(values.mean()))}{spread} (mean ± SD, {counted})"


def _gate_text(gate: Gate, table: pd.DataFrame) -> str:
    signs, titles = {">=": "≥", "<=": "≤"}, titles_of(table.columns)
    return " and ".join(f"{titles[one.column]} {signs.get(one.sign, one.sign)} {one.number:g}" for one in gate.limits)


def _region_text(row: dict[Any, Any]) -> str:
    density = row["nuclei_per_mm2"]
    per_area = f", {density:,.0f} per mm²" if np.isfinite(density) else f" in {row['area_px']:,} px²"
    positive = row.get("positive_percent", np.nan)
    share = f", {positive:.0f} % positive" if np.isfinite(positive) else ""
    return f"{row['region']}: {quantity(row['nuclei'], 'nucleus', 'nuclei')}{per_area}{share}"


def for_folders(gate: Gate, layers: Sequence[str]) -> str:
    """Return the text of a gate for *Batch* and the command line.

    There, columns begin with the channel's name; here, those of an image with several channels begin with the layer's.

    Examples
    --------
    >>> for_folders(Gate.of("cells_GFP_mean > 5 and DAPI_mean < 9"), ["cells", "DAPI"])
    'GFP_mean > 5 and DAPI_mean < 9'
    """
    return str(Gate(tuple(replace(limit, column=_channel_column(limit.column, layers)) for limit in gate.limits)))


def _channel_column(column: str, layers: Sequence[str]) -> str:
    for layer in layers:
        rest = column.removeprefix(f"{layer}_")
        if rest != column and rest.split("_")[0] not in ONE_CHANNEL:
            return rest
    return column


class WideTable(QWidget):
    """A view of another view's table, with all of its columns that have values."""

    seen = Signal(bool)
    """It came into sight, or is hidden or closed."""

    def __init__(self, narrow: TableView) -> None:
        super().__init__()
        self.view = TableView(shared=narrow)
        fill_layout(QVBoxLayout(self), self.view)
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


def write_features(layer: Labels, table: pd.DataFrame) -> None:
    """Write a table as the features of its layer: a row per row, with the label in ``label`` and ``index``.

    Columns that another plugin or the user has added since the first time are kept, nucleus by nucleus.
    """
    features, written = layer.features, layer.metadata.get(WRITTEN_KEY)
    new = table_features(table)
    if written is not None and not new.empty and {"label"} <= set(features.columns):
        own = [name for name in features.columns if name not in written and name not in new.columns]
        known = features[["label", *own]].drop_duplicates("label")
        new = new.merge(known, on="label", how="left") if own else new
    layer.features = new
    layer.metadata[WRITTEN_KEY] = ("index", *map(str, table.columns))
