"""Labels that wrap their text, with room of their own, so that none widens a dock or moves what stands below it."""

from __future__ import annotations

import re

from qtpy.QtCore import QEvent, Qt
from qtpy.QtGui import QResizeEvent
from qtpy.QtWidgets import QFrame, QLabel, QScrollArea, QWidget

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
        if event is not None and event.type() in (QEvent.Type.FontChange, QEvent.Type.StyleChange):
            self._shorten()

    def _shorten(self) -> None:
        shown = UNWRAPPED.sub(lambda piece: self._fitting(piece[0]), self._whole)
        super().setText(shown)
        self.setToolTip("" if shown == self._whole else self._whole)

    def _fitting(self, piece: str) -> str:
        return self.fontMetrics().elidedText(piece, Qt.TextElideMode.ElideMiddle, WIDEST)


class RoomySentence(Sentence):
    """A sentence that always takes the room of so many lines: other texts in it move nothing."""

    def __init__(self, lines: int, parent: QWidget | None = None) -> None:
        self._lines = lines
        super().__init__(parent=parent)
        self.setAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop)

    def _shorten(self) -> None:
        # Qt is asked with so many short lines, for style sheets add room above and below.
        QLabel.setText(self, "\n".join("x" * self._lines))
        self.setFixedHeight(self.heightForWidth(WIDEST))
        super()._shorten()
        self.setToolTip(self._whole)


class Sentences(QScrollArea):
    """Sentences that scroll rather than take more than so many lines; hidden while there are none."""

    def __init__(self, lines: int, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._lines = lines
        self.label = Sentence(selectable=True)
        self.label.setAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop)
        self.setWidget(self.label)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.hide()

    def text(self) -> str:
        """Return the text."""
        return self.label.text()

    def setText(self, text: str) -> None:
        """Show another text."""
        self.label.setText(text)
        self.setVisible(bool(text))
        self._fit()

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Adapt the height: text wraps differently at another width."""
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        viewport = self.viewport()
        assert viewport is not None, "a scroll area has one"
        needed = self.label.heightForWidth(viewport.width())
        self.setFixedHeight(min(needed, self._lines * self.fontMetrics().lineSpacing()) + 2)
