"""Pickers for the model and the device: filled without PyTorch, and telling after a run what was used."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QComboBox, QLabel, QVBoxLayout, QWidget

from napari_unet_nuclei.core.model.registry import default_registry
from napari_unet_nuclei.core.segment.request import AUTOMATIC
from napari_unet_nuclei.core.settings import SegmentSettings

if TYPE_CHECKING:
    from napari_unet_nuclei.core.model.registry import ModelEntry

AUTOMATIC_DEVICE = "auto"
LIKELY_DEVICES = (AUTOMATIC_DEVICE, "cpu", "cuda", "mps")
"""What can be asked for before PyTorch is loaded, which alone knows what there is."""


class NotedPicker(QWidget):
    """A list to choose from, with a line below it."""

    valueChanged = Signal()

    def __init__(self, tooltip: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.box = QComboBox()
        self.box.setToolTip(tooltip)
        self.box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.box.setMinimumContentsLength(8)
        self.note = QLabel()
        self.note.setWordWrap(True)
        self.note.setEnabled(False)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(self.box)
        layout.addWidget(self.note)
        self.box.currentIndexChanged.connect(self.valueChanged)

    def value(self) -> str:
        """Return what was chosen."""
        return str(self.box.currentData() or "")

    def setValue(self, value: str) -> None:
        """Choose; what is not in the list is added to it."""
        if self.box.findData(value) < 0:
            self.box.addItem(value, value)
        self.box.setCurrentIndex(self.box.findData(value))

    def _fill(self, titles: dict[str, str]) -> None:
        """Offer other values (with their titles); the one that was chosen stays chosen."""
        chosen = self.value()
        self.box.blockSignals(True)
        self.box.clear()
        for value, title in titles.items():
            self.box.addItem(title, value)
        if chosen:
            self.setValue(chosen)
        self.box.blockSignals(False)
        if self.value() != chosen:
            self.valueChanged.emit()


class ModelPicker(NotedPicker):
    """Chooses a model, or leaves it to the kind of image."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("The network to use. Automatic takes the one for this kind of image, and says which.", parent)
        self._entries: tuple[ModelEntry, ...] = ()
        self.refresh()
        self.valueChanged.connect(self._describe)

    @property
    def has_models(self) -> bool:
        """False where no model is installed at all."""
        return bool(self._entries)

    def refresh(self) -> None:
        """Look again which models there are; only the headers of their files are read."""
        self._entries = default_registry().list()
        self._fill({AUTOMATIC: "automatic", **{entry.name: entry.name for entry in self._entries}})
        for entry in self._entries:
            text = entry.card.description or f"For {entry.card.image_kind} images."
            self.box.setItemData(self.box.findData(entry.name), text, Qt.ItemDataRole.ToolTipRole)
        self._describe()

    def show_used(self, name: str) -> None:
        """Say which model the last run took."""
        if self.value() == AUTOMATIC:
            self.note.setText(f"used: {name}")
            self.note.show()

    def _describe(self) -> None:
        """Say what is chosen."""
        chosen = next((entry for entry in self._entries if entry.name == self.value()), None)
        self.note.setText(f"for {chosen.card.image_kind} images" if chosen else "chosen by the kind of image")


class DevicePicker(NotedPicker):
    """Chooses where the network runs."""

    def __init__(self, parent: QWidget | None = None) -> None:
        text = SegmentSettings.model_fields["device"].description or ""
        super().__init__(text, parent)
        self.show_devices(LIKELY_DEVICES[1:])
        self.note.setText("chosen at the first run")

    def show_devices(self, names: Sequence[str]) -> None:
        """Offer the devices of this computer."""
        self._fill({AUTOMATIC_DEVICE: "automatic", **{name: name for name in names}})

    def show_used(self, name: str) -> None:
        """Say where the last run took place."""
        self.note.setText(f"used: {name}")
