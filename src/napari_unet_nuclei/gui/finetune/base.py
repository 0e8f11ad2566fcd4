"""Chooses the model that is to learn: one for nuclei, never an automatic choice, since it gets a child by name."""

from __future__ import annotations

from qtpy.QtWidgets import QWidget

from napari_unet_nuclei.core.model.registry import ModelEntry, default_registry
from napari_unet_nuclei.gui.models.picker import NotedPicker
from napari_unet_nuclei.gui.models.watch import ModelWatch


class BasePicker(NotedPicker):
    """The installed models for nuclei; follows what is imported, renamed and removed."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("The model to start from. It stays as it is: what comes of it is a new model.", parent)
        self._entries: tuple[ModelEntry, ...] = ()
        self._watch = ModelWatch(self)
        self._watch.changed.connect(self.refresh)
        self.valueChanged.connect(self._describe)
        self.refresh()

    @property
    def entry(self) -> ModelEntry | None:
        """The chosen model; None where no model for nuclei is installed."""
        return next((entry for entry in self._entries if entry.name == self.value()), None)

    def choose(self, name: str) -> bool:
        """Choose a model where it is installed, and tell whether it is."""
        known = any(entry.name == name for entry in self._entries)
        if known:
            self.setValue(name)
        return known

    def refresh(self) -> None:
        """Look again which models there are; a chosen one that has another name now stays chosen."""
        before = self.entry
        self._entries = tuple(entry for entry in default_registry().list() if entry.card.task == "instances")
        names = [entry.name for entry in self._entries]
        same = [entry.name for entry in self._entries if before and before.card.weights_hash == entry.card.weights_hash]
        kept = before.name if before and before.name in names else next(iter([*same, *names]), "")
        self._fill({name: name for name in names}, kept)
        self._describe()

    def _describe(self) -> None:
        entry = self.entry
        self.note.setText(entry.card.purpose if entry else "No model is installed.")
