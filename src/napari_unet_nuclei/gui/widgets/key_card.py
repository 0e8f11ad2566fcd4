"""A small window that lists keys and what they do."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QDialog, QGridLayout, QLabel, QWidget

Key = tuple[str, str]
"""A key, and what it does."""


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
