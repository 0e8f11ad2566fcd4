from __future__ import annotations

import json

import imageio.v3 as iio
import numpy as np
import pytest
import tifffile

from napari_unet_nuclei.core.errors import ImageFileError
from napari_unet_nuclei.core.image.io.drawn_file import read_regions

SQUARE = [[2, 1], [6, 1], [6, 5], [2, 5], [2, 1]]
HOLE = [[3, 2], [4, 2], [4, 3], [3, 3], [3, 2]]
SHAPE = (8, 10)


def written(tmp_path, content) -> object:
    path = tmp_path / "region.geojson"
    path.write_text(json.dumps(content))
    return path


def expected() -> np.ndarray:
    mask = np.zeros(SHAPE, bool)
    mask[1:5, 2:6] = True
    return mask


@pytest.mark.parametrize(
    "wrap",
    [
        lambda geometry: geometry,
        lambda geometry: {"type": "Feature", "geometry": geometry, "properties": {}},
        lambda geometry: [{"type": "Feature", "geometry": geometry}],
        lambda geometry: {"type": "FeatureCollection", "features": [{"type": "Feature", "geometry": geometry}]},
        lambda geometry: {"type": "GeometryCollection", "geometries": [geometry]},
    ],
)
def test_polygons_are_read_from_every_wrapping(tmp_path, wrap):
    polygon = {"type": "Polygon", "coordinates": [SQUARE]}
    np.testing.assert_array_equal(read_regions(written(tmp_path, wrap(polygon)), SHAPE, 1)[0], expected())


def test_holes_are_left_out_and_several_polygons_unite(tmp_path):
    shifted = [[x + 4, y + 2] for x, y in SQUARE]
    content = {"type": "MultiPolygon", "coordinates": [[SQUARE, HOLE], [shifted]]}
    mask = expected()
    mask[2, 3] = False
    mask[3:7, 6:10] = True
    np.testing.assert_array_equal(read_regions(written(tmp_path, content), SHAPE, 1)[0], mask)


def test_an_annotation_of_qupath_is_taken_as_it_was_drawn_round_and_without_what_lies_within(tmp_path):
    square = [[0, 0], [8, 0], [8, 8], [0, 8]]
    cell = {"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [[[0, 0], [2, 0], [2, 2], [0, 2]]]}}
    drawn = {"type": "Polygon", "coordinates": [square], "isEllipse": True}
    annotation = {"type": "Feature", "geometry": drawn, "properties": {"childObjects": [cell]}}
    mask = read_regions(written(tmp_path, annotation), (8, 10), 1)[0]
    y, x = np.mgrid[:8, :10] + 0.5
    np.testing.assert_array_equal(mask, (y - 4) ** 2 + (x - 4) ** 2 < 16)


def test_a_mask_image_is_a_region(tmp_path):
    iio.imwrite(tmp_path / "mask.png", expected().astype(np.uint8) * 255)
    np.testing.assert_array_equal(read_regions(tmp_path / "mask.png", SHAPE, 1)[0], expected())


def test_a_stack_has_a_region_for_each_plane_or_one_for_all(tmp_path):
    stack = np.stack([expected(), ~expected()]).astype(np.uint8)
    tifffile.imwrite(tmp_path / "mask.tif", stack, metadata={"axes": "ZYX"})
    assert np.array_equal(read_regions(tmp_path / "mask.tif", SHAPE, 2), stack > 0)
    iio.imwrite(tmp_path / "mask.png", stack[0])
    assert np.array_equal(read_regions(tmp_path / "mask.png", SHAPE, 2), stack[[0, 0]] > 0)
    with pytest.raises(ImageFileError, match=r"mask\.tif is 2 planes of .* and its image 3 planes"):
        read_regions(tmp_path / "mask.tif", SHAPE, 3)


def test_a_mask_of_another_size_is_refused(tmp_path):
    iio.imwrite(tmp_path / "mask.png", np.ones((4, 4), np.uint8))
    with pytest.raises(ImageFileError, match=r"mask\.png is \(4, 4\) pixels, and its image \(8, 10\)"):
        read_regions(tmp_path / "mask.png", SHAPE, 1)


@pytest.mark.parametrize(
    "content",
    [
        {},
        [],
        "text",
        {"type": "Point", "coordinates": [1, 2]},
        {"type": "Polygon", "coordinates": [[[1, 2]]]},
        {"type": "Polygon", "coordinates": [[["a", 2], [1, 1], [3, 3]]]},
        {"type": "Polygon", "coordinates": []},
    ],
)
def test_what_is_no_polygon_is_refused_and_named(tmp_path, content):
    with pytest.raises(ImageFileError, match=r"region\.geojson"):
        read_regions(written(tmp_path, content), SHAPE, 1)


def test_a_file_that_is_no_json_or_missing_is_refused(tmp_path):
    (tmp_path / "a.geojson").write_text("{")
    for name in ("a.geojson", "missing.geojson"):
        with pytest.raises(ImageFileError, match=name):
            read_regions(tmp_path / name, SHAPE, 1)
