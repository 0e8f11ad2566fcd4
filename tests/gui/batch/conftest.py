"""A folder of images, and the dock that segments it."""

from __future__ import annotations

from pathlib import Path

import pytest

from napari_unet_nuclei.gui.batch.dock import BatchDock
from tests.helpers.batching import open_dock, write_folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_folder(tmp_path / "in")


@pytest.fixture
def viewer(make_napari_viewer_proxy):
    return make_napari_viewer_proxy()


@pytest.fixture
def dock(viewer) -> BatchDock:
    return open_dock(viewer)
