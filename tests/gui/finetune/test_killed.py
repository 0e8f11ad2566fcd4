from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from napari_unet_nuclei.core.corrections.store import corrections_folder, list_corrections, read_correction
from napari_unet_nuclei.core.finetune.undecided import list_undecided, undecided_folder
from napari_unet_nuclei.core.model.registry import default_registry
from napari_unet_nuclei.gui.finetune.dock import RESULT
from tests.gui.finetune.test_dock import click_tick, half_written, listed, open_dock, rest

ROOT = Path(__file__).parents[3]

pytestmark = pytest.mark.timeout(600)


def test_a_kill_of_napari_during_a_training_costs_no_correction(qtbot, make_napari_viewer_proxy, tiny_model, tmp_path):
    """Killed outright, as by a computer that has no memory left; a new window finds what there was."""
    environment = {**os.environ, "NAPARI_CONFIG": str(tmp_path / "settings.yaml")}
    program = [sys.executable, "-m", "tests.helpers.killed_training", tiny_model]
    with subprocess.Popen(program, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as napari:
        try:
            assert napari.stdout is not None
            assert "epoch\n" in napari.stdout, "it has begun to train"
        finally:
            napari.kill()
    [entry] = list_corrections(corrections_folder())
    correction = read_correction(corrections_folder(), entry.name)
    assert correction.image.shape == correction.labels.shape == (96, 160)
    assert correction.labels.max() > 5
    assert half_written() == []
    assert list_undecided(undecided_folder(corrections_folder())) == ()
    assert [model.name for model in default_registry().list() if not model.bundled] == [tiny_model]
    viewer = make_napari_viewer_proxy()
    dock = open_dock(qtbot, viewer)
    [(title, state, ticked)] = listed(dock)
    assert title == entry.name
    assert state.startswith("kept ")
    assert not ticked
    assert dock.tabs.tabText(RESULT) == "Result"
    click_tick(qtbot, dock, 0)
    rest(qtbot, dock)
    assert dock.job_panel.run_button.isEnabled(), "it teaches again"
