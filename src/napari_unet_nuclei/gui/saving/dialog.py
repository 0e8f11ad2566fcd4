"""The dialog *Save*: which files of a labels layer are written, and where."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Image
from qtpy.QtCore import Qt
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QCheckBox, QDialog, QFileDialog, QGridLayout, QLabel, QVBoxLayout, QWidget

from napari_unet_nuclei.core.errors import NucleiError
from napari_unet_nuclei.core.folder.plan import PlannedFile
from napari_unet_nuclei.core.settings import BatchSettings, CellSettings
from napari_unet_nuclei.core.settings_base import titles_of
from napari_unet_nuclei.gui.jobs.job_panel import JobPanel
from napari_unet_nuclei.gui.saving.job import KINDS, paths_of, save_job, take_down
from napari_unet_nuclei.gui.viewer.layers import pictures_in
from napari_unet_nuclei.gui.viewer.letters import LetterSize
from napari_unet_nuclei.gui.viewer.view import units_factors
from napari_unet_nuclei.gui.widgets.choice_box import choice_box
from napari_unet_nuclei.gui.widgets.path_edit import PathEdit
from napari_unet_nuclei.gui.widgets.wrapped_label import Sentence

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Labels

FIRST_TICKED = ("labels", "table")

WIDTH = 460
"""Pixels; wide enough for a path."""

LABELS_TITLE = "Labels"


def open_save_dialog(
    parent: QWidget,
    viewer: Viewer,
    layer: Labels,
    images: Sequence[Image] = (),
    around: CellSettings | None = None,
    cells: Labels | None = None,
) -> SaveDialog:
    """Open the dialog for a labels layer.

    Parameters
    ----------
    parent : QWidget
        The dock that asks for it.
    viewer : napari.Viewer
    layer : napari.layers.Labels
    images : sequence of napari.layers.Image
        Where a table is measured and a picture is drawn; the first ones count most. Without any, all images of the
        viewer that fit the labels.
    around : CellSettings, optional
        Cells that are saved with the nuclei.
    cells : napari.layers.Labels, optional
        Cells of another origin, instead.
    """
    dialog = SaveDialog(parent, viewer, layer, images, around, cells)
    dialog.show()
    return dialog


class SaveDialog(QDialog):
    """Ticks for every kind of file, the names that they will have, and a job that writes them."""

    def __init__(
        self,
        parent: QWidget | None,
        viewer: Viewer,
        layer: Labels,
        images: Sequence[Image] = (),
        around: CellSettings | None = None,
        cells: Labels | None = None,
    ) -> None:
        super().__init__(parent)
        self._viewer, self._layer = viewer, layer
        self._images = list(images) or pictures_in(viewer)[::-1]
        self._around, self._cells = around, cells
        self.setWindowTitle(f"Save '{layer.name}'")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._letters = LetterSize(self)
        self.base = PathEdit(
            "folder and name, without an ending", "Where the files go, and what their names begin with."
        )
        self.base.add_button("Choose…", "Choose a folder and a name.", self._ask)
        tooltip = str(BatchSettings.model_fields["labels"].description)
        self.format = choice_box(tooltip, titles_of(BatchSettings, "labels"))
        self.ticks = {kind: self._tick(kind) for kind in KINDS}
        self.names = {kind: QLabel() for kind in KINDS}
        self.existing = Sentence()
        self.panel = JobPanel("Save", "Write the ticked files; each is there whole or not at all.")
        self._lay_out()
        self._connect()
        self.base.setValue(str(_proposed(layer, self._images)))

    def showEvent(self, event: QShowEvent | None) -> None:
        """Have letters as large as those of the docks."""
        super().showEvent(event)
        self._letters.follow()

    def _tick(self, kind: str) -> QCheckBox:
        field = BatchSettings.model_fields[kind]
        box = QCheckBox(LABELS_TITLE if kind == "labels" else str(field.title))
        box.setToolTip(str(field.description))
        box.setChecked(kind in FIRST_TICKED)
        return box

    def _lay_out(self) -> None:
        grid = QGridLayout()
        for row, kind in enumerate(KINDS):
            grid.addWidget(self.ticks[kind], row, 0)
            grid.addWidget(self.names[kind], row, 1)
        grid.addWidget(self.format, 0, 2)
        grid.setColumnStretch(1, 1)
        layout = QVBoxLayout(self)
        layout.addWidget(self.base)
        layout.addLayout(grid)
        layout.addWidget(self.existing)
        layout.addWidget(self.panel)
        self.setMinimumWidth(WIDTH)

    def _connect(self) -> None:
        self.base.changed.connect(self._refresh)
        self.format.currentIndexChanged.connect(self._refresh)
        for box in self.ticks.values():
            box.toggled.connect(self._refresh)
        self.panel.run_clicked.connect(self._save)

    @property
    def _planned(self) -> PlannedFile:
        base = Path(self.base.value()).expanduser()
        return PlannedFile(base, base.parent, base.name, self.format.currentData())

    @property
    def _paths(self) -> dict[str, Path]:
        kinds = [kind for kind, box in self.ticks.items() if box.isChecked()]
        has_cells = self._cells is not None or (self._around is not None and self._around.cell > 0)
        return paths_of(self._planned, kinds, has_cells)

    def _refresh(self) -> None:
        """Show the names of the files, and which of them exist."""
        planned = self._planned
        for kind, label in self.names.items():
            label.setText(planned.path(kind).name if planned.name else "")
            label.setEnabled(self.ticks[kind].isChecked())
        self.format.setEnabled(self.ticks["labels"].isChecked())
        paths = self._paths
        there = [path.name for path in paths.values() if path.exists()]
        self.existing.setText(f"⚠ Will be replaced: {', '.join(there)}" if there and planned.name else "")
        self.existing.setVisible(bool(self.existing.text()))
        self.panel.run_button.setText("Replace and save" if there else "Save")
        problem = "" if planned.name and planned.out.is_absolute() else "Choose a folder and a name."
        self.panel.set_problem(problem or ("" if paths else "Tick what is to be saved."))

    def _save(self) -> None:
        layer, dims = self._layer, self._viewer.dims
        point = np.array(dims.point[-layer.ndim :], float) / units_factors(layer, dims)
        try:
            saving = take_down(layer, self._images, point, self._around, self._cells)
        except NucleiError as error:
            self.panel.show_error(error)
            return
        job = save_job(saving, self._paths)
        self.panel.run_job(job, self._show_saved, title=f"Saving {self._layer.name}", cancelled=CANCELLED)

    def _show_saved(self, paths: Sequence[Path]) -> None:
        self._refresh()
        names = ", ".join(path.name for path in paths)
        self.existing.setVisible(False)
        self.panel.show_status(f"Saved to {paths[0].parent}: {names}.")

    def _ask(self) -> list[str]:
        chosen, _ = QFileDialog.getSaveFileName(
            self, "Folder and name", self.base.value(), "", options=QFileDialog.Option.DontConfirmOverwrite
        )
        return [str(_without_ending(Path(chosen)))] if chosen else []


CANCELLED = "Cancelled: files that were written already are whole, the others are as they were."


def _proposed(layer: Labels, images: Sequence[Image]) -> Path:
    """Return a base beside the file of the labels or of their image, with the name of the image."""
    files = [str(one.source.path) for one in (layer, *images) if one.source.path]
    name = _without_ending(Path(layer.name)).name.removesuffix(" labels").replace("/", "_")
    return (Path(files[0]).parent if files else Path.home()) / name


def _without_ending(path: Path) -> Path:
    """Remove a suffix of images or of results.

    Examples
    --------
    >>> _without_ending(Path("a/DAPI_labels.ome.tif")).name, _without_ending(Path("a/DAPI 0.5.csv")).name
    ('DAPI', 'DAPI 0.5')
    """
    name = path.name
    for suffix in (".tif", ".tiff", ".zarr", ".csv", ".zip", ".geojson", ".png", ".parquet"):
        name = name.removesuffix(suffix)
    name = name.removesuffix(".ome")
    for ending in ("_labels", "_table", "_rois", "_nuclei", "_overlay"):
        name = name.removesuffix(ending)
    return path.with_name(name)
