from __future__ import annotations

import json

import numpy as np
import pytest

from napari_unet_nuclei import measure
from napari_unet_nuclei.core.errors import ImageFileError
from napari_unet_nuclei.core.image.io.drawn_file import read_areas
from napari_unet_nuclei.core.labels.measure.areas import measure_areas
from napari_unet_nuclei.core.types import NamedArea

LABELS = np.zeros((100, 200), int)
for number, (y, x) in enumerate([(10, 10), (40, 30), (20, 120), (80, 180)], start=1):
    LABELS[y : y + 6, x : x + 6] = number


def box(name: str, y0: float, x0: float, y1: float, x1: float) -> NamedArea:
    return NamedArea(name, ((np.array([(y0, x0), (y0, x1), (y1, x1), (y1, x0)]) - 0.5,),))


def test_nuclei_are_counted_per_region_and_named_after_the_smallest():
    areas = [box("left", 0, 0, 100, 100), box("corner", 0, 0, 20, 20), box("beyond", 50, 150, 300, 400)]
    table = measure(LABELS)
    table["positive"] = [True, False, True, True]
    told, counts = measure_areas(table, areas, LABELS.shape, pixel_size_y=0.5, pixel_size_x=0.5)
    assert told["region"].tolist() == ["corner", "left", "", "beyond"]
    assert counts["region"].tolist() == ["left", "corner", "beyond"]
    assert counts["nuclei"].tolist() == [2, 1, 1]
    assert counts["area_px"].tolist() == [10_000, 400, 2_500], "what lies outside the image has no area"
    assert counts["nuclei_per_mm2"].tolist() == pytest.approx([2 / 0.0025, 1 / 1e-4, 1 / 6.25e-4])
    assert counts["positive_percent"].tolist() == [50, 100, 100]


def test_a_crop_keeps_its_place_and_a_stack_gives_the_mean_of_its_planes():
    crop = np.stack([LABELS[10:, 100:]] * 3)
    table = measure(crop, axes="ZYX", origin=(0, 10, 100))
    _, counts = measure_areas(
        table, [box("right", 0, 100, 100, 200)], crop.shape, origin=(0, 10, 100), pixel_size_y=1, pixel_size_x=1
    )
    assert counts[["nuclei", "area_px"]].iloc[0].tolist() == [6, 9000]
    assert counts["nuclei_per_mm2"].iloc[0] == pytest.approx(2 / 0.009)
    assert np.isnan(measure_areas(table, [box("a", 0, 0, 5, 5)], crop.shape)[1]["nuclei_per_mm2"].iloc[0])


def test_regions_of_qupath_are_read_with_names_classes_and_holes(tmp_path):
    outer, hole = [[0, 0], [10, 0], [10, 10], [0, 10], [0, 0]], [[2, 2], [4, 2], [4, 4], [2, 4], [2, 2]]
    shapes = [
        {"type": "Polygon", "coordinates": [outer, hole]},
        {"type": "Polygon", "coordinates": [[[20, 0], [30, 0], [30, 10], [20, 10]]]},
        {"type": "MultiPolygon", "coordinates": [[[[40, 0], [50, 0], [50, 5]]], [[[60, 0], [70, 0], [70, 5]]]]},
        {"type": "Point", "coordinates": [1, 1]},
    ]
    named = [{"name": "gland"}, {"classification": {"name": "Tumour"}}, {"classification": {"name": "Tumour"}}, {}]
    features = [{"type": "Feature", "geometry": g, "properties": p} for g, p in zip(shapes, named, strict=True)]
    path = tmp_path / "a.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    gland, tumour = read_areas(path)
    assert (gland.name, tumour.name, len(tumour.polygons)) == ("gland", "Tumour", 3)
    _, counts = measure_areas(measure(LABELS), [gland], LABELS.shape)
    assert counts["area_px"].tolist() == [96]
    path.write_text(json.dumps(features[3]))
    with pytest.raises(ImageFileError, match="no polygon"):
        read_areas(path)
    path.write_text("{")
    with pytest.raises(ImageFileError, match="cannot be read"):
        read_areas(path)
