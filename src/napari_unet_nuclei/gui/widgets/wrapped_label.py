"""A label for sentences: they wrap, and no name in them widens a dock."""

from __future__ import annotations

import re

from qtpy.QtCore import QEvent, Qt
from qtpy.QtWidgets import QLabel, QWidget

WIDEST = 230
"""Pixels of what cannot be wrapped: less than the narrowest dock has room for."""

UNWRAPPED = re.compile(r"[/-]*[^\s/-]+(?:[/-]+\d[^\s/-]*)*[/-]*")
"""A piece that is not wrapped within: Qt wraps at blanks, and behind slashes and hyphens that no digit follows."""


class Sentence(QLabel):
    """Shows sentences; of a name that is too long the middle is left out, and the tooltip has all of it.

    Parameters
    ----------
    text : str
    selectable : bool
        Whether it can be selected and copied.
    """

    def __init__(self, text: str = "", *, selectable: bool = False, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._whole = ""
        self.setWordWrap(True)
        self.setTextFormat(Qt.TextFormat.PlainText)
        if selectable:
            self.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.setText(text)

    def text(self) -> str:
        """Return what is said, long names in full."""
        return self._whole

    def setText(self, text: str | None) -> None:
        """Say something else."""
        self._whole = text or ""
        self._shorten()

    def changeEvent(self, event: QEvent | None) -> None:
        """Follow the font, which napari's style sheet sets when a dock is shown."""
        super().changeEvent(event)
        if event is not None and event.type() == QEvent.Type.FontChange:
            self._shorten()

    def _shorten(self) -> None:
        shown = UNWRAPPED.sub(lambda piece: self._fitting(piece[0]), self._whole)
        super().setText(shown)
        self.setToolTip("" if shown == self._whole else self._whole)

    def _fitting(self, piece: str) -> str:
        return self.fontMetrics().elidedText(piece, Qt.TextElideMode.ElideMiddle, WIDEST)
