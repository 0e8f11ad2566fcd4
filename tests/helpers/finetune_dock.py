"""The dock *Fine-tune*, and what a person does in it."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import Qt

from napari_unet_nuclei.core.corrections.store import corrections_folder
from napari_unet_nuclei.core.model.registry import default_registry
from napari_unet_nuclei.core.settings import FinetuneSettings
from napari_unet_nuclei.gui import PLUGIN
from napari_unet_nuclei.gui.finetune.dock import FinetuneDock
from tests.helpers.docks import show_alone
from tests.helpers.samples import fluorescent_nuclei

LONG = 90_000
"""Milliseconds that a run may take on a busy machine; the first one imports PyTorch."""


QUICK = FinetuneSettings().changed(steps=2, epoch_steps=1, rehearsal=False, device="cpu")


def show_dock(qtbot, viewer) -> FinetuneDock:
    """Show the dock without a window around it."""
    dock = show_alone(qtbot, FinetuneDock(viewer), viewer)
    rest(qtbot, dock)
    return dock


def open_dock(qtbot, viewer) -> FinetuneDock:
    """Open the dock in a napari window."""
    _, dock = viewer.window.add_plugin_dock_widget(PLUGIN, "Fine-tune")
    rest(qtbot, dock)
    return dock


def add_layers(viewer, seed: int = 0, name: str = "DAPI", shape: tuple[int, int] = (96, 160)):
    drawn = fluorescent_nuclei(seed, shape, 20, 14)
    return viewer.add_image(drawn.image, name=name), viewer.add_labels(drawn.labels, name=f"{name} labels")


def rest(qtbot, dock: FinetuneDock) -> None:
    """Wait until everything has been counted."""
    qtbot.waitUntil(lambda: not dock.corrections.is_checking, timeout=LONG)


def click_tick(qtbot, dock: FinetuneDock, row: int) -> None:
    """Click the box before a line of the list."""
    lines = dock.corrections.list
    place = lines.visualItemRect(lines.topLevelItem(row))
    qtbot.mouseClick(lines.viewport(), Qt.MouseButton.LeftButton, pos=place.center().__class__(12, place.center().y()))
    rest(qtbot, dock)


def listed(dock: FinetuneDock) -> list[tuple[str, str, bool]]:
    lines = dock.corrections.list
    items = [lines.topLevelItem(row) for row in range(lines.topLevelItemCount())]
    return [(item.text(0), item.text(1), item.checkState(0) == Qt.CheckState.Checked) for item in items]


def half_written() -> list[Path]:
    """Files and folders under the hidden names that they have until they are complete."""
    return [path for folder in (corrections_folder(), default_registry().own) for path in folder.rglob(".*")]
