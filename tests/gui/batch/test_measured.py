"""Cells, rings and a gate chosen in *Batch*."""

from __future__ import annotations

import pandas as pd
import pytest

from napari_unet_nuclei.core.labels.classify.class_file import write_classes
from napari_unet_nuclei.core.labels.classify.nucleus_classes import NucleusClasses
from tests.helpers.batching import choose, press_run

pytestmark = pytest.mark.usefixtures("tiny_model")


def test_cells_rings_and_a_gate_are_measured_in_a_run(qtbot, dock, folder, tmp_path) -> None:
    choose(qtbot, dock, folder, tmp_path / "out")
    form = dock.form.measured_form
    form.control("cell").value = 4.0
    assert dock.form.choices().batch.cell == 4.0
    form.control("distance_unit").value = "px"
    form.control("gate").value = "GFP"
    assert "is not a gate" in dock.form.problem()
    form.control("gate").value = "area_px > 60"
    assert dock.form.problem() == ""
    dock.form.classes.setValue(str(tmp_path / "gone.json"))
    assert "cannot be read as classes" in dock.form.problem()
    table = pd.DataFrame({"area_px": [40, 50, 70, 90]})
    write_classes(tmp_path / "sizes.json", NucleusClasses.taught(table, ["small", "small", "large", "large"]))
    dock.form.classes.setValue(str(tmp_path / "sizes.json"))
    assert dock.form.problem() == ""
    press_run(qtbot, dock)
    table = pd.read_csv(tmp_path / "out" / "a_table.csv")
    assert (table["cell_area_px"] > table["area_px"]).all()
    assert table["positive"].tolist() == (table["area_px"] > 60).tolist()
    summary = pd.read_csv(tmp_path / "out" / "summary.csv")
    assert summary["positive"].notna().sum() == 3
    assert (summary["class_small"] + summary["class_large"]).dropna().tolist() == summary["nuclei"].dropna().tolist()
