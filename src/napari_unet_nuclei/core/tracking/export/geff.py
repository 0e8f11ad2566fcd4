"""Write tracks as GEFF, the graph exchange file format that Mastodon, napari plugins and Python tools read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from napari_unet_nuclei.core.tracking.export.folder import whole_folder
from napari_unet_nuclei.core.tracking.tables import descent_columns
from napari_unet_nuclei.core.tracking.track import TrackResult

GEFF_VERSION = "1.1"
"""Of the specification; later versions only add to it."""


def write_geff(path: Path | str, result: TrackResult) -> None:
    """Write tracks as a GEFF graph (Zarr): a node per nucleus and frame, an edge per link.

    Parameters
    ----------
    path : Path or str
        A folder, by custom ``*.geff``; replaced if it holds a GEFF graph already.
    result : TrackResult
        Nodes have the frame ``t``, the centroid ``[z,] y, x`` in µm, or in pixels where the pixel size is unknown,
        ``seg_id``, the id in the given labels, ``track``, the id in the relabelled ones, ``lineage``, the id of the
        first ancestor, and ``size`` in pixels or voxels.

    Raises
    ------
    OutputFileError
        If the folder holds other files, or cannot be written.

    Examples
    --------
    >>> from napari_unet_nuclei import time_series, track, write_geff
    >>> write_geff("cells.geff", track(time_series().labels))
    """
    lineages = result.lineages
    spots, rows = lineages.spots, np.flatnonzero(lineages.track > 0)
    names = "zyx" if len(spots.shape) == 4 else "yx"
    size = result.pixel_size
    edges = {"z": size.z, "y": size.y, "x": size.x}
    known = all(edges[name] > 0 for name in names)
    columns = descent_columns(lineages)
    properties: dict[str, NDArray[Any]] = {"t": spots.frame[rows]}
    for axis, name in enumerate(names):
        properties[name] = spots.centre[rows, axis] * (edges[name] if known else 1.0)
    properties |= {"seg_id": spots.label[rows], "track": lineages.track[rows]}
    properties |= {"lineage": columns["root"][rows], "size": spots.size[rows]}
    linked = rows[lineages.previous[rows] >= 0]
    edge_ids = np.stack([lineages.previous[linked], linked], axis=1).astype(np.uint64)
    with whole_folder(Path(path), _is_geff) as partial:
        # Zarr 2, which every program that reads GEFF understands.
        group = zarr.open_group(partial, mode="w", zarr_format=2)
        _store(group, "nodes/ids", rows.astype(np.uint64))
        for name, values in properties.items():
            _store(group, f"nodes/props/{name}/values", values)
        _store(group, "edges/ids", edge_ids)
        group.require_group("edges/props")
        group.attrs["geff"] = _metadata(names, properties, "micrometer" if known else "pixel")


def _store(group: zarr.Group, name: str, values: NDArray[Any]) -> None:
    # A chunk has at least one value, also where there are none.
    chunks = tuple(max(length, 1) for length in values.shape)
    array = group.create_array(name, shape=values.shape, chunks=chunks, dtype=values.dtype)
    array[...] = values


def _metadata(names: str, properties: dict[str, NDArray[Any]], unit: str) -> dict[str, Any]:
    """Describe the graph as the specification asks."""
    kinds = {"t": ("time", "frame")} | dict.fromkeys(names, ("space", unit))
    axes = []
    for name, (kind, of) in kinds.items():
        values = properties[name]
        extent = {"min": float(values.min()), "max": float(values.max())} if len(values) else {}
        axes.append({"name": name, "type": kind, "unit": of, **extent})
    return {
        "geff_version": GEFF_VERSION,
        "directed": True,
        "axes": axes,
        "node_props_metadata": {
            name: {"identifier": name, "dtype": str(values.dtype), "varlength": False}
            for name, values in properties.items()
        },
        "edge_props_metadata": {},
        "track_node_props": {"tracklet": "track", "lineage": "lineage"},
    }


def _is_geff(folder: Path) -> bool:
    names = {path.name for path in folder.iterdir()}
    return names <= {".zgroup", ".zattrs", "nodes", "edges"} and {"nodes", "edges"} <= names
