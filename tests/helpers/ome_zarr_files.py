"""Writes small OME-Zarr images of every format."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import zarr

PIXELS = np.arange(2 * 3 * 8 * 6, dtype=np.uint16).reshape(2, 3, 8, 6)


AXES = [
    {"name": "c", "type": "channel"},
    {"name": "z", "type": "space", "unit": "micrometer"},
    {"name": "y", "type": "space", "unit": "nanometer"},
    {"name": "x", "type": "space", "unit": "micrometer"},
]


def described(axes: list = AXES, **more: object) -> dict:
    levels = [
        {"path": str(level), "coordinateTransformations": [{"type": "scale", "scale": [1, 2.0, 250 * f, 0.5 * f]}]}
        for level, f in enumerate((1, 2))
    ]
    omero = {"channels": [{"label": "DAPI"}, {"label": "GFP"}]}
    return {"multiscales": [{"axes": axes, "datasets": levels, **more}], "omero": omero}


def write_store(folder: Path, description: dict, zarr_format: int) -> Path:
    group = zarr.create_group(folder, zarr_format=zarr_format)
    for level, step in (("0", 1), ("1", 2)):
        group.create_array(level, data=np.ascontiguousarray(PIXELS[..., ::step, ::step]))
    group.attrs.update({"ome": {"version": "0.5", **description}} if zarr_format == 3 else description)
    return folder
