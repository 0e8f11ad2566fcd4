from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from napari.utils.notifications import notification_manager

from napari_unet_nuclei.core.labels.export.export import write_geojson, write_imagej_rois
from napari_unet_nuclei.gui.outline_reader import outline_reader

LABELS = np.zeros((3, 20, 30), np.int32)
LABELS[1, 4:9, 5:12] = 7
LABELS[2, 9:14, 5:12] = 9


@pytest.mark.parametrize(("name", "write"), [("a_rois.zip", write_imagej_rois), ("a.geojson", write_geojson)])
def test_outlines_are_opened_as_labels_over_the_image(name, write, make_napari_viewer, tmp_path: Path) -> None:
    viewer = make_napari_viewer()
    viewer.add_image(np.zeros(LABELS.shape), scale=(2.0, 0.5, 0.5), translate=(0, 3, 4), axis_labels=("t", "y", "x"))
    write(tmp_path / name, LABELS, axes="TYX")
    [layer] = viewer.open(tmp_path / name, plugin="napari-unet-nuclei")
    np.testing.assert_array_equal(layer.data, LABELS)
    np.testing.assert_allclose(layer.scale, (2.0, 0.5, 0.5))
    np.testing.assert_allclose(layer.translate, (0, 3, 4))


def test_without_an_image_the_labels_are_as_large_as_the_outlines(make_napari_viewer, tmp_path: Path) -> None:
    viewer = make_napari_viewer()
    write_geojson(tmp_path / "a.geojson", LABELS[1])
    [layer] = viewer.open(tmp_path / "a.geojson", plugin="napari-unet-nuclei")
    assert "Open the image first" in notification_manager.records[-1].message
    np.testing.assert_array_equal(layer.data, LABELS[1, :9, :12])


def test_cells_come_with_their_nuclei_and_classes_as_features(make_napari_viewer, tmp_path: Path) -> None:
    viewer, cells = make_napari_viewer(), np.zeros((20, 30), np.int32)
    cells[2:10, 3:14], cells[11:19, 3:14] = 7, 9
    nuclei = np.where(LABELS[1] + LABELS[2], cells, 0)
    table = pd.DataFrame({"label": [7, 9], "class": ["tumour", ""], "area_px": [35, 35]})
    write_geojson(tmp_path / "a.geojson", nuclei, cells=cells, table=table)
    viewer.add_image(np.zeros(cells.shape))
    outer, inner = viewer.open(tmp_path / "a.geojson", plugin="napari-unet-nuclei")
    np.testing.assert_array_equal(inner.data, nuclei)
    np.testing.assert_array_equal(outer.data, cells)
    assert [layer.name for layer in (outer, inner)] == ["a cells", "a"]
    assert inner.features[["index", "class"]].to_numpy().tolist() == [[7, "tumour"]]
    assert not np.allclose(outer.get_color(7), outer.get_color(9))


def test_other_archives_are_left_to_other_readers(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.txt", b"x")
    assert outline_reader(str(tmp_path / "a.zip")) is None
    assert outline_reader([str(tmp_path / "a.roi"), str(tmp_path / "b.roi")]) is None
    assert outline_reader([str(tmp_path / "a.roi")]) is not None
