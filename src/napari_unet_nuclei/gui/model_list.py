"""The installed models in a list: their names, what they are for, and which came with the program."""

from __future__ import annotations

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTreeWidget, QTreeWidgetItem, QWidget

from napari_unet_nuclei.core.model.registry import ModelEntry

LISTED = (3, 6)
"""Models for which there is room at least and at most; more are scrolled to."""


class ModelList(QTreeWidget):
    """The models to choose one from."""

    chosen = Signal()
    """Another one is chosen, or the chosen one is another than it was."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._entries: tuple[ModelEntry, ...] = ()
        self.setHeaderLabels(["Model", "Images", "Origin"])
        self.setRootIsDecorated(False)
        self.setUniformRowHeights(True)
        self.setStyleSheet("QTreeView::item { padding: 3px 0px }")
        self.setAllColumnsShowFocus(True)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        header = self.header()
        assert header is not None, "Qt makes it with the list"
        header.setStretchLastSection(False)
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
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
            item = QTreeWidgetItem(self, [entry.name, entry.card.image_kind, entry.origin])
            item.setToolTip(0, f"{entry.name}\n{entry.card.description}".strip())
        row = next((row for row, entry in enumerate(entries) if entry.name == wanted), 0)
        self.setCurrentItem(self.topLevelItem(row))
        self.blockSignals(False)
        self.setFixedHeight(self._height())
        self.chosen.emit()

    def _height(self) -> int:
        least, most = LISTED
        header = self.header()
        assert header is not None, "Qt makes it with the list"
        row = max(self.sizeHintForRow(0), self.fontMetrics().height() + 6)
        return header.sizeHint().height() + min(max(len(self._entries), least), most) * row + 2 * self.frameWidth()
