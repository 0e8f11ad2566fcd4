"""A sentence with a button that does what the sentence speaks of; hidden where there is nothing to say."""

from __future__ import annotations

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QPushButton, QVBoxLayout, QWidget

from napari_unet_nuclei.gui.widgets.wrapped_label import Sentence


class ActionLine(QWidget):
    """A sentence, and below it a button.

    Parameters
    ----------
    tooltip : str
        Of the button.
    """

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
        """Show a sentence and what the button does; hide a button without text, and both without a sentence."""
        self.sentence.setText(text)
        self.button.setText(action)
        self.button.setVisible(bool(action))
        self.setVisible(bool(text))
