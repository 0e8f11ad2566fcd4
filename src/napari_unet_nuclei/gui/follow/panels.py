"""What the dock shows of tracks: the doubtful ones with the buttons that answer them, and the tree of a family."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from qtpy.QtCore import QPointF, QRectF, Qt, Signal
from qtpy.QtGui import QColor, QKeySequence, QMouseEvent, QPainter, QPaintEvent, QPalette, QPen
from qtpy.QtWidgets import QGridLayout, QPushButton, QShortcut, QSizePolicy, QTreeWidgetItem, QVBoxLayout, QWidget

from napari_unet_nuclei.core.tracking.doubt import Doubt
from napari_unet_nuclei.core.tracking.lineage import Lineages
from napari_unet_nuclei.core.tracking.tree import Branch
from napari_unet_nuclei.gui.widgets.fixed_call import FixedCall
from napari_unet_nuclei.gui.widgets.forms import SPACING, fill
from napari_unet_nuclei.gui.widgets.row_list import RowList
from napari_unet_nuclei.gui.widgets.wrapped_label import Sentence

MOST_LISTED = 500
"""Rows; what is beyond comes up when others are answered."""

KINDS = {"division": "Division", "link": "Link", "begin": "Begins", "end": "Ends"}

MARGIN = 10
"""Pixels around the lines."""

ROW = (8, 22)
"""Smallest and largest distance of lines in pixels."""

HEIGHT = (40, 180)
"""Pixels; a larger family is drawn closer together."""

REACH = 6
"""Pixels from a line within which a click means it."""

Colour = tuple[float, float, float]


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


class TreeView(QWidget):
    """Draws one family; a click tells the track and the frame."""

    clicked = Signal(int, int)
    """Track and frame."""

    def __init__(self) -> None:
        super().__init__()
        self._family: Sequence[Branch] = ()
        self._colours: dict[int, Colour] = {}
        self._frames = 1
        self._track = self._frame = 0
        self.setToolTip("The relatives of this nucleus over time. Click a line to see its nucleus in that frame.")
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.show_family((), 1, dict)

    @property
    def family(self) -> Sequence[Branch]:
        """The tracks that are drawn."""
        return self._family

    def show_family(self, family: Sequence[Branch], frames: int, colours: Callable[[], dict[int, Colour]]) -> None:
        """Draw a family in a movie of so many frames; ``colours`` are red, green and blue from 0 to 1 by track."""
        self._family, self._frames, self._colours = family, max(frames, 2), colours()
        leaves = max((branch.place for branch in family), default=0.0)
        least, most = HEIGHT
        self.setFixedHeight(int(min(max(2 * MARGIN + ROW[1] * leaves, least), most)))
        self.update()

    def mark(self, track: int, frame: int) -> None:
        """Mark the nucleus that is shown."""
        self._track, self._frame = track, frame
        self.update()

    def point(self, branch: Branch, frame: int) -> QPointF:
        """Return where a track is drawn in a frame."""
        leaves = max((one.place for one in self._family), default=0.0)
        across = (self.height() - 2 * MARGIN) * (branch.place / leaves if leaves else 0.5)
        along = (self.width() - 2 * MARGIN) * frame / (self._frames - 1)
        return QPointF(MARGIN + along, MARGIN + across)

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Draw the lines, and the nucleus that is shown."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        text = self.palette().color(QPalette.ColorRole.WindowText)
        branches = {branch.track: branch for branch in self._family}
        for branch in self._family:
            colour = QColor.fromRgbF(*self._colours.get(branch.track, (0.5, 0.5, 0.5)))
            wide = branch.track == self._track
            painter.setPen(QPen(colour, 4 if wide else 2))
            painter.drawLine(self.point(branch, branch.first), self.point(branch, branch.last))
            mother = branches.get(branch.parent)
            if mother is not None:
                painter.setPen(QPen(text, 1))
                painter.drawLine(self.point(mother, mother.last), self.point(branch, branch.first))
            if wide and branch.first <= self._frame <= branch.last:
                centre = self.point(branch, self._frame)
                painter.setPen(QPen(text, 1.5))
                painter.drawEllipse(QRectF(centre.x() - 5, centre.y() - 5, 10, 10))

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        """Tell which track is clicked, and in which frame."""
        if event is None or event.button() != Qt.MouseButton.LeftButton:
            return
        place = event.position()
        frame = round((place.x() - MARGIN) / max(self.width() - 2 * MARGIN, 1) * (self._frames - 1))
        near = [
            (abs(self.point(branch, 0).y() - place.y()), branch)
            for branch in self._family
            if branch.first - 1 <= frame <= branch.last + 1
        ]
        away, branch = min(near, key=lambda one: one[0], default=(REACH + 1.0, None))
        if branch is not None and away <= REACH:
            self.clicked.emit(branch.track, min(max(frame, branch.first), branch.last))
