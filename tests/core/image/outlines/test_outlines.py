from __future__ import annotations

import json
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from roifile import ROI_OPTIONS, ROI_SUBTYPE, ROI_TYPE, ImagejRoi

from napari_unet_nuclei.core.errors import ImageFileError
from napari_unet_nuclei.core.image.outlines import outline as outline_module
from napari_unet_nuclei.core.image.outlines import read as reading
from napari_unet_nuclei.core.image.outlines.outline import DrawnLabels, enclosed
from napari_unet_nuclei.core.image.outlines.read import holds_outlines, read_outlines
from napari_unet_nuclei.core.labels.export.export import write_geojson, write_imagej_rois
from tests.helpers.samples import fluorescent_nuclei

WRITERS = {"a_rois.zip": write_imagej_rois, "a_nuclei.geojson": write_geojson}
own_exports = pytest.mark.parametrize("name", WRITERS)


def drawn(path: Path, shape: tuple[int, ...], axes: str = "YX") -> DrawnLabels:
    return read_outlines(path).draw(axes, shape)


def zipped(path: Path, entries: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return path


def roi(kind: ROI_TYPE, box: tuple[int, int, int, int], name: str = "", **more: object) -> bytes:
    """A ROI in the box (top, left, bottom, right)."""
    one = ImagejRoi(roitype=kind, name=name, **more)
    one.top, one.left, one.bottom, one.right = box
    return one.tobytes()


def polygon(corners: list[tuple[float, float]], name: str = "", kind: ROI_TYPE = ROI_TYPE.POLYGON, **more) -> bytes:
    """A ROI of (x, y) corners."""
    one = ImagejRoi.frompoints(corners, name=name, **more)
    one.roitype = kind
    return one.tobytes()


def features(path: Path, *parts: dict) -> Path:
    path.write_text(json.dumps({"type": "FeatureCollection", "features": list(parts)}))
    return path


def square(left: float, top: float, side: float = 2.0) -> dict:
    ring = [[left, top], [left + side, top], [left + side, top + side], [left, top + side], [left, top]]
    return {"type": "Polygon", "coordinates": [ring]}


def feature(geometry: dict, kind: str = "detection", **more: object) -> dict:
    return {"type": "Feature", "geometry": geometry, "properties": {"objectType": kind}, **more}


@own_exports
@given(
    labels=hnp.arrays(np.uint16, hnp.array_shapes(min_dims=2, max_dims=2, max_side=9), elements=st.integers(0, 3)),
)
def test_own_exports_are_read_back_to_the_pixel(name, labels, tmp_path_factory) -> None:
    path = tmp_path_factory.mktemp("outlines") / name
    WRITERS[name](path, labels)
    found = drawn(path, labels.shape)
    np.testing.assert_array_equal(found.labels, labels)
    assert found.notices == ()


@own_exports
@pytest.mark.parametrize("axes", ["TYX", "ZYX", "QYX", "TZYX", "TQYX"])
def test_planes_of_own_exports_are_read_back(name, axes, tmp_path: Path) -> None:
    labels = np.zeros((*(2, 3)[: len(axes) - 2], 12, 14), np.int32)
    for number, index in enumerate(np.ndindex(*labels.shape[:-2])):
        labels[(*index, slice(2, 5), slice(3, 6))] = 10 + number
        labels[(*index, slice(2, 5), slice(6, 9))] = 7  # one nucleus in all planes, touching the other
    WRITERS[name](tmp_path / name, labels, axes=axes)
    np.testing.assert_array_equal(drawn(tmp_path / name, labels.shape, axes).labels, labels)


@own_exports
def test_ids_have_gaps_and_many_nuclei_touch(name, tmp_path: Path) -> None:
    labels = fluorescent_nuclei(0, (120, 140), 16.0, 30).labels * 1001
    WRITERS[name](tmp_path / name, labels)
    np.testing.assert_array_equal(drawn(tmp_path / name, labels.shape).labels, labels)


@own_exports
def test_no_nuclei_are_no_outlines(name, tmp_path: Path) -> None:
    WRITERS[name](tmp_path / name, np.zeros((5, 6), np.int32))
    assert holds_outlines(tmp_path / name)
    assert not drawn(tmp_path / name, (5, 6)).labels.any()


def test_neighbours_share_no_pixel_even_where_their_side_runs_through_centres() -> None:
    left = [[np.array([(0.5, 0.5), (2.5, 0.5), (2.5, 3.5), (0.5, 3.5)])]]
    right = [[np.array([(2.5, 0.5), (2.5, 3.5), (4.5, 3.5), (4.5, 0.5)])]]
    one, other = (enclosed(polygons[0:1], (0, 5, 0, 6)) for polygons in (left, right))
    assert not (one & other).any()
    assert one.sum() == other.sum() == 6


def test_imagej_areas_of_every_kind(tmp_path: Path) -> None:
    corners = [(1, 1), (5, 1), (5, 4), (1, 4)]
    path = zipped(
        tmp_path / "a.zip",
        {
            "p.roi": polygon(corners, "p"),
            "f.roi": polygon([(x + 10, y) for x, y in corners], "f", ROI_TYPE.FREEHAND),
            "t.roi": polygon([(x + 20, y) for x, y in corners], "t", ROI_TYPE.TRACED),
            "r.roi": roi(ROI_TYPE.RECT, (10, 1, 13, 5), "r"),
            "o.roi": roi(ROI_TYPE.OVAL, (10, 10, 20, 20), "o"),
        },
    )
    found = drawn(path, (30, 40))
    assert np.bincount(found.labels.ravel())[1:].tolist() == [12, 12, 12, 12, 80]
    assert found.labels[11, 2] == 4
    y, x = np.mgrid[:30, :40] + 0.5
    np.testing.assert_array_equal(found.labels == 5, (y - 15) ** 2 + (x - 15) ** 2 < 25)


def test_subpixel_polygons_and_composites_with_curves(tmp_path: Path) -> None:
    exact = polygon([(1.6, 1.6), (4.4, 1.6), (4.4, 4.4), (1.6, 4.4)], "exact")
    ring = ImagejRoi(roitype=ROI_TYPE.RECT, name="ring")
    circle = [0, 20, 5, 3, 20, 7.76, 17.76, 10, 15, 10, 3, 12.24, 10, 10, 7.76, 10, 5]
    circle += [3, 10, 2.24, 12.24, 0, 15, 0, 3, 17.76, 0, 20, 2.24, 20, 5, 4]
    hole = [0, 14, 4, 1, 16, 4, 1, 16, 6, 1, 14, 6, 4]
    ring.multi_coordinates = np.array(circle + hole, np.float32)
    ring.shape_roi_size = len(ring.multi_coordinates)
    found = drawn(zipped(tmp_path / "a.zip", {"a.roi": exact, "b.roi": ring.tobytes()}), (12, 24)).labels
    assert np.argwhere(found == 1).tolist() == [[2, 2], [2, 3], [3, 2], [3, 3]]
    y, x = np.mgrid[:12, :24] + 0.5
    round_area = (y - 5) ** 2 + (x - 15) ** 2 < 25
    np.testing.assert_array_equal(found == 2, round_area & ~((abs(x - 15) < 1) & (abs(y - 5) < 1)))


def test_points_lines_and_texts_are_left_out_by_name(tmp_path: Path) -> None:
    line = polygon([(1, 1), (8, 8)], "track 7", ROI_TYPE.POLYLINE)
    point = polygon([(3, 3)], "seed", ROI_TYPE.POINT)
    text = roi(ROI_TYPE.RECT, (0, 0, 4, 4), "scale", subtype=ROI_SUBTYPE.TEXT)
    area = roi(ROI_TYPE.RECT, (1, 1, 3, 3), "nucleus")
    both = zipped(tmp_path / "a.zip", {"1.roi": line, "2.roi": area, "3.roi": point})
    [said] = drawn(both, (10, 10)).notices
    assert "'track 7' is a line" in said
    assert "'seed' is a point" in said
    only = zipped(tmp_path / "b.zip", {"1.roi": line, "2.roi": point, "3.roi": text})
    with pytest.raises(ImageFileError, match=r"'track 7' is a line, 'seed' is a point, 'scale' is a text"):
        read_outlines(only)


def test_a_single_roi_file(tmp_path: Path) -> None:
    (tmp_path / "a.roi").write_bytes(roi(ROI_TYPE.RECT, (1, 2, 4, 6)))
    assert drawn(tmp_path / "a.roi", (8, 8)).labels.sum() == 12


def test_positions_in_a_stack(tmp_path: Path) -> None:
    placed = roi(ROI_TYPE.RECT, (1, 1, 3, 3), "placed", position=2)
    anywhere = roi(ROI_TYPE.RECT, (5, 5, 7, 7), "anywhere")
    path = zipped(tmp_path / "a.zip", {"1.roi": placed, "2.roi": anywhere})
    found = drawn(path, (3, 8, 8), "TYX")
    assert [(plane == 1).sum() for plane in found.labels] == [0, 4, 0]
    assert [(plane == 2).sum() for plane in found.labels] == [4, 4, 4]
    assert "drawn in all planes (1)" in found.notices[0]
    assert drawn(path, (2, 2, 8, 8), "TZYX").labels[0, 1, 1, 1] == 1


def test_overlaps_are_said_and_go_to_the_smaller_nucleus(tmp_path: Path) -> None:
    path = features(tmp_path / "a.geojson", feature(square(2, 2, 2)), feature(square(1, 1, 6)))
    found = drawn(path, (9, 9))
    assert np.bincount(found.labels.ravel())[1:].tolist() == [4, 32]
    assert "overlap in 4 pixels" in found.notices[0]


def test_an_outline_that_another_one_covers_is_missed(tmp_path: Path) -> None:
    path = features(tmp_path / "a.geojson", feature(square(2, 2)), feature(square(2, 2)))
    assert any(
        "outlines without a pixel of their own are missing in the labels (1)" in one
        for one in drawn(path, (9, 9)).notices
    )


def test_outlines_outside_the_image_are_named_and_all_of_them_are_refused(tmp_path: Path) -> None:
    far = {**feature(square(1e9, 5)), "properties": {"name": "far"}}
    [said] = drawn(features(tmp_path / "a.geojson", feature(square(7, 7, 5)), far), (9, 9)).notices
    assert "1 outline ('far') lies outside the image" in said
    with pytest.raises(ImageFileError, match="they belong to another image"):
        drawn(features(tmp_path / "b.geojson", far), (9, 9))
    late = features(tmp_path / "c.geojson", feature({**square(1, 1), "plane": {"c": -1, "z": 0, "t": 7}}))
    with pytest.raises(ImageFileError, match="they belong to another image"):
        drawn(late, (9, 9))


def test_qupath_cells_have_their_nuclei_taken_and_annotations_left_out(tmp_path: Path) -> None:
    path = features(
        tmp_path / "a.geojson",
        feature(square(0, 0, 20), "annotation"),
        feature(square(1, 1, 6), "cell", nucleusGeometry=square(3, 3, 2)),
        feature(square(10, 10, 6), "cell"),
    )
    found = drawn(path, (24, 24))
    assert np.bincount(found.labels.ravel())[1:].tolist() == [4]
    assert found.labels[3, 3] == 1
    assert [one.split(": ")[1] for one in found.notices] == [
        "annotations around the nuclei are left out (1).",
        "cells without a nucleus are left out (1).",
    ]


def test_qupath_ellipses_children_and_early_forms(tmp_path: Path) -> None:
    round_one = feature({**square(2, 2, 10), "isEllipse": True}, "annotation")
    child = {"type": "Feature", "id": "PathDetectionObject", "geometry": square(20, 2)}
    parent = feature(square(0, 0, 30), "annotation")
    parent["properties"]["childObjects"] = [child, {**child, "geometry": square(24, 2)}]
    ellipse = drawn(features(tmp_path / "a.geojson", round_one), (30, 30)).labels
    y, x = np.mgrid[:30, :30] + 0.5
    np.testing.assert_array_equal(ellipse > 0, (y - 7) ** 2 + (x - 7) ** 2 < 25)
    path = tmp_path / "b.json"
    path.write_text(json.dumps([parent]))
    assert drawn(path, (30, 30)).labels.max() == 2


def test_lines_of_geojson_are_left_out_by_name(tmp_path: Path) -> None:
    line = {**feature({"type": "LineString", "coordinates": [[0, 0], [5, 5]]}), "properties": {"name": "vessel"}}
    [said] = drawn(features(tmp_path / "a.geojson", feature(square(1, 1)), line), (9, 9)).notices
    assert "LineString ('vessel')" in said
    with pytest.raises(ImageFileError, match="no polygon, but LineString"):
        read_outlines(features(tmp_path / "b.geojson", line))


def test_geojson_that_qupath_has_packed(tmp_path: Path) -> None:
    inner = features(tmp_path / "a.geojson", feature(square(1, 1)))
    packed = zipped(tmp_path / "a.zip", {"a.geojson": inner.read_bytes()})
    assert holds_outlines(packed)
    assert drawn(packed, (9, 9)).labels.sum() == 4
    assert not holds_outlines(zipped(tmp_path / "b.zip", {"zarr.json": b"{}", "0/zarr.json": b"{}"}))


@pytest.mark.parametrize(
    "content",
    [b"", b"no", b"[1]", b"{}", b"\xff\xfe", b'{"type": "Feature", "geometry": {"type": "Polygon"}}', b"[" * 100_000],
)
def test_damaged_geojson_is_refused_in_words(content, tmp_path: Path) -> None:
    (tmp_path / "a.geojson").write_bytes(content)
    with pytest.raises(ImageFileError, match="cannot be read as GeoJSON"):
        read_outlines(tmp_path / "a.geojson")


@pytest.mark.parametrize("length", [0, 3, 64, 70, 100, 128])
def test_damaged_rois_are_refused_in_words(length, tmp_path: Path) -> None:
    whole = polygon([(float(x), float(x % 7)) for x in range(40)], "a")
    with pytest.raises(ImageFileError, match=r"'a\.roi' cannot be read as an ImageJ ROI"):
        read_outlines(zipped(tmp_path / "a.zip", {"a.roi": whole[:length]}))


def test_claimed_counts_that_the_file_does_not_hold_are_refused(tmp_path: Path) -> None:
    content = bytearray(polygon([(0, 0), (4, 0), (4, 4)], "a"))
    content[16:18] = struct.pack(">H", 0)
    content[18:22] = struct.pack(">i", 2**31 - 1)
    with pytest.raises(ImageFileError, match="cannot be read as an ImageJ ROI"):
        read_outlines(zipped(tmp_path / "a.zip", {"a.roi": bytes(content)}))


def test_coordinates_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    one = ImagejRoi.frompoints([(1.5, 1.5), (4.5, 1.5), (4.5, 4.5)], name="a")
    one.options |= ROI_OPTIONS.SUB_PIXEL_RESOLUTION
    one.subpixel_coordinates[2, 1] = np.nan
    with pytest.raises(ImageFileError, match="finite"):
        read_outlines(zipped(tmp_path / "a.zip", {"a.roi": one.tobytes()}))


def test_a_polygon_without_corners_is_refused(tmp_path: Path) -> None:
    content = bytearray(polygon([(0, 0), (4, 0), (4, 4)], "a"))
    content[16:18] = struct.pack(">H", 0)
    with pytest.raises(ImageFileError, match=r"'a\.roi' cannot be read as an ImageJ ROI \(it has no corners\)"):
        read_outlines(zipped(tmp_path / "a.zip", {"a.roi": bytes(content)}))


def test_outlines_farther_away_than_numbers_reach_are_refused(tmp_path: Path) -> None:
    far = {"type": "Polygon", "coordinates": [[[0, 0], [1e40, 0], [1e40, 9], [0, 0]]]}
    outlines = read_outlines(features(tmp_path / "a.geojson", feature(far)))
    with pytest.raises(ImageFileError, match="too large to be drawn at once"):
        outlines.draw(*outlines.extent())


@pytest.mark.parametrize(
    ("header", "changes"),
    [(b"PK\1\2", {6: 127}), (b"PK\3\4", {7: 8, 30: 0xAC})],
    ids=["version 12.7", "a name that is no UTF-8"],
)
def test_an_archive_of_an_unusual_kind_is_refused_in_words(header, changes, tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", {"a.roi": polygon([(0, 0), (4, 0), (4, 4)], "a")})
    content = bytearray(path.read_bytes())
    for place, byte in changes.items():
        content[content.find(header) + place] = byte
    path.write_bytes(content)
    assert holds_outlines(path)
    with pytest.raises(ImageFileError, match=r"cannot be (opened|unpacked)"):
        read_outlines(path)


def test_large_outlines_are_drawn_strip_by_strip(tmp_path: Path, monkeypatch) -> None:
    path = features(tmp_path / "a.geojson", feature(square(1, 1)), feature(square(3, 2)))
    whole = drawn(path, (9, 9)).labels
    monkeypatch.setattr(outline_module, "_FILLED_AT_ONCE", 1)
    np.testing.assert_array_equal(drawn(path, (9, 9)).labels, whole)


def test_an_archive_that_unpacks_to_too_much_is_not_unpacked(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(reading, "LARGEST_ARCHIVE", 10_000)
    path = zipped(tmp_path / "a.zip", {f"{number}.roi": bytes(4000) for number in range(4)})
    assert path.stat().st_size < 2000
    with pytest.raises(ImageFileError, match="would unpack to 4 files of 16,000 bytes"):
        read_outlines(path)


def test_an_entry_that_lies_about_its_size_is_cut_off_there(tmp_path: Path) -> None:
    packed = zlib.compress(bytes(10**6))
    path = zipped(tmp_path / "a.zip", {"a.roi": bytes(10**6)})
    content = path.read_bytes().replace(struct.pack("<I", 10**6), struct.pack("<I", 100))
    path.write_bytes(content)
    assert len(packed) < 10_000
    with pytest.raises(ImageFileError, match=r"a\.zip"):
        read_outlines(path)


def test_other_archives_and_missing_files(tmp_path: Path) -> None:
    other = zipped(tmp_path / "a.zip", {"notes.txt": b"x"})
    assert not holds_outlines(other)
    with pytest.raises(ImageFileError, match="neither ImageJ ROIs"):
        read_outlines(other)
    with pytest.raises(ImageFileError, match="does not exist"):
        read_outlines(tmp_path / "b.roi")
    (tmp_path / "c.zip").write_bytes(b"PK no archive")
    with pytest.raises(ImageFileError, match="cannot be opened"):
        read_outlines(tmp_path / "c.zip")


def test_without_an_image_the_labels_are_as_large_as_the_outlines(tmp_path: Path) -> None:
    path = features(tmp_path / "a.geojson", feature({**square(3, 5), "plane": {"c": -1, "z": 0, "t": 2}}))
    assert read_outlines(path).extent() == ("TYX", (3, 7, 5))


def test_a_region_that_is_absurdly_large_is_not_drawn(tmp_path: Path) -> None:
    outlines = read_outlines(features(tmp_path / "a.geojson", feature(square(1e8, 1e8))))
    with pytest.raises(ImageFileError, match="too large to be drawn"):
        outlines.draw(*outlines.extent())


def test_own_cells_give_their_nuclei(tmp_path: Path) -> None:
    labels = np.zeros((20, 24), np.int32)
    labels[4:9, 4:9], labels[4:9, 9:14] = 3, 8
    cells = np.zeros_like(labels)
    cells[2:12, 2:9], cells[2:12, 9:18] = 3, 8
    table = pd.DataFrame({"label": [3, 8], "area_px": [25, 25]})
    write_geojson(tmp_path / "a.geojson", labels, cells=cells, table=table)
    found = drawn(tmp_path / "a.geojson", labels.shape)
    np.testing.assert_array_equal(found.labels, labels)
    assert found.notices == ()
