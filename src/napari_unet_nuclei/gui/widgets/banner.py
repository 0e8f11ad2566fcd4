"""A message with a button that acts on it; hidden while there is no message."""

from __future__ import annotations

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QPushButton, QVBoxLayout, QWidget

from napari_unet_nuclei.gui.widgets.wrapped_label import Sentence


class ActionLine(QWidget):
    """A message with a button below it."""

    clicked = Signal()

    def __init__(self, tooltip: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.sentence = Sentence()
        self.button = QPushButton()
        self.button.setToolTip(tooltip)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(self.sentence)
        layout.addWidget(self.button, alignment=Qt.AlignmentFlag.AlignLeft)
        self.button.clicked.connect(self.clicked)
        self.say("", "")

    def say(self, text: str, action: str) -> None:
        """Show a message and a button; without an action hide the button, without a text hide both."""
        self.sentence.setText(text)
        self.button.setText(action)
        self.button.setVisible(bool(action))
        self.setVisible(bool(text))
