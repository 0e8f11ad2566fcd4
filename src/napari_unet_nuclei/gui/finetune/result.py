"""The result of fine-tuning: which model is better, figures, nuclei that changed, and the decision to keep it."""

from __future__ import annotations

from collections.abc import Iterable

from qtpy.QtCore import Qt, QUrl, Signal
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_unet_nuclei.core.finetune.undecided import ComparisonTable, Undecided
from napari_unet_nuclei.gui.widgets.confirm import is_sure
from napari_unet_nuclei.gui.widgets.fixed_call import FixedCall
from napari_unet_nuclei.gui.widgets.forms import Folded, fill
from napari_unet_nuclei.gui.widgets.picture import PictureView
from napari_unet_nuclei.gui.widgets.wrapped_label import Sentence

SPARE = 4
"""Pixels that themes draw around a table without reporting them."""

NONE_YET = "No new model is waiting for a decision. Once one is trained, it is compared with the old one here."


class ResultPanel(QWidget):
    """Shows a new model that waits for a decision."""

    keep_clicked = Signal(bool)
    """The user keeps the model, even if it is worse; True to segment with it at once."""

    def __init__(self) -> None:
        super().__init__()
        self.undecided: Undecided | None = None
        self.title_label, self.sentence_label, self.facts_label = (Sentence(selectable=True) for _ in range(3))
        self.sentence_label.setStyleSheet("font-weight: bold")
        self.keep_button = QPushButton("Keep")
        self.keep_button.setStyleSheet("font-weight: bold")
        self.keep_button.setToolTip("Add the new model to every list of models. The old one stays as it is.")
        self.again_button = QPushButton("Keep and segment again")
        self.again_button.setToolTip("Keep the new model, and segment the image of the Segment dock with it.")
        self.discard_button = QPushButton("Discard")
        self.discard_button.setToolTip("Delete the new model. The corrections stay.")
        self.report_button = QPushButton("Full report…")
        self.report_button.setToolTip("Open the report in a browser: figures, pictures and training curves.")
        self.table = _FiguresTable()
        self.changes_label = Sentence()
        self._pictures = QVBoxLayout()
        self._lay_out()
        self.keep_button.clicked.connect(FixedCall(self, self._keep, False).call)
        self.again_button.clicked.connect(FixedCall(self, self._keep, True).call)
        self.report_button.clicked.connect(self._open_report)
        self.show_undecided(())

    def _lay_out(self) -> None:
        buttons = fill(QHBoxLayout(), self.keep_button, self.discard_button, self.report_button)
        self._decisions = (self.keep_button, self.again_button, self.discard_button)
        self.figures = Folded(
            "Figures", "Scores of the old and the new model, and how it was taught.", self.table, self.facts_label
        )
        above = (self.title_label, self.sentence_label, self.again_button, buttons)
        fill(QVBoxLayout(self), *above, self.changes_label, self._pictures, self.figures)

    def show_undecided(self, waiting: Iterable[Undecided]) -> None:
        """Show the first of the models that wait for a decision."""
        models = tuple(waiting)
        self.undecided = models[0] if models else None
        shown = (self.sentence_label, self.changes_label, self.figures)
        for widget in (*shown, *self._decisions, self.report_button):
            widget.setVisible(bool(models))
        self._clear_pictures()
        if self.undecided is None:
            self.title_label.setText(NONE_YET)
            return
        result = self.undecided.result
        more = f" {len(models) - 1} more waiting." if len(models) > 1 else ""
        self.title_label.setText(f"New model '{result.name}', from '{result.base}'.{more}")
        self.sentence_label.setText(result.sentence)
        self.table.show_comparisons(result.comparisons)
        self.facts_label.setText("\n".join(f"{name}: {value}" for name, value in result.facts.items()))
        self._show_changes(self.undecided)

    def set_busy(self, busy: bool) -> None:
        """Disable Keep and Discard while something runs."""
        for button in self._decisions:
            button.setEnabled(not busy)

    def _show_changes(self, undecided: Undecided) -> None:
        changed = undecided.result.changed
        self.changes_label.setText(
            "Nuclei that changed: as corrected, as found by the old model, and by the new one."
            if changed
            else "Both models find the same held-out nuclei."
        )
        for became, path in zip(changed, undecided.pictures, strict=True):
            view = PictureView(became)
            view.load(str(path))
            row = QWidget()
            fill(QVBoxLayout(row), QLabel(became), view)
            self._pictures.addWidget(row)

    def _clear_pictures(self) -> None:
        while self._pictures.count():
            item = self._pictures.takeAt(0)
            widget = item.widget() if item is not None else None
            # Out of the layout, but still a child that would be drawn over the others.
            if widget is not None:
                widget.deleteLater()

    def _keep(self, segment_again: bool) -> None:
        """Keep the model; ask first if it is worse."""
        if self.undecided is not None and (not self.undecided.result.worse or self._is_sure(self.undecided)):
            self.keep_clicked.emit(segment_again)

    def _is_sure(self, undecided: Undecided) -> bool:
        """Ask about the user's own images first: what the old model was made for may matter less."""
        result = undecided.result
        own = result.comparisons[0]
        more = f"Worse on: {', '.join(result.worse).lower()}.\n{result.sentence}"
        if own.outcome == "worse":
            text = f"'{result.name}' is worse on your own images than '{result.base}'. Keep it anyway?"
            return is_sure(self, "Keep a worse model?", text, more, "Keep", warning=True)
        better = "Better on your images" if own.outcome == "better" else "Not clearly better on your images"
        text = f"{better}, worse on others that '{result.base}' can do. Keep it?"
        return is_sure(self, "Keep the new model?", text, more, "Keep", likely=own.outcome == "better")

    def _open_report(self) -> None:
        if self.undecided is not None:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(self.undecided.report)))


class _FiguresTable(QTableWidget):
    """Figures of the old and the new model, with a heading for each set of nuclei."""

    def __init__(self) -> None:
        super().__init__(0, 3)
        self.setHorizontalHeaderLabels(["", "Old", "New"])
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setShowGrid(False)
        for policy in (self.setVerticalScrollBarPolicy, self.setHorizontalScrollBarPolicy):
            policy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        rows, columns = self.verticalHeader(), self.horizontalHeader()
        assert rows is not None, "Qt makes both headers with the table"
        assert columns is not None
        rows.hide()
        columns.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        columns.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self._rows, self._columns = rows, columns

    def show_comparisons(self, comparisons: Iterable[ComparisonTable]) -> None:
        """Show figures."""
        self.setRowCount(0)
        self.clearSpans()
        self._rows.setDefaultSectionSize(self.fontMetrics().height() + 4)
        for number, comparison in enumerate(comparisons):
            self._head(f"{comparison.title} ({comparison.nuclei})", bold=True)
            # The sentence above the table states the outcome of the first one.
            if number:
                self._head(comparison.outcome)
            for row in comparison.rows:
                self._add(row)
        self.setFixedHeight(self._columns.sizeHint().height() + self._rows.length() + 2 * self.frameWidth() + SPARE)

    def _head(self, text: str, *, bold: bool = False) -> None:
        self._add((text, "", ""), bold=bold)
        self.setSpan(self.rowCount() - 1, 0, 1, self.columnCount())

    def _add(self, texts: tuple[str, str, str], *, bold: bool = False) -> None:
        row = self.rowCount()
        self.insertRow(row)
        for column, text in enumerate(texts):
            item = QTableWidgetItem(text)
            font = item.font()
            font.setBold(bold)
            item.setFont(font)
            item.setToolTip(text)
            if column:
                item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            self.setItem(row, column, item)
