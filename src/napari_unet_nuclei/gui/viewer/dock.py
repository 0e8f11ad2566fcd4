"""What all docks share: they lie over one another as tabs, where napari would squeeze them one below the other."""

from __future__ import annotations

from typing import TypeVar

from qtpy.QtCore import QTimer, Signal
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QDockWidget, QMainWindow, QWidget

WidgetType = TypeVar("WidgetType", bound=QWidget)


class Dock(QWidget):
    """A dock of this plugin, which opens as a tab beside those that are open on the same side of the window."""

    tab_title = ""
    """A word for its tab: six of them fit beside each other. The bar above the dock has the whole name."""

    front_changed = Signal()
    """It came to the front of its tabs, or went behind another one: Qt sends no show or hide event then."""

    def __init__(self) -> None:
        super().__init__()
        self._frame: QDockWidget | None = None
        self._is_behind = False
        self._is_placed = False

    @property
    def is_in_front(self) -> bool:
        """True while it is shown, and no other tab lies over it."""
        return self.isVisible() and not self._is_behind

    def showEvent(self, event: QShowEvent | None) -> None:
        """Find a place when it is shown for the first time; where it goes later is the user's affair."""
        super().showEvent(event)
        frame = ancestor(self, QDockWidget)
        if frame is not None and frame is not self._frame:
            self._frame = frame
            frame.setWindowTitle(self.tab_title)
            frame.visibilityChanged.connect(self._note_visibility)
            frame.topLevelChanged.connect(self._note_floating)
            QTimer.singleShot(0, self._share_tabs)  # napari is not done with placing it

    def _note_visibility(self, visible: bool) -> None:
        self._is_behind = not visible
        self.front_changed.emit()

    def _note_floating(self, floating: bool) -> None:
        if floating:  # Qt does not say that a dock that was taken out from behind can be seen
            self._note_visibility(True)

    def _share_tabs(self) -> None:
        """Lie over the last of our docks on the same side of the window."""
        self._is_placed = True
        frame, window = self._frame, ancestor(self, QMainWindow)
        if frame is None or window is None or frame.isFloating() or window.tabifiedDockWidgets(frame):
            return
        side = window.dockWidgetArea(frame)
        for other in reversed(window.findChildren(QDockWidget)):
            beside = not other.isHidden() and not other.isFloating() and window.dockWidgetArea(other) == side
            if other is not frame and beside and any(dock._is_placed for dock in other.findChildren(Dock)):
                window.tabifyDockWidget(other, frame)
                frame.raise_()
                return


def ancestor(widget: QWidget, kind: type[WidgetType]) -> WidgetType | None:
    """Return the closest widget of a kind that another one lies in, also where it lies in a dock that floats."""
    parent: QWidget | None = widget.parentWidget()
    while parent is not None and not isinstance(parent, kind):
        parent = parent.parentWidget()
    return parent
