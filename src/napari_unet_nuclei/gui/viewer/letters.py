"""Letters as large as in napari's preferences, where its style sheet leaves them out."""

from __future__ import annotations

from napari.settings import get_settings
from qtpy.QtCore import QObject
from qtpy.QtWidgets import QWidget


class LetterSize(QObject):
    """Gives a widget, and what it contains, the letter size of the preferences.

    Tables, lists and text fields need it; the style sheet sets the letters of all others.
    """

    def __init__(self, widget: QWidget) -> None:
        super().__init__(widget)
        self._widget = widget
        get_settings().appearance.events.font_size.connect(self._follow)
        self._follow()

    def _follow(self, _event: object = None) -> None:
        font = self._widget.font()
        font.setPointSize(get_settings().appearance.font_size)
        self._widget.setFont(font)
