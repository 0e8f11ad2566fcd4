"""Keys of a dock, which act wherever the focus is while they are wanted."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from qtpy.QtCore import QObject, Qt
from qtpy.QtGui import QGuiApplication, QKeySequence
from qtpy.QtWidgets import QApplication, QShortcut, QWidget

from napari_unet_nuclei.gui.widgets.fixed_call import FixedCall


class DockKeys(QObject):
    """Shortcuts that call ``do`` with a verb wherever the focus is, while enabled and while their window is active."""

    def __init__(
        self, dock: QWidget, verbs: Mapping[str, str], do: Callable[[str], None], repeating: Collection[str] = ()
    ) -> None:
        """Make shortcuts for keys in Qt's notation; ``repeating`` are those that act again while they are held."""
        super().__init__(dock)
        self._dock = dock
        self._do = do
        self._is_wanted = False
        self.shortcuts: dict[str, QShortcut] = {}
        for key, verb in verbs.items():
            shortcut = QShortcut(QKeySequence(key), dock)
            # Shortcuts of a floating dock's window do not reach the canvas. Text fields still get their letters.
            shortcut.setContext(Qt.ShortcutContext.ApplicationShortcut)
            # A key that is held must not delete one nucleus after the other.
            shortcut.setAutoRepeat(key in repeating)
            shortcut.setEnabled(False)
            shortcut.activated.connect(FixedCall(shortcut, self._act, verb).call)
            self.shortcuts[key] = shortcut

        application = QGuiApplication.instance()
        assert isinstance(application, QGuiApplication), "a window needs one"
        application.focusWindowChanged.connect(self._refresh)

    def set_enabled(self, enabled: bool) -> None:
        """Take the keys, or leave them to napari."""
        self._is_wanted = enabled
        self._refresh()

    def _refresh(self) -> None:
        # Only while the active window is the dock's own or a floating dock of it: otherwise two viewers would react to
        # the same key, or Qt would find it ambiguous and neither would.
        active = QApplication.activeWindow()
        is_ours = active is not None and _topmost(active) is _topmost(self._dock)
        for shortcut in self.shortcuts.values():
            shortcut.setEnabled(self._is_wanted and is_ours)

    def _act(self, verb: str) -> None:
        """Carry out a command, unless a mouse button is down: a stroke must not be interrupted."""
        if QApplication.mouseButtons() == Qt.MouseButton.NoButton:
            self._do(verb)


def _topmost(widget: QWidget) -> QWidget:
    """Return the main window of a widget, even if its dock floats."""
    parent = widget.parentWidget()
    return widget if parent is None else _topmost(parent)
