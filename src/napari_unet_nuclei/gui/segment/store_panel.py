"""Where the labels of an image go that is read from disk itself: into memory, or to disk, block by block."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
from qtpy.QtCore import QSignalBlocker, Signal
from qtpy.QtWidgets import QCheckBox, QFileDialog, QVBoxLayout, QWidget

from napari_unet_nuclei.core.segment.result import CACHED_PIXELS
from napari_unet_nuclei.gui.segment.stored_labels import StoreOrder
from napari_unet_nuclei.gui.viewer.layers import LayerImage
from napari_unet_nuclei.gui.widgets.path_edit import PathEdit

STORE_ENDING = "_labels.ome.zarr"


class StorePanel(QWidget):
    """A switch and the place of the store, for images that are not in memory; hidden for all others."""

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._image: tuple[object, ...] = ()
        self._pixels = -1
        self._proposed = ""
        self.box = QCheckBox("Write labels to disk, block by block")
        self.box.setToolTip(
            "Memory then depends on the block, not on the image, and an interrupted run goes on where it stopped.\n"
            "The thresholds take a new run. Labels in memory take about ten bytes a pixel."
        )
        self.path_edit = PathEdit(
            "name ending in .ome.zarr", "Folder that the labels are written to, as OME-Zarr; a table lies beside it."
        )
        self.path_edit.add_button("…", "Choose a place and a name.", self._ask)
        self.overwrite_box = QCheckBox("Replace labels that are there")
        self.overwrite_box.setToolTip(
            "Labels of another run at this place are replaced when the new ones are done.\n"
            "The same run is not done again: it is shown, or goes on where it stopped."
        )
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for widget in (self.box, self.path_edit, self.overwrite_box):
            layout.addWidget(widget)
        self.box.toggled.connect(self._refresh)
        self.path_edit.changed.connect(self.changed)
        self.setVisible(False)
        self._refresh()

    def show_image(self, image: LayerImage | None, pixels: int, *, is_whole: bool) -> None:
        """Offer what there is for another image, or another part of it; what the user set for the same is kept.

        Parameters
        ----------
        image : LayerImage or None
        pixels : int
            That are to be segmented, over all planes; 0 where only what is on the screen is.
        is_whole : bool
            Whether the image is all that its file holds.
        """
        self.setVisible(image is not None and is_lazy(image))
        if image is None:
            return
        same = (image.name, image.file, tuple(image.source.array.shape))
        is_other = same != self._image
        if is_other or pixels != self._pixels:
            blocker = QSignalBlocker(self.box)
            self.box.setChecked(is_lazy(image) and pixels > CACHED_PIXELS)
            blocker.unblock()
        self._image, self._pixels = same, pixels
        proposed = str(proposed_store(image, is_whole=is_whole))
        if (is_other or self.path_edit.value() == self._proposed) and proposed != self.path_edit.value():
            self._proposed = proposed  # before anybody hears of it
            self.path_edit.setValue(proposed)
        if is_other:
            self.overwrite_box.setChecked(False)
        self._show_place()

    @property
    def is_on(self) -> bool:
        """True where the labels of the image go to disk."""
        return not self.isHidden() and self.box.isChecked()

    def order(self, image: LayerImage) -> StoreOrder | None:
        """Return where the labels of an image go; None where they go into memory."""
        if not is_lazy(image) or not self.box.isChecked():
            return None
        return StoreOrder(Path(self.path_edit.value()).expanduser(), self.overwrite_box.isChecked())

    def problem(self) -> str:
        """Say why nothing can be written there; empty where it can."""
        if not self.is_on or self.path_edit.value().lower().endswith(".zarr"):
            return ""
        return "Choose where the labels go: a name that ends in .ome.zarr."

    def _refresh(self) -> None:
        self._show_place()
        self.changed.emit()

    def _show_place(self) -> None:
        for widget in (self.path_edit, self.overwrite_box):
            widget.setVisible(self.box.isChecked())

    def _ask(self) -> list[str]:
        title = "Labels on disk"
        path, _ = QFileDialog.getSaveFileName(self, title, self.path_edit.value(), "OME-Zarr (*.ome.zarr)")
        return [path if not path or path.lower().endswith(".zarr") else f"{path}.ome.zarr"]


def is_lazy(image: LayerImage) -> bool:
    """Tell whether an image's pixels are read when they are asked for: they need not fit into memory."""
    array = image.source.array
    return not isinstance(array, np.ndarray) or isinstance(array, np.memmap)


def proposed_store(image: LayerImage, *, is_whole: bool) -> Path:
    """Return where the labels of an image go by default: beside its file, outside of any store, or else at home.

    Parameters
    ----------
    image : LayerImage
    is_whole : bool
        Whether the image is all that its file holds; else the name tells the layer as well.
    """
    name = re.sub(r"[^\w.-]+", "_", image.name).strip("_.") or "image"
    if not image.file or "://" in image.file:
        return Path.home() / f"{name}{STORE_ENDING}"
    file = Path(image.file)
    file = next((folder for folder in reversed(file.parents) if folder.suffix.lower() == ".zarr"), file)
    stem = file.stem.removesuffix(".ome")
    named = stem if is_whole or name in (stem, file.stem) else f"{stem}_{name}"
    folder = file.parent if os.access(file.parent, os.W_OK) else Path.home()
    return folder / f"{named}{STORE_ENDING}"
