from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from hypothesis.extra.numpy import arrays
from roifile import ROI_TYPE, ImagejRoi, roiread
from skimage.measure import label
from skimage.segmentation import expand_labels

from napari_unet_nuclei.core.errors import ImageShapeError
from napari_unet_nuclei.core.labels.export import export
from napari_unet_nuclei.core.labels.export.export import nuclei_in_parts, write_geojson, write_imagej_rois
from napari_unet_nuclei.core.labels.export.trace import trace_polygons
from napari_unet_nuclei.core.labels.measure.measure import measure
from napari_unet_nuclei.core.labels.measure.surroundings import DrawnCells
from napari_unet_nuclei.core.settings import CellSettings
from tests.helpers.samples import fluorescent_nuclei

RING = np.array(
    [
        [0, 0, 0, 0, 0, 0],
        [0, 3, 3, 3, 0, 0],
        [0, 3, 0, 3, 0, 0],
        [0, 3, 3, 3, 0, 5],
        [0, 0, 0, 0, 5, 0],
    ],
    np.int32,
)
"""A nucleus with a hole, and one of two pixels that touch by a corner."""


def fill(rings: list[Any], shape: tuple[int, int]) -> np.ndarray:
    """Fill rings as ImageJ and QuPath do: pixels whose middle lies within an odd number of them."""
    y, x = (axis + 0.5 for axis in np.mgrid[: shape[0], : shape[1]])
    inside = np.zeros(shape, bool)
    for ring in rings:
        corners = np.asarray(ring, float)
        for (x0, y0), (x1, y1) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
            if y0 != y1:
                inside ^= (min(y0, y1) < y) & (y < max(y0, y1)) & (x0 + (y - y0) / (y1 - y0) * (x1 - x0) > x)
    return inside


def filled(path: Path, shape: tuple[int, int]) -> np.ndarray:
    """Labels from a file of outlines; nothing may overlap."""
    if path.suffix == ".zip":
        rois = {int(roi.name): roi.coordinates(multi=True) for roi in read_rois(path)}
    else:
        rois = {int(feature["properties"]["name"]): rings_of(feature) for feature in read_features(path)}
    labels = np.zeros(shape, np.int64)
    for number, rings in rois.items():
        inside = fill(rings, shape)
        assert not labels[inside].any(), "outlines overlap"
        labels[inside] = number
    return labels


def read_rois(path: Path) -> list[ImagejRoi]:
    if not zipfile.ZipFile(path).namelist():
        return []
    rois = roiread(path)
    return rois if isinstance(rois, list) else [rois]


def read_features(path: Path) -> list[dict[str, Any]]:
    return json.loads(path.read_text(encoding="utf-8"))["features"]


def rings_of(feature: dict[str, Any]) -> list[Any]:
    geometry = feature["geometry"]
    polygons = geometry["coordinates"] if geometry["type"] == "MultiPolygon" else [geometry["coordinates"]]
    for polygon in polygons:
        assert all(ring[0] == ring[-1] for ring in polygon)
    return [ring[:-1] for polygon in polygons for ring in polygon]


@pytest.mark.parametrize(("write", "name"), [(write_imagej_rois, "a.zip"), (write_geojson, "a.geojson")])
@given(
    labels=hnp.arrays(np.uint16, hnp.array_shapes(min_dims=2, max_dims=2, max_side=9), elements=st.integers(0, 3)),
)
def test_outlines_filled_again_are_the_very_same_labels(write, name, labels, tmp_path_factory) -> None:
    path = tmp_path_factory.mktemp("outlines") / name
    write(path, labels)
    np.testing.assert_array_equal(filled(path, labels.shape), labels)


