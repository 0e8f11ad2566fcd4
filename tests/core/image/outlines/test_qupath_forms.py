"""The forms of GeoJSON that QuPath 0.2 to 0.6 writes, and what its reader asks of a file."""

from __future__ import annotations

import gzip
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from napari_unet_nuclei.core.errors import ImageFileError
from napari_unet_nuclei.core.image.outlines import geojson
from napari_unet_nuclei.core.image.outlines.geojson import read_features
from napari_unet_nuclei.core.image.outlines.read import holds_outlines, read_outlines
from napari_unet_nuclei.core.labels.export.export import write_geojson

RING = [[1, 1], [6, 1], [6, 6], [1, 6], [1, 1]]
HOLE = [[3, 3], [3, 4], [4, 4], [4, 3], [3, 3]]
FAR = [[8, 1], [10, 1], [10, 3], [8, 3], [8, 1]]
POLYGON = {"type": "Polygon", "coordinates": [RING]}
SHAPE = (12, 12)

GEOMETRIES: dict[str, tuple[dict[str, Any], int]] = {
    "polygon": (POLYGON, 25),
    "polygon with a hole": ({"type": "Polygon", "coordinates": [RING, HOLE]}, 24),
    "polygon with heights": ({"type": "Polygon", "coordinates": [[[*corner, 0.0] for corner in RING]]}, 25),
    "two polygons": ({"type": "MultiPolygon", "coordinates": [[RING, HOLE], [FAR]]}, 28),
    "two polygons, one empty": ({"type": "MultiPolygon", "coordinates": [[RING], [[]]]}, 25),
    "collection": (
        {"type": "GeometryCollection", "geometries": [POLYGON, {"type": "Polygon", "coordinates": [FAR]}]},
        29,
    ),
    "collection with a point": (
        {"type": "GeometryCollection", "geometries": [POLYGON, {"type": "Point", "coordinates": [9, 9]}]},
        25,
    ),
    "fractions": ({"type": "Polygon", "coordinates": [[[x + 0.25, y - 0.25] for x, y in RING]]}, 25),
    "in a plane": ({**POLYGON, "plane": {"c": -1, "z": 0, "t": 0}}, 25),
}

KINDS: dict[str, dict[str, Any]] = {
    "0.2": {"id": "PathDetectionObject", "properties": {}},
    "0.3": {"properties": {"object_type": "detection"}},
    "0.4": {"id": "3d4d0e56-4c1a-4ab0-9f5d-2f0e7b6f4a11", "properties": {"objectType": "detection"}},
    "alias": {"properties": {"type": "PathDetectionObject"}},
    "no properties": {"properties": None},
}

CLASSES: dict[str, tuple[Any, str]] = {
    "none": (None, ""),
    "text": ("Tumour", "Tumour"),
    "0.2, packed colour": ({"name": "Tumour", "colorRGB": -3670016}, "Tumour"),
    "0.4": ({"name": "Tumour", "color": [200, 0, 0]}, "Tumour"),
    "with opacity": ({"name": "Tumour", "color": [200, 0, 0, 128]}, "Tumour"),
    "derived": ({"names": ["Tumour", "Positive"], "color": [200, 0, 0]}, "Tumour: Positive"),
    "empty": ({}, ""),
}

MEASUREMENTS: dict[str, tuple[Any, int]] = {
    "none": (None, 0),
    "list": ([{"name": "Area", "value": 2.5}, {"name": "label", "value": 7.0}], 7),
    "object": ({"Area": 2.5, "label": 7}, 7),
    "unknown": ({"Area": math.nan, "label": math.nan}, 0),
    "of others": ({"Nucleus: Area": 2.5}, 0),
}


def feature(geometry: Any = POLYGON, **more: Any) -> dict[str, Any]:
    return {"type": "Feature", "geometry": geometry, "properties": {"objectType": "detection"}} | more


def write(path: Path, content: Any) -> Path:
    text = json.dumps(content).encode()
    path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)
    return path


def labels(path: Path) -> np.ndarray:
    return read_outlines(path).draw("YX", SHAPE).labels


@pytest.mark.parametrize("name", GEOMETRIES)
def test_geometries(name: str, tmp_path: Path) -> None:
    geometry, pixels = GEOMETRIES[name]
    found = labels(write(tmp_path / "a.geojson", [feature(geometry)]))
    assert (found.max(), np.count_nonzero(found)) == (1, pixels)


