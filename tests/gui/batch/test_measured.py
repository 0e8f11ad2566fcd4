"""What a run of *Batch* measures besides nuclei, how it follows them, and where labels go."""

from __future__ import annotations

import pandas as pd
import pytest

from napari_unet_nuclei.core.image.io.ome_zarr import read_ome_zarr
from napari_unet_nuclei.core.labels.classify.class_file import write_classes
from napari_unet_nuclei.core.labels.classify.nucleus_classes import NucleusClasses
from napari_unet_nuclei.core.settings import BatchSettings
from tests.helpers.batching import choose, press, press_run
from tests.helpers.channel_files import write_plate

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


def test_settings_of_tracks_are_there_and_count_while_nuclei_are_followed(qtbot, dock) -> None:
    form = dock.form
    assert form.tracks_box.isHidden()
    press(qtbot, form.switches["follow"])
    assert not form.tracks_box.isHidden()
    form.tracks_form.control("bridge").value = 5
    form.tracks_form.control("correct_drift").value = True
    assert form.choices().batch == BatchSettings(follow=True, bridge=5, correct_drift=True)
    form.setValue(form.choices())
    press(qtbot, form.switches["follow"])
    assert form.choices().batch == BatchSettings(), "settings without effect would be refused"


def test_labels_go_into_a_plate_where_that_is_ticked(qtbot, dock, folder, tmp_path) -> None:
    choose(qtbot, dock, folder, tmp_path / "out")
    assert dock.form.into_image.isHidden()
    plate = write_plate(tmp_path / "p.zarr", 3)
    dock.form.size_form.control("channel_auto").value = False
    dock.form.size_form.control("channel").value = "DAPI"
    choose(qtbot, dock, plate, tmp_path / "out")
    qtbot.waitUntil(lambda: not dock.form.into_image.isHidden())
    press(qtbot, dock.form.into_image)
    press_run(qtbot, dock)
    assert read_ome_zarr(plate / "A" / "1" / "0" / "labels" / "nuclei").levels[0].shape == (96, 96)
