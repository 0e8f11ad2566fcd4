"""A label that wraps its text and elides long names, so that none widens a dock."""

from __future__ import annotations

import re

from qtpy.QtCore import QEvent, Qt
from qtpy.QtWidgets import QLabel, QWidget

WIDEST = 230
"""Pixels; longer pieces that cannot be wrapped are elided. Less than the width of the narrowest dock."""

UNWRAPPED = re.compile(r"[/-]*[^\s/-]+(?:[/-]+\d[^\s/-]*)*[/-]*")
"""A piece that Qt does not break: it breaks at blanks, and after slashes and hyphens unless a digit follows."""


class Sentence(QLabel):
    """Wrapped text; the middle of a long name is elided and the tooltip has all of it."""

    def __init__(self, text: str = "", *, selectable: bool = False, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._whole = ""
        self.setWordWrap(True)
        self.setTextFormat(Qt.TextFormat.PlainText)
        if selectable:
            self.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.setText(text)

    def text(self) -> str:
        """Return the text with long names in full."""
        return self._whole

    def setText(self, text: str | None) -> None:
        """Show another text."""
        self._whole = text or ""
        self._shorten()

    def changeEvent(self, event: QEvent | None) -> None:
        """Follow the font, which napari's style sheet sets only when a dock is shown."""
        super().changeEvent(event)
        if event is not None and event.type() == QEvent.Type.FontChange:
            self._shorten()

    def _shorten(self) -> None:
        shown = UNWRAPPED.sub(lambda piece: self._fitting(piece[0]), self._whole)
        super().setText(shown)
        self.setToolTip("" if shown == self._whole else self._whole)

    def _fitting(self, piece: str) -> str:
        return self.fontMetrics().elidedText(piece, Qt.TextElideMode.ElideMiddle, WIDEST)
