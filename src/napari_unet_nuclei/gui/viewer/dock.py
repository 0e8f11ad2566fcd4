"""Base class of the docks, which open as tabs, with their help and their calm wheel.

napari would squeeze docks one below the other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from napari.utils.notifications import show_info, show_warning
from qtpy.QtCore import QEvent, QObject, Qt, QUrl, Signal
from qtpy.QtGui import QDesktopServices, QEnterEvent, QKeySequence, QShowEvent
from qtpy.QtWidgets import (
    QAbstractSpinBox,
    QApplication,
    QBoxLayout,
    QComboBox,
    QDialog,
    QDockWidget,
    QGridLayout,
    QLabel,
    QMainWindow,
    QPushButton,
    QShortcut,
    QSlider,
    QTabBar,
    QWidget,
)

from napari_unet_nuclei.gui import PLUGIN
from napari_unet_nuclei.gui.viewer.letters import LetterSize
from napari_unet_nuclei.gui.widgets.ancestor import ancestor
from napari_unet_nuclei.gui.widgets.binding import warn_of_binding
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

PAGES = "https://napari-unet-nuclei.github.io/napari-unet-nuclei/"
"""Where the documentation is read."""

HELP_KEY = "?"

CONTROLS = (QAbstractSpinBox, QComboBox, QSlider)
"""Controls whose value the wheel changes; scroll bars are not among them."""

_CALM = "wheel_is_calm"
"""Qt property of a control that is guarded already."""

Key = tuple[str, str]
"""A key, and what it does."""


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


class DockHelp(QObject):
    """Help of one dock.

    Parameters
    ----------
    dock : QWidget
    page : str
        Name of its page in the documentation.
    keys : callable
        Returns its keys.
    """

    def __init__(self, dock: QWidget, page: str, keys: Callable[[], Sequence[Key]]) -> None:
        super().__init__(dock)
        self._dock = dock
        self._page = page
        self._keys = keys
        self._frame: QDockWidget | None = None
        self.shortcut = QShortcut(QKeySequence(HELP_KEY), dock)
        # With two docks side by side both have the key, and Qt asks them in turn.
        for pressed in (self.shortcut.activated, self.shortcut.activatedAmbiguously):
            pressed.connect(self.show_keys)

    def follow(self, frame: QDockWidget) -> None:
        """Put the button into the title of a dock widget, also after napari has made the title anew."""
        self._frame = frame
        for signal in (frame.dockLocationChanged, frame.topLevelChanged):
            signal.connect(self._add_button)
        self._add_button()

    @property
    def address(self) -> str:
        """Where the page is."""
        return f"{PAGES}{self._page}.html"

    def open_page(self) -> None:
        """Open the page in the browser, and say where it is: without internet or browser it can be read elsewhere."""
        if QDesktopServices.openUrl(QUrl(self.address)):
            show_info(f"Opened in the browser: {self.address}")
        else:
            show_warning(f"No browser could be opened. The page of this dock is {self.address}")

    def show_keys(self) -> None:
        """List the keys, and say where the page is."""
        keys = [*self._keys(), (HELP_KEY, "shows these keys"), ("Page", self.address)]
        KeyCard("Keys", keys, self._dock).show()

    def _add_button(self, _place: object = None) -> None:
        bar = self._frame.titleBarWidget() if self._frame is not None else None
        layout = bar.layout() if bar is not None else None
        if bar is None or not isinstance(layout, QBoxLayout) or bar.findChild(QPushButton, BUTTON) is not None:
            return
        button = QPushButton("?", bar)
        button.setObjectName(BUTTON)
        button.setToolTip("Open the page of this dock in the documentation. The key ? lists the keys.")
        button.setStyleSheet("min-width: 16px; max-width: 16px; min-height: 16px; max-height: 16px; padding: 0px")
        button.clicked.connect(self.open_page)
        layout.addWidget(button)


BUTTON = "napari-unet-nuclei help"
"""Qt name of the button."""


class CalmWheel(QObject):
    """Hand the wheel on to whatever scrolls, except over a control that has the focus."""

    def calm(self, widget: QWidget) -> None:
        """Guard all controls in a widget that are not guarded yet."""
        for kind in CONTROLS:
            for control in widget.findChildren(kind):
                if not control.property(_CALM):
                    control.setProperty(_CALM, True)
                    # By default the wheel gives the focus, and with it the next turn to the control.
                    if control.focusPolicy() == Qt.FocusPolicy.WheelFocus:
                        control.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
                    control.installEventFilter(self)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Refuse the wheel, which Qt then offers to the parent."""
        if event is None or event.type() != QEvent.Type.Wheel or not isinstance(watched, QWidget):
            return False
        if watched.hasFocus():
            return False
        event.ignore()
        return True


class KeyCard(QDialog):
    """Keys in the first column, what they do in the second; closed by Escape."""

    def __init__(self, title: str, keys: Sequence[Key], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(title)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        grid = QGridLayout(self)
        grid.setHorizontalSpacing(16)
        for row, (key, text) in enumerate(keys):
            label = QLabel(key)
            label.setStyleSheet("font-weight: bold")
            grid.addWidget(label, row, 0, Qt.AlignmentFlag.AlignTop)
            told = QLabel(text)
            told.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            grid.addWidget(told, row, 1)
