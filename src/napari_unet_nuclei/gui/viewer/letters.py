"""Letters as large as in napari's preferences, where its style sheet leaves them out."""

from __future__ import annotations

from napari.settings import get_settings
from qtpy.QtCore import QObject
from qtpy.QtWidgets import QWidget


class LetterSize(QObject):
    """Gives a widget, and what it contains, the letter size of the preferences.

    Tables, lists and text fields need it; the style sheet sets the letters of all others. Call `follow` when the widget
    is shown: taking over the style sheet of the window, it loses the size that it had.
    """

    def __init__(self, widget: QWidget) -> None:
        super().__init__(widget)
        self._widget = widget
        get_settings().appearance.events.font_size.connect(self.follow)

    def follow(self, _event: object = None) -> None:
        """Set the size again."""
        font = self._widget.font()
        font.setPointSize(get_settings().appearance.font_size)
        self._widget.setFont(font)
