"""The plot under the table: a histogram or a scatter, with a gate that can be dragged, and a lasso."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.backends.backend_qtagg import FigureCanvasQTAgg
from matplotlib.figure import Figure
from matplotlib.path import Path
from matplotlib.widgets import LassoSelector, RectangleSelector, SpanSelector
from numpy.typing import NDArray
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QHBoxLayout, QSizePolicy, QVBoxLayout, QWidget

from napari_unet_nuclei.core.labels.measure.gate import Gate, Limit
from napari_unet_nuclei.gui.viewer.columns import numbers_of, titles_of
from napari_unet_nuclei.gui.widgets.choice_box import choice_box, fill
from napari_unet_nuclei.gui.widgets.forms import SPACING
from napari_unet_nuclei.gui.widgets.forms import fill as fill_layout
from napari_unet_nuclei.gui.widgets.loss_plot import SMALL, PlotColours

HEIGHT = 130
"""Pixels."""

COUNT = ""
"""Value of the second box for a histogram."""

MOST_BINS = 60
DOT_LIMIT = 5000
"""Rows up to which a scatter has dots; more are single pixels, of which 100,000 are drawn in a quarter of a second."""

NEAR = 0.005
"""Share of the axis within which its end is meant."""

FEW = 20
"""Marked rows up to which each has a mark of its own in a histogram: their part of a bar may be too low to be seen."""

MARKED = "marked rows"
"""Name of the dots of marked rows, among all that is drawn."""

BLUE, ORANGE = "#56b4e9", "#ff9f1c"

MARGINS = (52, 38, 12, 6)
"""Pixels left of, below, right of and above the axes for small letters; matplotlib's own layout takes longer."""


