"""Tables as AnnData, read back by the package itself."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import tifffile
from pydantic import ValidationError

from napari_unet_nuclei.core.errors import SettingsError
from napari_unet_nuclei.core.folder.run import segment_files
from napari_unet_nuclei.core.labels.export.annotated import to_anndata, write_h5ad
from napari_unet_nuclei.core.labels.measure.measure import measure
from napari_unet_nuclei.core.segment.template import RequestTemplate
from napari_unet_nuclei.core.settings import BatchSettings, CellSettings, SegmentSettings
from tests.helpers.program import run
from tests.helpers.samples import fluorescent_nuclei

anndata = pytest.importorskip("anndata")
LABELS = np.zeros((12, 16), np.int32)
LABELS[1:5, 2:6], LABELS[6:11, 8:14] = 3, 7
IMAGES = {"DAPI": np.arange(192.0).reshape(12, 16), "Ki67_mean x": np.ones((12, 16))}


def test_channels_are_variables_and_nuclei_observations(tmp_path):
    table = measure(LABELS, IMAGES, around=CellSettings(cell=2, distance_unit="px"))
    table["region"] = ["gland", None]
    write_h5ad(tmp_path / "nuclei.h5ad", table)
    read = anndata.read_h5ad(tmp_path / "nuclei.h5ad")
    assert list(read.var_names) == list(IMAGES)
    np.testing.assert_array_equal(read.X, table[["DAPI_mean", "Ki67_mean x_mean"]])
    np.testing.assert_array_equal(read.layers["mean_cell"][:, 0], table["DAPI_mean_cell"])
    np.testing.assert_array_equal(read.obsm["spatial"], table[["centroid_x", "centroid_y"]])
    assert read.obs["label"].tolist() == [3, 7]
    assert read.obs["region"].isna().tolist() == [False, True]
    assert not [name for name in read.obs if "DAPI" in name or "centroid" in name]


@pytest.mark.parametrize("images", [{}, {"DAPI": IMAGES["DAPI"]}])
def test_no_nuclei_and_no_channels_are_no_error(images, tmp_path):
    write_h5ad(tmp_path / "none.h5ad", measure(np.zeros((12, 16), int), images))
    assert anndata.read_h5ad(tmp_path / "none.h5ad").shape == (0, len(images))


def test_statistics_that_one_channel_lacks_are_nan_there():
    table = pd.DataFrame({"label": [1], "centroid_y": [2.0], "centroid_x": [3.0], "haematoxylin_mean": [0.5],
                          "red_mean": [9.0], "red_max": [10]})  # fmt: skip
    np.testing.assert_array_equal(to_anndata(table).layers["max"], [[np.nan, 10]])


def test_a_folder_run_writes_all_nuclei(tmp_path):
    (tmp_path / "in").mkdir()
    for seed in range(2):
        pixels = fluorescent_nuclei(seed, (64, 64), 20.0, 3).image
        tifffile.imwrite(tmp_path / "in" / f"{seed}.ome.tif", pixels, metadata={"Channel": {"Name": ["DAPI"]}})
    template = RequestTemplate(SegmentSettings().changed(diameter=20.0))
    segment_files([tmp_path / "in"], tmp_path / "out", template, batch=BatchSettings(h5ad=True))
    read = anndata.read_h5ad(tmp_path / "out" / "nuclei.h5ad")
    table = pd.read_csv(tmp_path / "out" / "nuclei.csv")
    assert list(read.var_names) == ["DAPI"]
    np.testing.assert_array_equal(read.X[:, 0], table["DAPI_mean"])
    assert read.obs["image"].tolist() == table["image"].tolist()


def test_the_command_measure_writes_it_beside_its_table(tmp_path):
    labels, image, out = (tmp_path / name for name in ("a_labels.tif", "DAPI.tif", "nuclei.h5ad"))
    tifffile.imwrite(labels, LABELS)
    tifffile.imwrite(image, IMAGES["DAPI"])
    assert run("measure", labels, image, "--out", tmp_path / "a.csv", "--h5ad", out).exit_code == 0
    assert anndata.read_h5ad(out).obs["label"].tolist() == [3, 7]


def test_without_a_table_or_the_package_it_is_refused_before_the_run(tmp_path, monkeypatch):
    with pytest.raises(ValidationError, match="joint_table"):
        BatchSettings(h5ad=True, joint_table=False)
    tifffile.imwrite(tmp_path / "a.tif", IMAGES["DAPI"])
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(SettingsError, match="pip install anndata"):
        segment_files([tmp_path], tmp_path / "out", batch=BatchSettings(h5ad=True))
    assert not (tmp_path / "out").exists()
