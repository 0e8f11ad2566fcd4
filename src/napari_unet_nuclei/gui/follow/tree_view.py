"""The picture of a lineage: time to the right, a line per track, one above the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from qtpy.QtCore import QPointF, QRectF, Qt, Signal
from qtpy.QtGui import QColor, QMouseEvent, QPainter, QPaintEvent, QPalette, QPen
from qtpy.QtWidgets import QSizePolicy, QWidget

from napari_unet_nuclei.core.tracking.tree import Branch

MARGIN = 10
"""Pixels around the lines."""

ROW = (8, 22)
"""Smallest and largest distance of lines in pixels."""

HEIGHT = (40, 180)
"""Pixels; a larger family is drawn closer together."""

REACH = 6
"""Pixels from a line within which a click means it."""

Colour = tuple[float, float, float]


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
