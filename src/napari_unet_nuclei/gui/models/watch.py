"""Notices that models came, went or changed their names, so that every open dock offers those that there are."""

from __future__ import annotations

from qtpy.QtCore import QFileSystemWatcher, QObject, QTimer, Signal

from napari_unet_nuclei.core.model.registry import default_registry

SETTLING = 100
"""Milliseconds to wait for what else changes: a rename is a new file and one that goes."""


class ModelWatch(QObject):
    """Watches the folder of the user's models, whichever dock or program it is that changes something in it."""

    changed = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._folder = default_registry().own
        self._watcher = QFileSystemWatcher(self)
        self._settling = QTimer(self)
        self._settling.setSingleShot(True)
        self._settling.setInterval(SETTLING)
        self._settling.timeout.connect(self._compare)
        self._watcher.directoryChanged.connect(self._note_change)
        self._watch()
        self._known = default_registry().list()

    def _note_change(self) -> None:
        self._watch()
        self._settling.start()

    def _watch(self) -> None:
        """Watch the folder; until there is one, what it will come to lie in."""
        folder = self._folder
        while not folder.is_dir() and folder != folder.parent:
            folder = folder.parent
        if str(folder) not in self._watcher.directories():
            if self._watcher.directories():
                self._watcher.removePaths(self._watcher.directories())
            self._watcher.addPath(str(folder))

    def _compare(self) -> None:
        models = default_registry().list()
        if models != self._known:
            self._known = models
            self.changed.emit()
