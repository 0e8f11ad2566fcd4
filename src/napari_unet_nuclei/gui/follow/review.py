"""What is doubtful, one row each, and the buttons that answer it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QKeySequence
from qtpy.QtWidgets import QGridLayout, QPushButton, QShortcut, QTreeWidgetItem, QVBoxLayout, QWidget

from napari_unet_nuclei.core.tracking.doubt import Doubt
from napari_unet_nuclei.core.tracking.lineage import Lineages
from napari_unet_nuclei.gui.widgets.fixed_call import FixedCall
from napari_unet_nuclei.gui.widgets.forms import SPACING, fill
from napari_unet_nuclei.gui.widgets.row_list import RowList
from napari_unet_nuclei.gui.widgets.wrapped_label import Sentence

MOST_LISTED = 500
"""Rows; what is beyond comes up when others are answered."""

KINDS = {"division": "Division", "link": "Link", "begin": "Begins", "end": "Ends"}


@dataclass(frozen=True)
class Answer:
    """A button with its key in Qt's notation."""

    verb: str
    text: str
    key: str
    tooltip: str


ANSWERS = (
    Answer("accept", "Right", "A", "It is right as it is: take it off the list, and go on to the next one."),
    Answer("next", "Next", "N", "Leave it, and go on to the next one."),
    Answer("cut", "Cut track", "Shift+K", "The nucleus clicked last is another one than before: a new track."),
    Answer("link", "Link", "L", "The two nuclei clicked last are the same one: link them."),
    Answer("join", "Join tracks", "Shift+J", "Of the two tracks clicked last, one goes on as the other."),
    Answer("divide", "Division", "V", "Of the two nuclei clicked last, the later is a daughter of the earlier."),
    Answer("undo", "Undo", "Ctrl+Z", "Take back the last correction, without limit."),
    Answer("redo", "Redo", "Ctrl+Shift+Z", "Repeat what was taken back last."),
)


class ReviewPanel(QWidget):
    """The list, what is picked, and the buttons."""

    pressed = Signal(str)
    """Verb of an `Answer`."""

    chosen = Signal(object)
    """The `Doubt` of the row that was clicked."""

    def __init__(self) -> None:
        super().__init__()
        self._doubts: list[Doubt] = []
        self.list = RowList(("To look at", "track", "frame"))
        self.list.setToolTip("Click a row to see it, the most doubtful first.")
        self.picked = Sentence()
        self.buttons: dict[str, QPushButton] = {}
        self._keys: list[QShortcut] = []
        grid = QGridLayout()
        grid.setSpacing(SPACING)
        for number, answer in enumerate(ANSWERS):
            button = QPushButton(f"{answer.text}  ({answer.key})")
            button.setToolTip(answer.tooltip)
            button.clicked.connect(FixedCall(button, self._press, answer.verb).call)
            grid.addWidget(button, number // 2, number % 2)
            self.buttons[answer.verb] = button
            key = QShortcut(QKeySequence(answer.key), self)
            key.setContext(Qt.ShortcutContext.ApplicationShortcut)  # the canvas has the focus
            key.setAutoRepeat(answer.verb in ("undo", "redo"))
            key.setEnabled(False)
            key.activated.connect(FixedCall(key, self._press, answer.verb).call)
            self._keys.append(key)
        fill(QVBoxLayout(self), self.list, self.picked, grid)
        self.list.itemSelectionChanged.connect(self._choose)

    @property
    def current(self) -> Doubt | None:
        """The doubt of the selected row."""
        item = self.list.currentItem()
        row = -1 if item is None or not item.isSelected() else self.list.indexOfTopLevelItem(item)
        return self._doubts[row] if 0 <= row < len(self._doubts) else None

    def set_keys(self, enabled: bool) -> None:
        """Take the keys, or leave them to others."""
        for key in self._keys:
            key.setEnabled(enabled)

    def show_doubts(self, doubts: Sequence[Doubt], lineages: Lineages) -> None:
        """List what is doubtful; nothing is selected."""
        blocked = self.list.blockSignals(True)
        self.list.clear()
        self._doubts = list(doubts[:MOST_LISTED])
        for doubt in self._doubts:
            track, frame = lineages.track[doubt.row], lineages.spots.frame[doubt.row]
            item = QTreeWidgetItem([f"{KINDS[doubt.kind]}: {doubt.reason}", str(track), str(frame)])
            item.setToolTip(0, doubt.reason)
            self.list.addTopLevelItem(item)
        self.list.fit_height()
        self.list.blockSignals(blocked)

    def select(self, row: int) -> None:
        """Select the row at a place, the last one if there are fewer; nothing in an empty list."""
        item = self.list.topLevelItem(min(row, self.list.topLevelItemCount() - 1))
        if item is not None:
            self.list.setCurrentItem(item)

    def place(self) -> int:
        """Return the place of the selected row; -1 for none."""
        return self._doubts.index(self.current) if self.current is not None else -1

    def _choose(self) -> None:
        if self.current is not None:
            self.chosen.emit(self.current)

    def _press(self, verb: str) -> None:
        self.pressed.emit(verb)
