"""The dock's keys: letters that napari leaves free in labels layers, and undo, which napari must not do beside us."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from qtpy.QtCore import QObject, Qt
from qtpy.QtGui import QGuiApplication, QKeySequence
from qtpy.QtWidgets import QApplication, QShortcut, QWidget


@dataclass(frozen=True)
class Command:
    """What a button says and a key does.

    Attributes
    ----------
    key : str
        As Qt writes it; empty where there is none.
    text : str
    tooltip : str
    verb : str
        Name of a method of `Tools`.
    """

    key: str
    text: str
    tooltip: str
    verb: str


NEXT = Command("N", "Next", "Go to the most doubtful nucleus that is left; this one comes again later.", "next")
REVIEW = (
    Command("A", "Accept", "The nucleus in the frame is right. Goes on to the next one.", "accept"),
    Command("D", "Delete", "Remove the nucleus; or say that none was missed here. Goes on to the next one.", "delete"),
    Command("S", "Split in two", "Split the nucleus where it most plausibly is two.", "split"),
    Command(
        "J", "Join neighbour", "Merge the nucleus with the neighbour that it shares most of its border with.", "join"
    ),
    Command("G", "Add", "Add the nucleus that was missed here, or one under the mouse, as the network saw it.", "add"),
    Command("", "Accept the rest", "All that is left is right, and nothing is missing.", "accept_rest"),
)
TOOLS = (
    Command("K", "Cut", "Draw a line; the nuclei that it crosses are cut along it.", "cut"),
    Command("T", "Split by clicks", "Click once in each part of a nucleus, then press T again.", "seeds"),
    Command("U", "Merge two", "Click two nuclei; they become one.", "unite"),
    Command("Q", "Outline", "Draw round a missing nucleus; background inside the outline becomes it.", "outline"),
    Command("H", "Fill holes", "Fill the holes of the nucleus.", "fill"),
    Command("R", "Smooth", "Even out the outline of the nucleus; its area stays.", "smooth"),
    Command("W", "Redo a box", "Draw a box; the nuclei in it are found anew, with the thresholds below.", "box"),
    Command("", "Clear edge", "Remove all nuclei that the edge of the image cuts.", "clear_border"),
)
UNDO = Command("Ctrl+Z", "Undo", "Take back the last edit, brush stroke or decision, as many as there were.", "undo")
REDO = Command("Ctrl+Shift+Z", "Redo", "Make again what was taken back.", "redo")

COMMANDS = (NEXT, *REVIEW, *TOOLS, UNDO, REDO)


class Keys(QObject):
    """Shortcuts that act wherever the focus is, while they are enabled and their dock can be seen.

    They belong to the application, since those of a dock that floats do not reach the canvas; text fields get their
    letters all the same.

    Parameters
    ----------
    dock : QWidget
    do : callable
        Gets the verb of a command.
    """

    def __init__(self, dock: QWidget, do: Callable[[str], None]) -> None:
        super().__init__(dock)
        self._dock = dock
        self._do = do
        self._is_wanted = False
        self.shortcuts: dict[str, QShortcut] = {}
        for command in COMMANDS:
            if not command.key:
                continue
            shortcut = QShortcut(QKeySequence(command.key), dock)
            shortcut.setContext(Qt.ShortcutContext.ApplicationShortcut)
            shortcut.setAutoRepeat(command in (UNDO, REDO))
            shortcut.setEnabled(False)
            shortcut.activated.connect(partial(self._act, command.verb))
            self.shortcuts[command.key] = shortcut

        application = QGuiApplication.instance()
        assert isinstance(application, QGuiApplication), "a window has one"
        application.focusWindowChanged.connect(self._refresh)

    def set_enabled(self, enabled: bool) -> None:
        """Let the keys act, or leave them to napari."""
        self._is_wanted = enabled
        self._refresh()

    def _refresh(self) -> None:
        """Act only while the dock's own window is used: two viewers would answer the same key."""
        enabled = self._is_wanted and self._is_in_front()
        for shortcut in self.shortcuts.values():
            shortcut.setEnabled(enabled)

    def _is_in_front(self) -> bool:
        """Tell whether the active window is the dock's, or one that belongs to it, as a dock that floats does."""
        own = _topmost(self._dock)
        active = QApplication.activeWindow()
        return active is not None and _topmost(active) is own

    def _act(self, verb: str) -> None:
        """Do it, unless the mouse is drawing: a stroke is whole or not at all."""
        if QApplication.mouseButtons() == Qt.MouseButton.NoButton:
            self._do(verb)


def _topmost(widget: QWidget) -> QWidget:
    """Return the window that a widget belongs to, also where it lies in a dock that floats."""
    parent = widget.parentWidget()
    return widget if parent is None else _topmost(parent)