class NucleiPlot(QWidget):
    """Draws one or two columns of a table; a gate or a lasso selects rows."""

    gated = Signal(object)
    """The user drew, moved or removed the gate: a `Gate` or None."""

    lassoed = Signal(object)
    """The user drew a lasso around rows: ndarray of their numbers."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._table = pd.DataFrame()
        self._colours = PlotColours()
        self._selector: Any = None
        self._marked: NDArray[np.int64] = np.zeros(0, np.int64)
        self._marks: list[Any] = []
        self._edges: NDArray[np.float64] = np.zeros(0)
        self.gate: Gate | None = None
        self.x_box = choice_box("Column along the axis.")
        self.y_box = choice_box("Second column, for a scatter of the two; none draws a histogram.")
        self.log_box = QCheckBox("log")
        self.log_box.setToolTip("Logarithmic axes, as for intensities that differ by orders of magnitude.")
        self.lasso_box = QCheckBox("lasso")
        self.lasso_box.setToolTip("Draw round nuclei of a scatter to select them, instead of a gate.")
        self.figure = Figure()
        self.axes = self.figure.add_axes((0.0, 0.0, 1.0, 1.0))
        self.canvas = FigureCanvasQTAgg(self.figure)
        self.canvas.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Expanding)
        self.canvas.setMinimumHeight(HEIGHT)
        row = fill_layout(QHBoxLayout(), self.x_box, self.y_box, self.log_box, self.lasso_box)
        row.setStretch(0, 1)
        row.setStretch(1, 1)
        fill_layout(QVBoxLayout(self), row, self.canvas).setSpacing(SPACING)
        self.x_box.currentIndexChanged.connect(self._change_columns)
        self.y_box.currentIndexChanged.connect(self._change_columns)
        self.log_box.toggled.connect(self._draw)
        self.lasso_box.toggled.connect(self._draw)
        self.canvas.mpl_connect("key_press_event", self._remove_by_key)
        self.canvas.mpl_connect("resize_event", self._place)
        self.canvas.setToolTip(
            "Drag to set the gate; drag its edges or its middle to move it; a click removes it.\n"
            "An edge beyond the plot means no limit on that side."
        )

    @property
    def x_column(self) -> str:
        """Column along the axis."""
        return str(self.x_box.currentData() or "")

    @property
    def y_column(self) -> str:
        """Second column; empty for a histogram."""
        return str(self.y_box.currentData() or COUNT)

    def set_table(self, table: pd.DataFrame) -> None:
        """Draw another table; columns and gate stay where the table has them."""
        self._table, self._marked = table, np.zeros(0, np.int64)
        titles, names = titles_of(table.columns), numbers_of(table)
        fill(self.x_box, {name: titles[name] for name in names}, self.x_column)
        fill(self.y_box, {COUNT: "how many", **{name: titles[name] for name in names}}, self.y_column)
        if self.gate is not None and not {limit.column for limit in self.gate.limits} <= set(names):
            self.gate = None
        self._draw()

    def set_colours(self, colours: PlotColours) -> None:
        """Use the colours of another theme."""
        self._colours = colours
        self._draw()

    def remove_gate(self) -> None:
        """Remove the gate."""
        self.gate = None
        self._draw()
        self.gated.emit(None)

    def mark(self, rows: NDArray[np.int64]) -> None:
        """Mark rows: their dots in a scatter; their part of the bars, and the places of few, in a histogram."""
        self._marked = rows
        self._draw_marks()
        self.canvas.draw_idle()

    def _draw_marks(self) -> None:
        for artist in self._marks:
            artist.remove()
        self._marks = []
        if not self._marked.size or not self.x_column:
            return
        style: dict[str, Any] = {"color": ORANGE, "markeredgewidth": 0, "scalex": False, "scaley": False, "gid": MARKED}
        x = self._table[self.x_column].to_numpy(np.float64)[self._marked]
        if self.y_column:
            y = self._table[self.y_column].to_numpy(np.float64)[self._marked]
            self._marks += self.axes.plot(x, y, "o", markersize=4, **style)
            return
        if self._edges.size:
            counts, _ = np.histogram(x[np.isfinite(x)], self._edges)
            self._marks.append(self.axes.stairs(counts, self._edges, fill=True, color=ORANGE))
        if len(x) <= FEW:
            self._marks += self.axes.plot(x, np.zeros(len(x)), "^", clip_on=False, **style)

    def _place(self, _event: Any = None) -> None:
        """Keep the room of the texts around the axes, however large the plot is."""
        left, below, right, above = (pixels * self._colours.letters / SMALL for pixels in MARGINS)
        width, height = max(self.canvas.width(), 2 * left), max(self.canvas.height(), 2 * below)
        self.axes.set_position((left / width, below / height, 1 - (left + right) / width, 1 - (below + above) / height))

    def _change_columns(self) -> None:
        had = self.gate
        self.gate = None
        self._draw()
        if had is not None:
            self.gated.emit(None)

    def _remove_by_key(self, event: Any) -> None:
        if event.key in ("escape", "delete"):
            self.remove_gate()

    def _draw(self) -> None:
        """Draw everything anew, but the gate, which is an artist of its own above."""
        if self._selector is not None:
            # It would go on answering the mouse until it is collected.
            self._selector.disconnect_events()
            self._selector = None
        self.axes.clear()
        self._marks, self._edges = [], np.zeros(0)  # gone with what was drawn
        self.lasso_box.setEnabled(bool(self.y_column))
        if self.x_column:
            draw = self._draw_scatter if self.y_column else self._draw_histogram
            draw()
            self._draw_marks()
            self._add_selector()
        self._dress()
        self._place()
        self.canvas.draw_idle()

    def _draw_histogram(self) -> None:
        values = self._table[self.x_column].to_numpy(np.float64)
        values = values[np.isfinite(values) & ((values > 0) | (not self.log_box.isChecked()))]
        if not values.size:
            return
        low, high = float(values.min()), float(values.max())
        high = high if high > low else low + 1
        bins = int(np.clip(np.sqrt(len(values)), 8, MOST_BINS)) + 1
        edges = np.geomspace(low, high, bins) if self.log_box.isChecked() else np.linspace(low, high, bins)
        counts, edges = np.histogram(values, edges)
        self._edges = edges
        self.axes.stairs(counts, edges, fill=True, color=BLUE)
        self.axes.set_xscale("log" if self.log_box.isChecked() else "linear")
        self.axes.set_xlim(edges[0], edges[-1])
        self.axes.set_ylim(0, counts.max() * 1.05)

    def _draw_scatter(self) -> None:
        marker, size = (",", 1.0) if len(self._table) > DOT_LIMIT else ("o", 3.0)
        x, y = (self._table[name].to_numpy(np.float64) for name in (self.x_column, self.y_column))
        self.axes.plot(x, y, marker, color=BLUE, markersize=size, markeredgewidth=0)
        if self.log_box.isChecked():
            self.axes.set_xscale("log")
            self.axes.set_yscale("log")

    def _add_selector(self) -> None:
        """Let the mouse draw a gate, or a lasso; what is drawn before is shown again."""
        style: dict[str, Any] = {"facecolor": ORANGE, "edgecolor": ORANGE, "alpha": 0.3}
        shown = {} if self.gate is None else _spans(self.gate)
        if not self.y_column:
            span = SpanSelector(
                self.axes,
                self._gate_span,
                "horizontal",
                useblit=True,
                interactive=True,
                drag_from_anywhere=True,
                props=style,
                onmove_callback=self._gate_span,
            )
            if self.x_column in shown:
                span.extents = _clipped(shown[self.x_column], self.axes.get_xlim())
            self._selector = span
        elif self.lasso_box.isChecked():
            self._selector = LassoSelector(self.axes, self._lasso, useblit=True, props={"color": ORANGE})
        else:
            box = RectangleSelector(
                self.axes, self._gate_box, useblit=True, interactive=True, drag_from_anywhere=True, props=style
            )
            if shown:
                everything = (-np.inf, np.inf)
                x = _clipped(shown.get(self.x_column, everything), self.axes.get_xlim())
                box.extents = (*x, *_clipped(shown.get(self.y_column, everything), self.axes.get_ylim()))
            self._selector = box

    def _gate_span(self, low: float, high: float) -> None:
        self._set_gate(_limits(self.x_column, (low, high), self.axes.get_xlim()) if high > low else [])

    def _gate_box(self, _press: Any, _release: Any) -> None:
        x0, x1, y0, y1 = self._selector.extents
        if x1 <= x0 or y1 <= y0:
            self._set_gate([])
            return
        limits = _limits(self.x_column, (x0, x1), self.axes.get_xlim())
        self._set_gate([*limits, *_limits(self.y_column, (y0, y1), self.axes.get_ylim())])

    def _set_gate(self, limits: list[Limit]) -> None:
        self.gate = Gate(tuple(limits)) if limits else None
        self.gated.emit(self.gate)

    def _lasso(self, corners: list[tuple[float, float]]) -> None:
        points = self._table[[self.x_column, self.y_column]].to_numpy(np.float64)
        inside: NDArray[np.bool_] = Path(corners).contains_points(points) if len(corners) > 2 else np.zeros(0, bool)
        self.lassoed.emit(np.flatnonzero(inside))

    def _dress(self) -> None:
        colours, letters = self._colours, self._colours.letters
        self.figure.set_facecolor(colours.background)
        self.axes.set_facecolor(colours.background)
        self.axes.tick_params(colors=colours.text, labelsize=letters)
        self.axes.set_xlabel(self.x_box.currentText())
        self.axes.set_ylabel(self.y_box.currentText() if self.y_column else "nuclei")
        for label in (self.axes.xaxis.label, self.axes.yaxis.label):
            label.set(color=colours.text, fontsize=letters)
        for name, spine in self.axes.spines.items():
            spine.set(color=colours.text, alpha=0.4, visible=name in ("left", "bottom"))


def _limits(column: str, chosen: tuple[float, float], shown: tuple[float, float]) -> list[Limit]:
    """Return the limits of a range; a side that reaches the end of the axis has none.

    Examples
    --------
    >>> [str(limit) for limit in _limits("GFP_mean", (500.0, 1000.0), (0.0, 1000.0))]
    ['GFP_mean >= 500']
    """
    (low, high), (start, stop) = chosen, shown
    limits = [Limit(column, ">=", _rounded(low))] if low > start else []
    # A mouse does not reach the end to the last digit.
    return [*limits, Limit(column, "<=", _rounded(high))] if high < stop - NEAR * (stop - start) else limits


def _rounded(value: float) -> float:
    """Round to what one reads and types; the gate is what its text says, not a pixel of the plot more."""
    return float(f"{value:.4g}")


def _spans(gate: Gate) -> dict[str, tuple[float, float]]:
    """Return the range that a gate leaves of each column."""
    spans: dict[str, tuple[float, float]] = {}
    for limit in gate.limits:
        low, high = spans.get(limit.column, (-np.inf, np.inf))
        spans[limit.column] = (max(low, limit.number), high) if ">" in limit.sign else (low, min(high, limit.number))
    return spans


def _clipped(span: tuple[float, float], shown: tuple[float, float]) -> tuple[float, float]:
    return max(span[0], shown[0]), min(span[1], shown[1])
