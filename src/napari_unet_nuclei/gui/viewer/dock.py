"""Base class of the docks: they open as tabs, where napari would squeeze them one below the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QEnterEvent, QShowEvent
from qtpy.QtWidgets import QApplication, QDockWidget, QMainWindow, QTabBar, QWidget

from napari_unet_nuclei.gui import PLUGIN
from napari_unet_nuclei.gui.viewer.help import DockHelp
from napari_unet_nuclei.gui.viewer.letters import LetterSize
from napari_unet_nuclei.gui.widgets.binding import warn_of_binding
from napari_unet_nuclei.gui.widgets.calm_wheel import CalmWheel
from napari_unet_nuclei.gui.widgets.key_card import Key
from napari_unet_nuclei.gui.widgets.rest_timer import call_soon

if TYPE_CHECKING:
    from napari import Viewer

SEGMENT, CORRECT, FOLLOW, MEASURE, FINETUNE, BATCH, MODELS = (
    "Segment nuclei",
    "Correct nuclei",
    "Follow over time",
    "Measure nuclei",
    "Fine-tune",
    "Batch segment folder",
    "Models",
)
"""Names of the docks in the manifest, in the order of work."""

TAB_ORDER = ("Segment", "Correct", "Follow", "Measure", "Evaluate", "Fine-tune", "Batch", "Models")
"""Titles of the tabs, in the order of work."""

WidgetType = TypeVar("WidgetType", bound=QWidget)


class Dock(QWidget):
    """A dock of this plugin, which opens as a tab with those on the same side of the window."""

    tab_title = ""
    """A short title, so that seven tabs fit side by side; the dock's title bar has the full name."""

    page = "index"
    """Name of its page in the documentation."""

    front_changed = Signal()
    """It came to the front of its tabs or went behind another one, for which Qt sends no show or hide event."""

    def __init__(self) -> None:
        super().__init__()
        self._frame: QDockWidget | None = None
        self._is_behind = False
        self._is_placed = False
        # Before it is added: napari puts docks one below the other, which makes the window taller than the screen.
        self._rooms = {id(one): one.size() for one in QApplication.topLevelWidgets() if isinstance(one, QMainWindow)}
        self._wheel, self._letters = CalmWheel(self), LetterSize(self)
        self.help = DockHelp(self, self.page, self.keys_told)

    def keys_told(self) -> Sequence[Key]:
        """Return the keys of this dock, and what they do."""
        return ()

    @property
    def is_in_front(self) -> bool:
        """True while it is shown and no other tab covers it."""
        return self.isVisible() and not self._is_behind

    def showEvent(self, event: QShowEvent | None) -> None:
        """Join the other tabs when shown for the first time; later the user decides where it goes."""
        super().showEvent(event)
        self._wheel.calm(self)
        self._letters.follow()
        warn_of_binding()
        frame = ancestor(self, QDockWidget)
        if frame is not None and frame is not self._frame:
            self._frame = frame
            frame.setWindowTitle(self.tab_title)
            self.help.follow(frame)
            frame.visibilityChanged.connect(self._note_visibility)
            frame.topLevelChanged.connect(self._note_floating)
            call_soon(self, self._share_tabs)  # napari has not placed it yet

    def enterEvent(self, event: QEnterEvent | None) -> None:
        """Guard controls that were added since: no wheel turns in the dock before the mouse has come into it."""
        super().enterEvent(event)
        self._wheel.calm(self)

    def _note_visibility(self, visible: bool) -> None:
        self._is_behind = not visible
        self.front_changed.emit()

    def _note_floating(self, floating: bool) -> None:
        if floating:  # Qt does not report that a covered dock becomes visible by this
            self._note_visibility(True)

    def _share_tabs(self) -> None:
        """Become a tab over the last of our docks on the same side of the window."""
        self._is_placed = True
        frame, window = self._frame, ancestor(self, QMainWindow)
        if frame is None or window is None or frame.isFloating() or window.tabifiedDockWidgets(frame):
            return
        side = window.dockWidgetArea(frame)
        for other in reversed(window.findChildren(QDockWidget)):
            beside = not other.isHidden() and not other.isFloating() and window.dockWidgetArea(other) == side
            if other is not frame and beside and any(dock._is_placed for dock in other.findChildren(Dock)):
                window.tabifyDockWidget(other, frame)
                self._sort_tabs(window, frame)
                frame.raise_()
                call_soon(self, self._show_whole_titles)  # Qt has not made the bar yet
                call_soon(self, self._give_back)
                return

    def _show_whole_titles(self) -> None:
        """Let the bar of the tabs scroll where it is too short: of a title that Qt shortens, one letter may be left."""
        window = ancestor(self, QMainWindow)
        for bar in window.findChildren(QTabBar) if window is not None else ():
            if bar.parent() is window and self.tab_title in [bar.tabText(place) for place in range(bar.count())]:
                bar.setElideMode(Qt.TextElideMode.ElideNone)
                bar.setUsesScrollButtons(True)

    def _give_back(self) -> None:
        """Let the window be as large as before."""
        window = ancestor(self, QMainWindow)
        room = self._rooms.get(id(window))
        if window is not None and room is not None and not (window.isMaximized() or window.isFullScreen()):
            window.resize(room)

    def _sort_tabs(self, window: QMainWindow, frame: QDockWidget) -> None:
        """Put the tabs into the order of work; Qt appends each tab at the end."""
        frames = [frame, *window.tabifiedDockWidgets(frame)]
        titles = {one: dock.tab_title for one in frames for dock in one.findChildren(Dock)}
        first, *others = sorted(titles, key=lambda one: TAB_ORDER.index(titles[one]))
        for one in others:
            window.tabifyDockWidget(first, one)


def open_dock(viewer: Viewer, name: str) -> Any:
    """Open a dock by its name in the manifest, or bring the one to the front that is open, and return its widget.

    Docks know each other only by name: each is imported by napari when it is opened.
    """
    frame, widget = viewer.window.add_plugin_dock_widget(PLUGIN, name)
    frame.show()
    frame.raise_()
    return widget


def ancestor(widget: QWidget, kind: type[WidgetType]) -> WidgetType | None:
    """Return the closest enclosing widget of a type, which also works in floating docks; None if there is none."""
    parent: QWidget | None = widget.parentWidget()
    while parent is not None and not isinstance(parent, kind):
        parent = parent.parentWidget()
    return parent
