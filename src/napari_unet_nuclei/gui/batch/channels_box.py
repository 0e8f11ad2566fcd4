"""How files that hold one channel each make up images: chosen from a list, or typed as a pattern of their names."""

from __future__ import annotations

from qtpy.QtWidgets import QComboBox, QWidget

from napari_unet_nuclei.core.image.layouts.grouping import AUTOMATIC, NONE
from napari_unet_nuclei.core.image.layouts.presets import PRESETS
from napari_unet_nuclei.core.settings import BatchSettings
from napari_unet_nuclei.gui.widgets.choice_box import fill, keep_narrow

KNOWN = {AUTOMATIC: "automatic, by their names", NONE: "every file by itself"}
"""Choices that need no pattern, in words."""

HOW_TO_TYPE = (
    "Or type what a name looks like, with {channel}, {well}, {row}, {column}, {field}, {plane}, {time}, {plate} and "
    "{name} in it, and * for anything: {well}_s{field}_w{channel}*.tif"
)


class ChannelsBox(QComboBox):
    """A box for `BatchSettings.channels`."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setEditable(True)
        self.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        keep_narrow(self)
        fill(self, {**KNOWN, **{name: pattern.title for name, pattern in PRESETS.items()}})
        self._show_start()
        self.currentIndexChanged.connect(self._show_start)
        self.setToolTip(f"{BatchSettings.model_fields['channels'].description}\n{HOW_TO_TYPE}")

    def _show_start(self) -> None:
        """Show the beginning of a text that is wider than the box."""
        line = self.lineEdit()
        assert line is not None, "the box is editable"
        line.setCursorPosition(0)

    def value(self) -> str:
        """Return the choice, or the pattern that was typed."""
        text = self.currentText().strip()
        place = self.findText(text)
        return str(self.itemData(place)) if place >= 0 else text or AUTOMATIC

    def setValue(self, value: str) -> None:
        """Show a choice or a pattern."""
        place = self.findData(value)
        if place >= 0:
            self.setCurrentIndex(place)
        else:
            self.setEditText(value)
