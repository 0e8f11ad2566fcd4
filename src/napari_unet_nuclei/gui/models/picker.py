"""Pickers for the model and the device, which need no PyTorch and show after a run what was used."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from napari_unet_nuclei.core.model.registry import AUTOMATIC, default_registry
from napari_unet_nuclei.core.settings import SegmentSettings
from napari_unet_nuclei.gui.models.watch import ModelWatch
from napari_unet_nuclei.gui.widgets.choice_box import choice_box, fill
from napari_unet_nuclei.gui.widgets.forms import fill as fill_layout
from napari_unet_nuclei.gui.widgets.wrapped_label import Sentence

if TYPE_CHECKING:
    from napari_unet_nuclei.core.model.registry import ModelEntry

AUTOMATIC_DEVICE = "auto"
LIKELY_DEVICES = (AUTOMATIC_DEVICE, "cpu", "cuda", "xpu", "mps")
"""Offered until PyTorch is loaded, which alone knows the devices."""


class NotedPicker(QWidget):
    """A combo box with a note below it."""

    valueChanged = Signal()

    def __init__(self, tooltip: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.box = choice_box(tooltip)
        self.note = Sentence()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        self._row = fill_layout(QHBoxLayout(), self.box)
        self._row.setStretch(0, 1)
        layout.addLayout(self._row)
        layout.addWidget(self.note)
        self.box.currentIndexChanged.connect(self.valueChanged)

    def put_beside(self, widget: QWidget) -> None:
        """Put a widget beside the list, above the note."""
        self._row.addWidget(widget)

    def value(self) -> str:
        """Return the chosen value."""
        return str(self.box.currentData() or "")

    def setValue(self, value: str) -> None:
        """Choose a value; add it to the list if it is not there."""
        if self.box.findData(value) < 0:
            self.box.addItem(value, value)
        self.box.setCurrentIndex(self.box.findData(value))

    def _fill(self, titles: dict[str, str], chosen: str) -> None:
        """Replace the values, with their titles, and choose one."""
        before = self.value()
        fill(self.box, {**titles, chosen: titles.get(chosen, chosen)} if chosen else titles, chosen)
        if self.value() != before:
            self.valueChanged.emit()


class ModelPicker(NotedPicker):
    """Picker of a model; follows imports, renames and removals."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(
            "The network to use. Automatic uses the bundled one, which handles every kind of image.", parent
        )
        self._entries: tuple[ModelEntry, ...] = ()
        self._watch = ModelWatch(self)
        self._watch.changed.connect(self.refresh)
        self.valueChanged.connect(self._describe)
        self.refresh()
        self._describe()

    @property
    def has_models(self) -> bool:
        """False if no model is installed."""
        return bool(self._entries)

    @property
    def tells_classes(self) -> bool:
        """True if the chosen model assigns a class to every pixel instead of finding nuclei."""
        entry = self._chosen_entry()
        return entry is not None and entry.card.task == "semantic"

    @property
    def channels_at_once(self) -> int:
        """Number of image channels that the chosen model reads; 1 for nuclear signals."""
        entry = self._chosen_entry()
        inputs = entry.card.network_inputs if entry else None
        return inputs.channels if inputs and not inputs.names else 1

    def refresh(self) -> None:
        """List the installed models again; only the headers of their files are read."""
        before = self._chosen_entry()
        self._entries = default_registry().list()
        titles = {AUTOMATIC: "automatic", **{entry.name: entry.name for entry in self._entries}}
        self._fill(titles, self._successor(before) if before else self.value())
        for entry in self._entries:
            text = entry.card.description or f"{entry.card.purpose.capitalize()}."
            self.box.setItemData(self.box.findData(entry.name), text, Qt.ItemDataRole.ToolTipRole)
        if self.value() != AUTOMATIC:  # its note may say what was used
            self._describe()

    def _successor(self, before: ModelEntry) -> str:
        """Return the current name of the chosen model, or the automatic choice if it was removed."""
        names = {entry.name for entry in self._entries}
        same = [entry.name for entry in self._entries if entry.card.weights_hash == before.card.weights_hash]
        return before.name if before.name in names else next(iter(same), AUTOMATIC)

    def _chosen_entry(self) -> ModelEntry | None:
        return next((entry for entry in self._entries if entry.name == self.value()), None)

    def show_used(self, name: str) -> None:
        """Show which model the last run used."""
        if self.value() == AUTOMATIC:
            self.note.setText(f"used: {name}")
            self.note.show()

    def _describe(self) -> None:
        """Describe the chosen model."""
        entry = self._chosen_entry()
        other = "the bundled model" if self.value() == AUTOMATIC else "a file of your own"
        self.note.setText(entry.card.purpose if entry else other)


class DevicePicker(NotedPicker):
    """Picker of the device that the network runs on."""

    def __init__(self, parent: QWidget | None = None) -> None:
        text = SegmentSettings.model_fields["device"].description or ""
        super().__init__(text, parent)
        self.show_devices(LIKELY_DEVICES[1:])
        self.note.setText("chosen in the first run")

    def show_devices(self, names: Sequence[str]) -> None:
        """Offer the devices of this computer."""
        self._fill({AUTOMATIC_DEVICE: "automatic", **{name: name for name in names}}, self.value())

    def show_used(self, name: str) -> None:
        """Show which device the last run used."""
        self.note.setText(f"used: {name}")
