"""The installed models in a list: their names, what they are for, and which came with the program."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QTreeWidgetItem, QWidget

from napari_unet_nuclei.core.model.registry import ModelEntry
from napari_unet_nuclei.gui.widgets.row_list import RowList


class ModelList(RowList):
    """The models to choose one from."""

    chosen = Signal()
    """Another one is chosen, or the chosen one is another than it was."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(["Model", "Images", "Origin"], parent)
        self._entries: tuple[ModelEntry, ...] = ()
        self.currentItemChanged.connect(self.chosen)

    def entry(self) -> ModelEntry | None:
        """Return the chosen model."""
        row = self.indexOfTopLevelItem(self.currentItem()) if self.currentItem() is not None else -1
        return self._entries[row] if row >= 0 else None

    def set_entries(self, entries: tuple[ModelEntry, ...], name: str = "") -> None:
        """List other models and choose one by its name; else the one that was chosen stays so, or the first."""
        before = self.entry()
        wanted = name or (before.name if before else "")
        self.blockSignals(True)
        self.clear()
        self._entries = entries
        for entry in entries:
            more = " +" if entry.card.other_kinds else ""  # spelled out, it would leave no room for the name
            item = QTreeWidgetItem(self, [entry.name, f"{entry.card.image_kind}{more}", entry.origin])
            item.setToolTip(0, f"{entry.name}\n{entry.card.description}".strip())
            item.setToolTip(1, entry.card.purpose.capitalize())
        row = next((row for row, entry in enumerate(entries) if entry.name == wanted), 0)
        self.setCurrentItem(self.topLevelItem(row))
        self.blockSignals(False)
        self.fit_height()
        self.chosen.emit()
