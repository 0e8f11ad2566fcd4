"""A column of controls that scrolls in a low window instead of squeezing them."""

from __future__ import annotations

from qtpy.QtCore import QEvent, QPoint, Qt, Signal
from qtpy.QtGui import QResizeEvent
from qtpy.QtWidgets import QFrame, QScrollArea, QVBoxLayout, QWidget

from napari_unet_nuclei.gui.widgets.rest_timer import call_soon


class ScrollColumn(QScrollArea):
    """Widgets one below the other, never narrower or lower than they need to be.

    QScrollArea alone ignores that wrapped text is taller in a narrow dock.

    Parameters
    ----------
    *widgets : QWidget
    filled : bool
        Let the widgets take the room that is left below them.
    """

    def __init__(self, *widgets: QWidget, filled: bool = False, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._column = _Column()
        self._layout = QVBoxLayout(self._column)
        self._layout.setContentsMargins(4, 8, 4, 4)
        for widget in widgets:
            self._layout.addWidget(widget)
        if not filled:
            self._layout.addStretch(1)
        self.setWidget(self._column)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOn)  # else the width would jump
        self._column.laid_out.connect(self._make_room)

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Adapt the height: text wraps differently at another width."""
        super().resizeEvent(event)
        self._make_room()

    def show_part(self, widget: QWidget) -> None:
        """Scroll until a widget is seen, or as much of it from its top as there is room for, once it has its place."""
        call_soon(self, self._scroll_to, widget)

    def _scroll_to(self, widget: QWidget) -> None:
        self._layout.activate()  # of what has just been unfolded
        self._make_room()
        bar, viewport = self.verticalScrollBar(), self.viewport()
        assert bar is not None, "a scroll area has one"
        assert viewport is not None, "a scroll area has one"
        top = widget.mapTo(self._column, QPoint()).y()
        lowest = top + widget.height() - viewport.height()
        bar.setValue(min(max(bar.value(), lowest), top))

    def _make_room(self) -> None:
        bar, viewport = self.verticalScrollBar(), self.viewport()
        assert bar is not None, "a scroll area has one"
        assert viewport is not None, "a scroll area has one"
        self.setMinimumWidth(self._layout.minimumSize().width() + bar.sizeHint().width())
        least = self._layout.minimumSize().height()  # minimumHeightForWidth is -1 without wrapped text
        self._column.setMinimumHeight(max(self._layout.minimumHeightForWidth(viewport.width()), least))


class _Column(QWidget):
    """Emits a signal when a widget in it needs more or less room.

    An event filter in the scroll area would also be called while that is being destroyed, without its attributes.
    """

    laid_out = Signal()

    def event(self, event: QEvent | None) -> bool:
        """Announce a new layout."""
        if event is not None and event.type() == QEvent.Type.LayoutRequest:
            self.laid_out.emit()
        return super().event(event)
