"""Help from inside a dock: a button in its title opens its page, and the key ? lists its keys."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from napari.utils.notifications import show_info, show_warning
from qtpy.QtCore import QObject, QUrl
from qtpy.QtGui import QDesktopServices, QKeySequence
from qtpy.QtWidgets import QBoxLayout, QDockWidget, QPushButton, QShortcut, QWidget

from napari_unet_nuclei.gui.widgets.key_card import Key, KeyCard

PAGES = "https://napari-unet-nuclei.github.io/napari-unet-nuclei/"
"""Where the documentation is read."""

HELP_KEY = "?"


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
