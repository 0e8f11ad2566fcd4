"""What to begin with while there is no image: a sample, an image of one's own, or a folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from napari_unet_nuclei.gui import PLUGIN
from napari_unet_nuclei.gui.viewer.dock import BATCH, open_dock
from napari_unet_nuclei.gui.widgets.forms import fill

if TYPE_CHECKING:
    from napari import Viewer

SAMPLE = "fluorescent_nuclei"
"""Key of the sample in the manifest."""


class StartStrip(QWidget):
    """Three buttons side by side."""

    def __init__(self, viewer: Viewer) -> None:
        super().__init__()
        self._viewer = viewer
        self.sample_button = QPushButton("Try the sample")
        self.sample_button.setToolTip("Open a drawn picture of fluorescent nuclei.")
        self.image_button = QPushButton("Open my image")
        self.image_button.setToolTip("Choose image files. They can also be dragged into the window.")
        self.folder_button = QPushButton("Open a folder")
        self.folder_button.setToolTip("Segment many files at once, in the dock Batch segment folder.")
        buttons = fill(QHBoxLayout(), self.sample_button, self.image_button, self.folder_button)
        fill(QVBoxLayout(self), QLabel("Start here:"), buttons)
        self.sample_button.clicked.connect(self._open_sample)
        self.image_button.clicked.connect(self._open_image)
        self.folder_button.clicked.connect(self._open_folder)

    def _open_sample(self) -> None:
        self._viewer.open_sample(PLUGIN, SAMPLE)

    def _open_image(self) -> None:
        paths, _ = QFileDialog.getOpenFileNames(self, "Open images")
        if paths:
            self._viewer.open(paths)

    def _open_folder(self) -> None:
        open_dock(self._viewer, BATCH)
