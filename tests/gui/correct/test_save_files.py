"""Corrected labels are written to files by the dialog of all labels."""

from __future__ import annotations

import numpy as np
import pandas as pd
import tifffile
from napari.components import ViewerModel
from qtpy.QtCore import Qt

from napari_unet_nuclei.gui.saving.dialog import SaveDialog
from tests.helpers.correcting import segmented
from tests.helpers.docks import job_done


def test_save_writes_the_corrected_labels_with_their_table(modest_bench, qtbot, tmp_path):
    viewer = ViewerModel()
    image, labels, metadata = segmented()
    viewer.add_image(image, name="DAPI")
    layer = viewer.add_labels(labels, name="DAPI labels", metadata=metadata)
    bench = modest_bench(viewer)
    layer.data_setitem(np.nonzero(layer.data == 1), 0)
    qtbot.mouseClick(bench.dock.files_button, Qt.MouseButton.LeftButton)
    [dialog] = bench.dock.findChildren(SaveDialog)
    dialog.base.setValue(str(tmp_path / "DAPI"))
    dialog.ticks["rois"].setChecked(True)
    with job_done(qtbot, dialog.panel):
        qtbot.mouseClick(dialog.panel.run_button, Qt.MouseButton.LeftButton)
    assert not (tifffile.imread(tmp_path / "DAPI_labels.tif") == 1).any()
    table = pd.read_csv(tmp_path / "DAPI_table.csv")
    assert 1 not in table["label"].tolist()
    assert "DAPI_mean" in table.columns
    assert (tmp_path / "DAPI_rois.zip").exists()
