"""The dock *Batch segment folder*, and what a person does in it."""

from __future__ import annotations

from pathlib import Path

import imageio.v3 as iio
from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import QCheckBox

from napari_unet_nuclei.gui.batch.dock import BatchDock
from napari_unet_nuclei.gui.batch.table import ACTION, IMAGE
from tests.helpers.samples import fluorescent_nuclei

LONG = 60_000
"""Milliseconds that a run may take on a busy machine; the first one imports PyTorch."""


def write_folder(folder: Path) -> Path:
    """Write three images, one of them deeper, and a file that is none."""
    for seed, name in enumerate(("a.png", "b.png", "deep/c.png")):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        iio.imwrite(path, fluorescent_nuclei(seed, (120, 160), 22.0, 12).image)
    (folder / "notes.tif").write_text("no image")
    return folder


def choose_model(dock: BatchDock) -> None:
    dock.form.model_picker.setValue("tiny")
    dock.form.size_form.control("diameter_auto").value = False


def choose(qtbot, dock: BatchDock, images: Path | str, out: Path) -> None:
    """Type what to segment, and wait until the table tells what would be done."""
    dock.form.out.setValue(str(out))
    dock.form.images.setValue(str(images))
    qtbot.waitUntil(lambda: dock.table.images.rowCount() > 0 and not dock._looking.is_busy, timeout=LONG)


def press(qtbot, button) -> None:
    """Click on a button, or on the box of a check box: beyond its text there is nothing to click."""
    middle = QPoint(8 if isinstance(button, QCheckBox) else button.width() // 2, button.height() // 2)
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton, pos=middle)


def press_run(qtbot, dock: BatchDock) -> None:
    press(qtbot, dock.job_panel.run_button)
    assert dock.job_panel.is_running
    qtbot.waitUntil(lambda: not dock.job_panel.is_running, timeout=LONG)


def cell(dock: BatchDock, name: str, column: int) -> str:
    return str(dock.table.model().index(place(dock, name), column).data() or "")


def place(dock: BatchDock, name: str) -> int:
    model = dock.table.model()
    return next(row for row in range(model.rowCount()) if model.index(row, IMAGE).data() == name)


def click(qtbot, dock: BatchDock, name: str, column: int = ACTION) -> None:
    """Click a cell where a user would."""
    dock.tabs.setCurrentIndex(1)
    middle = dock.table.visualRect(dock.table.model().index(place(dock, name), column)).center()
    qtbot.mouseClick(dock.table.viewport(), Qt.MouseButton.LeftButton, pos=QPoint(middle))
