"""A line edit for paths, which can be typed, chosen in a dialog, or dropped onto it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from qtpy.QtCore import Signal
from qtpy.QtGui import QDragEnterEvent, QDropEvent
from qtpy.QtWidgets import QHBoxLayout, QLineEdit, QPushButton, QWidget

from napari_unet_nuclei.gui.widgets.fixed_call import FixedCall


class PathEdit(QWidget):
    """A line edit with buttons beside it.

    Parameters
    ----------
    placeholder, tooltip : str
    separator : str
        Put between several paths.
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
        """Add a button that opens a dialog and shows the chosen paths; none if the dialog was cancelled."""
        button = QPushButton(text)
        button.setToolTip(tooltip)
        button.clicked.connect(FixedCall(button, self._add_chosen, choose).call)
        self._row.addWidget(button)
        return button

    def _add_chosen(self, choose: Callable[[], Sequence[str]]) -> None:
        self.add_paths([path for path in choose() if path])

    def add_paths(self, paths: Sequence[str]) -> None:
        """Replace the paths."""
        if paths:
            self.setValue(self._separator.join(paths))

    def value(self) -> str:
        """Return the text."""
        return str(self.edit.text()).strip()

    def setValue(self, text: str) -> None:
        """Show a text from its beginning."""
        self.edit.setText(text)
        self.edit.setCursorPosition(0)


class _DropEdit(QLineEdit):
    """A line edit onto which files and folders can be dropped."""

    def __init__(self, take: Callable[[Sequence[str]], None]) -> None:
        super().__init__()
        self._take = take

    def dragEnterEvent(self, event: QDragEnterEvent | None) -> None:
        """Accept files."""
        if event is not None and dropped_files(event):
            event.acceptProposedAction()
        else:
            super().dragEnterEvent(event)

    def dropEvent(self, event: QDropEvent | None) -> None:
        """Pass on the paths of files."""
        if event is not None and (paths := dropped_files(event)):
            event.acceptProposedAction()
            self._take(paths)
        else:
            super().dropEvent(event)


def dropped_files(event: QDropEvent) -> list[str]:
    """Return the paths of the local files that are being dragged or dropped."""
    contents = event.mimeData()
    return [url.toLocalFile() for url in contents.urls() if url.isLocalFile()] if contents is not None else []
