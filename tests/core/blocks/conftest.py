"""What tests of many files and of blocks share."""

from __future__ import annotations

import pytest

from napari_unet_nuclei.core.blocks import planner as block_planner


@pytest.fixture
def small_halo(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let blocks look less far around them, so that a small image has several."""
    monkeypatch.setattr(block_planner, "SMALLEST_HALO", 64)
    monkeypatch.setattr(block_planner, "HALO_DIAMETERS", 3)