@given(
    labels=hnp.arrays(np.uint8, hnp.array_shapes(min_dims=2, max_dims=2, max_side=9), elements=st.integers(0, 2)),
)
def test_rings_pass_every_corner_once_and_holes_lie_in_their_own_piece(labels) -> None:
    for number, pieces in trace_polygons(labels):
        for piece in pieces:
            for ring in (piece.exterior, *piece.holes):
                assert len(np.unique(ring, axis=0)) == len(ring) >= 4
            area = fill([piece.exterior], labels.shape)
            for hole in piece.holes:
                assert not (fill([hole], labels.shape) & ~area).any()
                assert (labels[fill([hole], labels.shape)] != number).any()


def test_nuclei_are_one_polygon_each_with_their_id(tmp_path: Path) -> None:
    labels = fluorescent_nuclei(0, (200, 220), 22.0, 40).labels
    write_imagej_rois(tmp_path / "a.zip", labels)
    rois = read_rois(tmp_path / "a.zip")
    assert [int(roi.name) for roi in rois] == np.unique(labels)[1:].tolist()
    assert {roi.roitype for roi in rois} == {ROI_TYPE.TRACED}
    np.testing.assert_array_equal(filled(tmp_path / "a.zip", labels.shape), labels)


def test_holes_and_pieces_are_kept(tmp_path: Path) -> None:
    write_geojson(tmp_path / "a.geojson", RING)
    ring, pieces = read_features(tmp_path / "a.geojson")
    assert ring["geometry"]["type"] == "Polygon"
    assert [len(part) - 1 for part in ring["geometry"]["coordinates"]] == [4, 4]
    assert pieces["geometry"]["type"] == "MultiPolygon"
    assert ring["properties"] == {"objectType": "detection", "name": "3", "measurements": {"label": 3}}
    write_imagej_rois(tmp_path / "a.zip", RING)
    composite = read_rois(tmp_path / "a.zip")[0]
    assert composite.composite
    assert len(composite.coordinates(multi=True)) == 2


def test_outlines_lie_in_the_whole_image_and_know_their_plane(tmp_path: Path) -> None:
    labels = np.zeros((1, 2, 5, 6), np.int32)
    labels[0, 1, 2:4, 1:3] = 9
    write_imagej_rois(tmp_path / "a.zip", labels, axes="TZYX", origin=(4, 0, 100, 200))
    [roi] = read_rois(tmp_path / "a.zip")
    assert (roi.t_position, roi.z_position, roi.position) == (5, 2, 0)
    assert (roi.left, roi.top, roi.right, roi.bottom) == (201, 102, 203, 104)
    write_geojson(tmp_path / "a.geojson", labels, axes="TZYX", origin=(4, 0, 100, 200))
    [feature] = read_features(tmp_path / "a.geojson")
    assert feature["geometry"]["plane"] == {"c": -1, "z": 1, "t": 4}
    assert feature["geometry"]["coordinates"][0][0] == [201, 102]


def test_positions_beyond_sixteen_bits_are_exact(tmp_path: Path) -> None:
    write_imagej_rois(tmp_path / "a.zip", RING, origin=(70_001, 90_001))
    single = np.where(RING == 3, 1, 0)
    single[2, 2] = 1
    write_imagej_rois(tmp_path / "b.zip", single, origin=(70_001, 90_001))
    for name in ("a.zip", "b.zip"):
        coordinates = np.concatenate(read_rois(tmp_path / name)[0].coordinates(multi=True))
        assert coordinates.min(axis=0).tolist() == [90_002, 70_002]


def test_named_labels_are_annotations_of_that_class(tmp_path: Path) -> None:
    write_geojson(tmp_path / "a.geojson", RING, names={3: "tumour", 5: "stroma"})
    features = read_features(tmp_path / "a.geojson")
    assert [feature["properties"]["classification"]["name"] for feature in features] == ["tumour", "stroma"]
    assert {feature["properties"]["objectType"] for feature in features} == {"annotation"}
    write_imagej_rois(tmp_path / "a.zip", RING, names={3: "tumour", 5: "stroma"})
    assert [roi.name for roi in read_rois(tmp_path / "a.zip")] == ["tumour", "stroma"]


