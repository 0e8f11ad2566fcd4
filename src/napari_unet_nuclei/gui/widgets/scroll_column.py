"""A dock's controls in a column that scrolls where the window is too low, instead of being squeezed."""

from __future__ import annotations

from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtGui import QResizeEvent
from qtpy.QtWidgets import QFrame, QScrollArea, QVBoxLayout, QWidget


class ScrollColumn(QScrollArea):
    """Widgets one below the other, never narrower nor lower than they need to be.

    Qt's own scroll area forgets that sentences which wrap are higher in a narrow dock.

    Parameters
    ----------
    widgets : QWidget
        From the top.
    """

    def __init__(self, *widgets: QWidget, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._column = QWidget()
        self._layout = QVBoxLayout(self._column)
        self._layout.setContentsMargins(4, 8, 4, 4)
        for widget in widgets:
            self._layout.addWidget(widget)
        self._layout.addStretch(1)
        self.setWidget(self._column)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOn)  # else the width would jump
        self._column.installEventFilter(self)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Make room when a widget in the column needs more or less of it."""
        if watched is self._column and event is not None and event.type() == QEvent.Type.LayoutRequest:
            self._make_room()
        return super().eventFilter(watched, event)

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Make room: other widths wrap sentences otherwise."""
        super().resizeEvent(event)
        self._make_room()

    def _make_room(self) -> None:
        bar, viewport = self.verticalScrollBar(), self.viewport()
        assert bar is not None, "a scroll area has one"
        assert viewport is not None, "a scroll area has one"
        self.setMinimumWidth(self._layout.minimumSize().width() + bar.sizeHint().width())
        least = self._layout.minimumSize().height()  # what a layout without sentences needs at any width
        self._column.setMinimumHeight(max(self._layout.minimumHeightForWidth(viewport.width()), least))
