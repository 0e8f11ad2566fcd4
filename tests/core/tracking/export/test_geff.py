from __future__ import annotations

import numpy as np
import pytest
import zarr

from napari_unet_nuclei.core.errors import OutputFileError
from napari_unet_nuclei.core.image.pixel_size import PixelSize
from napari_unet_nuclei.core.tracking.export.geff import write_geff
from napari_unet_nuclei.core.tracking.track import track
from tests.helpers.movies import discs

DIVIDING = discs([{1: (8, 50, 50)}] * 2 + [{2: (6, 50, 42), 3: (6, 50, 58)}] * 2)


def test_nodes_edges_and_axes_are_read_back(tmp_path):
    write_geff(tmp_path / "cells.geff", track(DIVIDING * 5, pixel_size=PixelSize(0.5, 0.5)))
    group = zarr.open_group(tmp_path / "cells.geff", mode="r")
    nodes = {
        name: group[f"nodes/props/{name}/values"][...].tolist() for name in ("t", "y", "track", "seg_id", "lineage")
    }
    assert nodes["t"] == [0, 1, 2, 2, 3, 3]
    assert nodes["track"] == [1, 1, 2, 3, 2, 3]
    assert nodes["seg_id"] == [5, 5, 10, 15, 10, 15]
    assert nodes["lineage"] == [1] * 6
    assert nodes["y"] == [25.0] * 6  # in µm
    ids = group["nodes/ids"][...].tolist()
    edges = {tuple(ids.index(end) for end in edge) for edge in group["edges/ids"][...].tolist()}
    assert edges == {(0, 1), (1, 2), (1, 3), (2, 4), (3, 5)}
    described = group.attrs["geff"]
    assert described["directed"] is True
    assert [(axis["name"], axis["type"], axis["unit"]) for axis in described["axes"]] == [
        ("t", "time", "frame"),
        ("y", "space", "micrometer"),
        ("x", "space", "micrometer"),
    ]
    assert set(described["node_props_metadata"]) == set(group["nodes/props"].group_keys())
    assert group["nodes/ids"].dtype == group["edges/ids"].dtype == np.uint64


def test_depth_and_pixels_without_a_size(tmp_path):
    write_geff(tmp_path / "deep.geff", track(discs([{1: (4, 10, 20, 20)}] * 2, (20, 40, 40))))
    described = zarr.open_group(tmp_path / "deep.geff", mode="r").attrs["geff"]
    assert [(axis["name"], axis["unit"]) for axis in described["axes"]] == [
        ("t", "frame"),
        ("z", "pixel"),
        ("y", "pixel"),
        ("x", "pixel"),
    ]


def test_a_movie_without_nuclei_is_an_empty_graph(tmp_path):
    write_geff(tmp_path / "empty.geff", track(np.zeros((2, 9, 9), np.uint8)))
    group = zarr.open_group(tmp_path / "empty.geff", mode="r")
    assert group["nodes/ids"].shape == (0,)
    assert group["edges/ids"].shape == (0, 2)


def test_a_former_graph_is_replaced_but_no_other_folder(tmp_path):
    for _ in range(2):
        write_geff(tmp_path / "a.geff", track(DIVIDING))
    (tmp_path / "b.geff").mkdir()
    (tmp_path / "b.geff" / "notes.txt").write_text("mine")
    with pytest.raises(OutputFileError, match="other files"):
        write_geff(tmp_path / "b.geff", track(DIVIDING))
