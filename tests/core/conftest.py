"""What the tests of the engine share: a model that costs nothing, and the one that users get."""

from __future__ import annotations

from pathlib import Path

import pytest

from napari_unet_nuclei.core.model.file import Model
from napari_unet_nuclei.core.model.registry import load_model
from tests.helpers.tiny import write_tiny_model


@pytest.fixture
def tiny_model_file(tmp_path: Path) -> Path:
    """A model file with random weights."""
    path = tmp_path / "tiny.safetensors"
    write_tiny_model(path)
    return path


@pytest.fixture(scope="session")
def bundled_model() -> Model:
    """The model that comes with the package."""
    return load_model("nuclei")
