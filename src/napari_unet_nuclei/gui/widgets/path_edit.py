"""A line for paths that can be typed, chosen in a dialog, or dropped onto it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from qtpy.QtCore import Signal
from qtpy.QtGui import QDragEnterEvent, QDropEvent
from qtpy.QtWidgets import QHBoxLayout, QLineEdit, QPushButton, QWidget


class PathEdit(QWidget):
    """A line edit with buttons beside it.

    Parameters
    ----------
    placeholder, tooltip : str
    separator : str
        What stands between several paths.
    """

    changed = Signal()

    def __init__(self, placeholder: str, tooltip: str, separator: str = "; ", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._separator = separator
        self.edit = _DropEdit(self.add_paths)
        self.edit.setPlaceholderText(placeholder)
        self.edit.setToolTip(tooltip)
        self.edit.textChanged.connect(self.changed)
        self._row = QHBoxLayout(self)
        self._row.setContentsMargins(0, 0, 0, 0)
        self._row.setSpacing(4)
        self._row.addWidget(self.edit, stretch=1)

    def add_button(self, text: str, tooltip: str, choose: Callable[[], Sequence[str]]) -> QPushButton:
        """Add a button that takes over the paths that are chosen by it; nothing where the user gave up."""
        button = QPushButton(text)
        button.setToolTip(tooltip)
        button.clicked.connect(lambda: self.add_paths([path for path in choose() if path]))
        self._row.addWidget(button)
        return button

    def add_paths(self, paths: Sequence[str]) -> None:
        """Show paths in place of those before."""
        if paths:
            self.setValue(self._separator.join(paths))

    def value(self) -> str:
        """Return the line."""
        return str(self.edit.text()).strip()

    def setValue(self, text: str) -> None:
        """Show a line from its beginning."""
        self.edit.setText(text)
        self.edit.setCursorPosition(0)


class _DropEdit(QLineEdit):
    """A line that takes files and folders that are dropped onto it."""

    def __init__(self, take: Callable[[Sequence[str]], None]) -> None:
        super().__init__()
        self._take = take

    def dragEnterEvent(self, event: QDragEnterEvent | None) -> None:
        """Welcome files."""
        if event is not None and _files(event):
            event.acceptProposedAction()
        else:
            super().dragEnterEvent(event)

    def dropEvent(self, event: QDropEvent | None) -> None:
        """Take the paths of files."""
        if event is not None and (paths := _files(event)):
            event.acceptProposedAction()
            self._take(paths)
        else:
            super().dropEvent(event)


def _files(event: QDropEvent) -> list[str]:
    """Return the files on this computer that are being dropped."""
    contents = event.mimeData()
    return [url.toLocalFile() for url in contents.urls() if url.isLocalFile()] if contents is not None else []