def test_files(tmp_path: Path) -> None:
    collection = {"type": "FeatureCollection", "features": [feature()]}
    for number, content in enumerate((collection, [collection], [feature()], feature(), POLYGON, [POLYGON])):
        for ending in ("geojson", "json", "geojson.gz", "json.gz"):
            path = write(tmp_path / f"{number}.{ending}", content)
            assert holds_outlines(path)
            assert np.count_nonzero(labels(path)) == 25


def test_kinds_classes_and_measurements(tmp_path: Path) -> None:
    around = feature({"type": "Polygon", "coordinates": [[[0, 0], [12, 0], [12, 12], [0, 12]]]})
    around["properties"] = {"objectType": "annotation"}
    for one in KINDS.values():
        path = write(tmp_path / "a.geojson", [around, feature(**one)])
        assert np.count_nonzero(labels(path)) == 25
    for stored, name in CLASSES.values():
        content = json.dumps(feature(properties={"classification": stored})).encode()
        assert [one.outline.classified for one in read_features(tmp_path, content)] == [name]
    for stored, number in MEASUREMENTS.values():
        content = json.dumps(feature(properties={"measurements": stored})).encode()
        assert [one.outline.number for one in read_features(tmp_path, content)] == [number]


def test_what_is_left_of_an_object_is_left_out_by_name(tmp_path: Path) -> None:
    rest = feature({"type": "Polygon", "coordinates": [[]]}, properties={"name": "rest"})
    found = read_outlines(write(tmp_path / "a.geojson", [feature(), rest]))
    assert len(found.outlines) == 1
    assert "empty Polygon ('rest')" in found.notices[0]


def test_packed_files_that_are_damaged_or_too_large_are_refused(tmp_path: Path, monkeypatch) -> None:
    path = write(tmp_path / "a.geojson.gz", [feature()])
    path.write_bytes(path.read_bytes()[:-12])
    with pytest.raises(ImageFileError, match="cannot be unpacked"):
        read_outlines(path)
    path.write_bytes(b"no")
    with pytest.raises(ImageFileError, match="cannot be unpacked"):
        read_outlines(path)
    monkeypatch.setattr("napari_unet_nuclei.core.image.outlines.read.LARGEST_GEOJSON", 100)
    with pytest.raises(ImageFileError, match="more than 100 bytes"):
        read_outlines(write(path, [feature()]))
    assert geojson.is_geojson(Path("A.GeoJSON.GZ"))


def test_what_is_written_is_what_its_reader_takes(tmp_path: Path) -> None:
    nuclei = np.zeros((2, 12, 14), np.int32)
    nuclei[:, 1:6, 1:6], nuclei[:, 3, 3] = 1, 0
    nuclei[0, 8, 8] = nuclei[0, 9, 9] = 2
    table = pd.DataFrame(
        {"label": [1, 2, 1], "z": [0, 0, 1], "area_um2": [np.nan, 2.5, np.inf], "class": ["a", "b", ""]}
    )
    for cells in (None, np.where(nuclei > 0, nuclei, 0)):
        write_geojson(tmp_path / "a.geojson", nuclei, axes="ZYX", table=table, cells=cells)
        written = json.loads((tmp_path / "a.geojson").read_text(encoding="utf-8"), parse_constant=pytest.fail)
        assert (written["type"], len(written["features"])) == ("FeatureCollection", 3)
        for one in written["features"]:
            assert one["type"] == "Feature"
            for geometry in filter(None, (one["geometry"], one.get("nucleusGeometry"))):
                is_one = geometry["type"] == "Polygon"
                polygons = [geometry["coordinates"]] if is_one else geometry["coordinates"]
                assert is_one == (len(polygons) == 1)
                assert all(ring[0] == ring[-1] and len(ring) >= 4 for polygon in polygons for ring in polygon)
                assert set(geometry["plane"]) == {"c", "z", "t"}
            properties = one["properties"]
            assert properties["objectType"] == ("detection" if cells is None else "cell")
            assert all(isinstance(value, int | float) for value in properties["measurements"].values())
            if "classification" in properties:
                # Its readers refuse a class without a colour.
                assert len(properties["classification"]["color"]) == 3
        assert [one["properties"].get("classification", {}).get("name") for one in written["features"]] == [
            "a",
            "b",
            None,
        ]
