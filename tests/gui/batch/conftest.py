"""A folder of images, and the dock that segments it."""

from __future__ import annotations

from pathlib import Path

import pytest

from napari_unet_nuclei.gui.batch.dock import BatchDock
from tests.helpers.batching import choose_model, write_folder
from tests.helpers.docks import show_alone


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_folder(tmp_path / "in")


@pytest.fixture
def viewer(modest_viewer):
    return modest_viewer


@pytest.fixture
def dock(qtbot, viewer) -> BatchDock:
    dock = show_alone(qtbot, BatchDock(viewer), viewer)
    choose_model(dock)
    return dock
