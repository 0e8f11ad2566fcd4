"""Watch the folder of models, so that every open dock offers those that are installed."""

from __future__ import annotations

from qtpy.QtCore import QFileSystemWatcher, QObject, Signal

from napari_unet_nuclei.core.model.registry import default_registry
from napari_unet_nuclei.gui.widgets.rest_timer import rest_timer

SETTLING = 100
"""Milliseconds without a change before the models are listed: a rename creates one file and deletes another."""


class ModelWatch(QObject):
    """Emits a signal when the user's models change, whichever dock or program changed them."""

    changed = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._folder = default_registry().own
        self._watcher = QFileSystemWatcher(self)
        self._settling = rest_timer(self, self._compare, SETTLING)
        self._watcher.directoryChanged.connect(self._note_change)
        self._watch()
        self._known = default_registry().list()

    def _note_change(self) -> None:
        self._watch()
        self._settling.start()

    def _watch(self) -> None:
        """Watch the folder or, until it exists, its closest existing parent."""
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
