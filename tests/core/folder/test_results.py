"""What a run leaves for an image and as a whole: all files agree with each other and with Python's own numbers."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pandas as pd
import pytest
import tifffile

from napari_unet_nuclei import segment
from napari_unet_nuclei.core.errors import SettingsError
from napari_unet_nuclei.core.folder.run import segment_files
from napari_unet_nuclei.core.image.io.ome_zarr_labels import read_provenance
from napari_unet_nuclei.core.image.io.read import read_image
from napari_unet_nuclei.core.image.io.write import PROVENANCE_KEY
from napari_unet_nuclei.core.model.architecture import CLASS_HEADS, Architecture
from napari_unet_nuclei.core.model.card import ModelCard
from napari_unet_nuclei.core.segment.template import RequestTemplate
from napari_unet_nuclei.core.settings import BatchSettings, SegmentSettings
from tests.helpers.samples import fluorescent_nuclei, stained_tissue

SETTINGS = SegmentSettings().changed(diameter=24.0)
SIZE = {"PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5}


@pytest.fixture(scope="module")
def stained() -> np.ndarray:
    """A corner of stained tissue: (96, 128, 3) uint8."""
    return stained_tissue().image[:96, :128]


@pytest.fixture
def folder(tmp_path: Path, stained: np.ndarray) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    planes = [fluorescent_nuclei(seed, (96, 128), 24.0, 8).image for seed in range(4)]
    tifffile.imwrite(
        folder / "plane.ome.tif", planes[0], metadata={"axes": "YX", "Channel": {"Name": ["DAPI"]}, **SIZE}
    )
    tifffile.imwrite(folder / "stack.ome.tif", np.stack(planes[1:]), metadata={"axes": "ZYX", **SIZE})
    iio.imwrite(folder / "colours.png", stained)
    return folder


def by_name(report) -> dict:
    return {Path(record.image).name: record for record in report.records}


@pytest.mark.usefixtures("two_threads")
def test_labels_are_those_of_python_for_every_image(folder, tmp_path) -> None:
    report = segment_files([folder], tmp_path / "out", RequestTemplate(SETTINGS))
    assert not report.failed
    for name, record in by_name(report).items():
        image = read_image(folder / name)
        same = segment(image.array, axes=image.axes, pixel_size=image.pixel_size, diameter=24.0)
        np.testing.assert_array_equal(read_image(Path(record.labels)).array, same.labels)
        assert record.nuclei == same.count > 0


def test_a_projection_is_segmented_as_the_projected_image(folder, tmp_path) -> None:
    out = tmp_path / "out"
    template = RequestTemplate(SETTINGS.changed(planes="maximum"))
    report = segment_files([folder / "stack.ome.tif"], out, template, batch=BatchSettings(overlay=True))
    projected = read_image(folder / "stack.ome.tif").array.max(axis=0)
    labels = tifffile.imread(out / "stack_labels.tif")
    np.testing.assert_array_equal(labels, segment(projected, axes="YX", diameter=24.0).labels)
    table = pd.read_csv(out / "stack_table.csv")
    assert table.intensity_max[0] == projected[labels == 1].max()
    assert iio.imread(out / "stack_overlay.png").shape == (96, 128, 3)
    assert report.description()["settings"]["planes"] == "maximum"


@pytest.mark.parametrize("labels_format", ["tif", "ome.tif", "ome.zarr"])
def test_pixel_size_channel_names_and_provenance_are_kept(folder, tmp_path, labels_format) -> None:
    batch = BatchSettings(labels=labels_format)
    segment_files([folder / "plane.ome.tif"], tmp_path, RequestTemplate(SETTINGS), batch=batch)
    path = tmp_path / f"plane_labels.{labels_format}"
    written = read_image(path)
    assert (written.pixel_size.y, written.pixel_size.x) == (0.5, 0.5)
    assert "DAPI_mean" in pd.read_csv(tmp_path / "plane_table.csv")
    if labels_format == "ome.zarr":
        assert read_provenance(path)["channel_names"] == ["DAPI"]
        return
    with tifffile.TiffFile(path) as tif:
        if labels_format == "tif":
            provenance = tif.shaped_metadata[0][PROVENANCE_KEY]
            assert provenance["channel_names"] == ["DAPI"]
            assert len(provenance["model_hash"]) == len(provenance["image_hash"]) == 64
        else:
            assert PROVENANCE_KEY in tif.ome_metadata


def test_images_that_take_blocks_are_rows_like_the_others(folder, tmp_path, monkeypatch, recording) -> None:
    from napari_unet_nuclei.core.folder import large_image as slides

    monkeypatch.setattr(slides, "LARGEST_WHOLE", 96 * 128 - 1)
    iio.imwrite(folder / "small.png", fluorescent_nuclei(9, (64, 64), 24.0, 3).image)
    (folder / "bad.tif").write_text("no image")
    (folder / "colours.png").unlink()
    progress = recording()
    template = RequestTemplate(SETTINGS.changed(planes="each"))
    report = segment_files([folder], tmp_path / "out", template, progress)
    rows = by_name(report)
    assert {name: Path(row.labels).name for name, row in rows.items()} == {
        "bad.tif": "",
        "plane.ome.tif": "plane_labels.ome.zarr",
        "small.png": "small_labels.tif",
        "stack.ome.tif": "stack_labels.ome.zarr",
    }
    assert [row.image for row in report.records] == sorted(row.image for row in report.records)
    labels = read_image(Path(rows["plane.ome.tif"].labels)).array[...]
    same = segment(read_image(folder / "plane.ome.tif").array, axes="YX", diameter=24.0).labels
    assert ((labels > 0) == (same > 0)).all()
    joint = pd.read_csv(tmp_path / "out" / "nuclei.csv")
    assert len(joint) == sum(row.nuclei for row in rows.values())
    assert progress.fractions[-1] == 1
    again = segment_files([folder], tmp_path / "out", template)
    assert [record.status for record in again.records] == ["failed", "skipped", "skipped", "skipped"]


def test_the_table_of_all_nuclei_holds_every_value_as_it_stands_in_the_images_table(folder, tmp_path) -> None:
    report = segment_files([folder], tmp_path / "out", RequestTemplate(SETTINGS))
    joint = pd.read_csv(tmp_path / "out" / "nuclei.csv", dtype=str, keep_default_na=False)
    assert len(joint) == sum(record.nuclei for record in report.records)
    for record in report.records:
        own = pd.read_csv(record.table, dtype=str, keep_default_na=False).reset_index(drop=True)
        part = joint[joint.image == record.image].reset_index(drop=True)
        pd.testing.assert_frame_equal(part[own.columns], own)
        assert (part[joint.columns.difference([*own.columns, "image"])] == "").all(axis=None)


def test_without_tables_for_every_image_the_one_of_all_is_the_same(folder, tmp_path) -> None:
    for name, table in (("with", True), ("without", False)):
        segment_files([folder], tmp_path / name, RequestTemplate(SETTINGS), batch=BatchSettings(table=table))
    assert not list((tmp_path / "without").glob("*_table.csv"))
    assert (tmp_path / "with" / "nuclei.csv").read_bytes() == (tmp_path / "without" / "nuclei.csv").read_bytes()


def test_outlines_and_pictures_belong_to_the_labels(folder, tmp_path) -> None:
    out = tmp_path / "out"
    batch = BatchSettings(rois=True, geojson=True, overlay=True)
    report = segment_files([folder], out, RequestTemplate(SETTINGS), batch=batch)
    for name, record in by_name(report).items():
        stem = name.split(".")[0]
        features = json.loads((out / f"{stem}_nuclei.geojson").read_text(encoding="utf-8"))["features"]
        # Of a volume, one outline for each of its planes.
        labels = tifffile.imread(out / f"{stem}_labels.tif").reshape(-1, 96, 128)
        outlines = sum(len(np.unique(plane[plane > 0])) for plane in labels)
        assert len(features) == len(zipfile.ZipFile(out / f"{stem}_rois.zip").namelist()) == outlines
        assert outlines >= record.nuclei
        assert iio.imread(out / f"{stem}_overlay.png").shape == (96, 128, 3)


def test_the_summary_has_a_row_per_image_with_what_matters(folder, tmp_path) -> None:
    (folder / "bad.tif").write_text("no image")
    report = segment_files([folder], tmp_path / "out", RequestTemplate(SETTINGS))
    summary = pd.read_csv(tmp_path / "out" / "summary.csv")
    assert summary.columns[:10].tolist() == [
        "image", "series", "status", "nuclei", "positive", "positive_percent",
        "median_area_px", "median_area_um2", "seconds", "message",
    ]  # fmt: skip
    rows = {Path(row.image).name: row for row in summary.itertuples()}
    plane = pd.read_csv(by_name(report)["plane.ome.tif"].table)
    assert rows["plane.ome.tif"].median_area_px == plane.area_px.median()
    assert rows["plane.ome.tif"].median_area_um2 == pytest.approx(plane.area_px.median() / 4)
    assert np.isnan(rows["colours.png"].median_area_um2)
    assert (rows["bad.tif"].status, np.isnan(rows["bad.tif"].nuclei)) == ("failed", True)
    assert "stained with haematoxylin" in rows["colours.png"].message


def test_the_report_tells_failures_first_and_shows_every_image(folder, tmp_path) -> None:
    (folder / "bad.tif").write_text("no image")
    segment_files([folder], tmp_path / "out", RequestTemplate(SETTINGS))
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    titles = ("Outcome", "Failed", "What to know", "Counts and areas", "Images", "Run")
    order = [page.index(f"<h2>{title}</h2>") for title in titles]
    assert order == sorted(order)
    assert "<b>3 of 4</b><span>images segmented</span>" in page
    assert f"<td>{folder / 'bad.tif'}</td><td>Cannot be read as an image" in page
    assert page.count("data:image/png") == 3
    assert page.count("<svg") == 3
    assert "http" not in page.replace("http://www.w3.org", "").replace("http://purl.org", "").replace(
        "http://creativecommons.org", ""
    ).replace("https://matplotlib.org", "")


def test_a_run_in_which_all_failed_has_its_report_too(tmp_path) -> None:
    (tmp_path / "bad.tif").write_text("no image")
    segment_files([tmp_path / "bad.tif"], tmp_path / "out", RequestTemplate(SETTINGS))
    assert "Failed" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert (tmp_path / "out" / "nuclei.csv").read_text(encoding="utf-8") == "image\n"


def test_an_image_without_nuclei_is_no_failure(tmp_path) -> None:
    iio.imwrite(tmp_path / "dark.png", np.zeros((64, 64), np.uint8))
    report = segment_files([tmp_path / "dark.png"], tmp_path / "out", RequestTemplate(SETTINGS))
    assert [(record.nuclei, record.error) for record in report.records] == [(0, "")]
    assert np.isnan(pd.read_csv(tmp_path / "out" / "summary.csv").median_area_px[0])


def test_classes_have_a_table_of_their_areas_and_named_outlines(folder, tmp_path) -> None:
    from napari_unet_nuclei.core.model.file import Model, save_model
    from tests.helpers.tiny import tiny_network

    architecture = Architecture(base_width=4, depth=2, heads=CLASS_HEADS, classes=3)
    card = ModelCard(name="tissue", task="semantic", classes=("glass", "tumour", "stroma"), architecture=architecture)
    save_model(tmp_path / "tissue.safetensors", Model(card, tiny_network(architecture)))
    template = RequestTemplate(model=str(tmp_path / "tissue.safetensors"))
    batch = BatchSettings(geojson=True, rois=True)
    report = segment_files([folder / "plane.ome.tif"], tmp_path / "out", template, batch=batch)
    assert not report.failed
    labels = tifffile.imread(tmp_path / "out" / "plane_labels.tif")
    table = pd.read_csv(tmp_path / "out" / "plane_table.csv").set_index("class")
    assert table.area_px.to_dict() == {name: (labels == i).sum() for i, name in enumerate(card.classes)}
    assert table.area_um2.sum() == pytest.approx(labels.size / 4)
    features = json.loads((tmp_path / "out" / "plane_nuclei.geojson").read_text(encoding="utf-8"))["features"]
    assert {feature["properties"]["name"] for feature in features} == set(table.index[table.area_px > 0])


def test_parquet_holds_the_same_numbers(folder, tmp_path) -> None:
    pytest.importorskip("pyarrow")
    segment_files([folder], tmp_path, RequestTemplate(SETTINGS), batch=BatchSettings(parquet=True))
    for name in ("plane_table", "nuclei"):
        table = pd.read_csv(tmp_path / f"{name}.csv", float_precision="round_trip")
        stored = pd.read_parquet(tmp_path / f"{name}.parquet")
        pd.testing.assert_frame_equal(stored, table, check_dtype=False)


def test_the_parquet_of_all_takes_images_without_nuclei_and_of_other_kinds_of_numbers(tmp_path) -> None:
    pytest.importorskip("pyarrow")
    folder = tmp_path / "in"
    folder.mkdir()
    pixels = fluorescent_nuclei(0, (96, 128), 24.0, 8).image
    tifffile.imwrite(folder / "dark.tif", np.zeros((64, 64), np.uint16))
    tifffile.imwrite(folder / "fractions.tif", pixels.astype(np.float32) / 7)
    tifffile.imwrite(folder / "whole.tif", pixels)
    report = segment_files([folder], tmp_path / "out", RequestTemplate(SETTINGS), batch=BatchSettings(parquet=True))
    assert sorted(record.nuclei > 0 for record in report.records) == [False, True, True]
    table = pd.read_csv(tmp_path / "out" / "nuclei.csv")
    stored = pd.read_parquet(tmp_path / "out" / "nuclei.parquet")
    pd.testing.assert_frame_equal(stored, table, check_dtype=False)


def test_parquet_without_its_package_is_refused_before_the_run(folder, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(SettingsError, match="pip install pyarrow"):
        segment_files([folder], tmp_path / "out", RequestTemplate(SETTINGS), batch=BatchSettings(parquet=True))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("labels", "times"), [("tif", (0.0, 4.0, 10.0)), ("ome.tif", (0.0, 5.0, 10.0)), ("ome.zarr", (0.0, 5.0, 10.0))]
)
def test_labels_of_a_movie_keep_the_times_of_its_frames(labels, times, tiny_model_file, tmp_path) -> None:
    """OME-TIFF and OME-Zarr hold the mean step."""
    pixels = np.random.default_rng(0).integers(0, 255, (3, 32, 40), np.uint8)
    planes = {"DeltaT": [0.0, 4.0, 10.0], "DeltaTUnit": ["s"] * 3}
    tifffile.imwrite(tmp_path / "a.ome.tif", pixels, metadata={"axes": "TYX", "Plane": planes, **SIZE})
    template = RequestTemplate(SETTINGS, str(tiny_model_file))
    report = segment_files([tmp_path / "a.ome.tif"], tmp_path / "out", template, batch=BatchSettings(labels=labels))
    assert read_image(report.records[0].labels).frame_times == pytest.approx(times)