@pytest.mark.parametrize("write", [write_imagej_rois, write_geojson])
def test_the_same_labels_give_the_same_file(write, tmp_path: Path) -> None:
    for name in ("a", "b"):
        write(tmp_path / name, RING)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("write", [write_imagej_rois, write_geojson])
def test_without_nuclei_the_file_is_empty_and_whole(write, tmp_path: Path) -> None:
    write(tmp_path / "a", np.zeros((4, 5), np.int32))
    content = (tmp_path / "a").read_bytes()
    assert zipfile.is_zipfile(tmp_path / "a") or json.loads(content)["features"] == []


def test_axes_that_do_not_fit_leave_no_file(tmp_path: Path) -> None:
    with pytest.raises(ImageShapeError):
        write_geojson(tmp_path / "a.geojson", np.zeros((4, 5), np.int32), axes="ZYX")
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    monkeypatch.setattr(export, "SIDE", 3)
    monkeypatch.setattr(export, "MARGIN", 1)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(arrays(np.int32, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.integers(-1, 3)))
def test_every_nucleus_is_seen_once_and_whole(drawn):
    labels = label(np.maximum(drawn, 0))
    together = np.zeros_like(labels)
    seen: list[int] = []
    for part, (top, left) in nuclei_in_parts(zarr.array(labels), ()):
        seen += np.unique(part[part != 0]).tolist()
        together[top : top + part.shape[0], left : left + part.shape[1]] += part
    assert sorted(seen) == np.unique(labels[labels > 0]).tolist()
    np.testing.assert_array_equal(together, np.maximum(labels, 0))


def test_measurements_go_with_their_nucleus_of_their_plane_and_what_is_unknown_is_left_out(tmp_path):
    labels = np.stack([RING, np.where(RING == 5, 5, 0)])
    table = measure(labels, {"DAPI": np.stack([RING * 10, RING * 20])}, axes="TYX", origin=(4, 0, 0))
    path = tmp_path / "nuclei.geojson"
    write_geojson(path, labels, axes="TYX", origin=(4, 0, 0), table=table)
    found = {
        (one["geometry"]["plane"]["t"], one["properties"]["name"]): one["properties"]["measurements"]
        for one in read_features(path)
    }
    assert {key: values["DAPI_mean"] for key, values in found.items()} == {(4, "3"): 30, (4, "5"): 50, (5, "5"): 100}
    assert all({"label", "area_px"} <= values.keys() and "area_um2" not in values for values in found.values())


@pytest.mark.parametrize("given", [False, True])
def test_cells_are_written_part_by_part_as_they_are_all_at_once(tmp_path, given):
    labels = fluorescent_nuclei(0, (40, 50), 8.0, 9).labels
    cells = expand_labels(labels, 3) if given else None
    at_once, by_parts = tmp_path / "a.geojson", tmp_path / "b.geojson"
    write_geojson(at_once, labels, cells=expand_labels(labels, 3))
    stored = zarr.array(labels)
    write_geojson(
        by_parts, stored, cells=DrawnCells.of(stored, CellSettings(cell=3.0, distance_unit="px"), (1, 1), cells)
    )
    features = [{one["properties"]["name"]: one for one in read_features(path)} for path in (at_once, by_parts)]
    assert features[0] == features[1]
    assert all(one["properties"]["objectType"] == "cell" for one in features[0].values())


def test_cells_are_drawn_in_the_window_that_is_read_alone():
    labels = zarr.zeros((3, 40, 50), dtype=int)
    labels[1] = fluorescent_nuclei(0, (40, 50), 8.0, 9).labels
    drawn = DrawnCells.of(labels, CellSettings(cell=2.5, distance_unit="µm"), (0.5, 0.5))
    whole = expand_labels(labels[1], 5)
    np.testing.assert_array_equal(drawn[1,], whole)
    np.testing.assert_array_equal(drawn[1, 7:23, 30:44], whole[7:23, 30:44])
