"""Small images whose channels lie in files of their own, and plates of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tifffile
import zarr

from tests.helpers.samples import fluorescent_nuclei

GUID = "0A1B2C3D-4E5F-6789-ABCD-EF0123456789"


def touched(folder: Path, *names: str) -> dict[Path, Path]:
    """Make files of which only the names matter; return each with the folder in which it is searched."""
    roots = {}
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        roots[path] = folder
    return roots


def write_metaxpress(folder: Path, sites: int = 2) -> Path:
    """Write sites of one well as MetaXpress does: nuclei in w1, 40 times their square root in w2, and thumbnails."""
    folder.mkdir(parents=True, exist_ok=True)
    for site in range(1, sites + 1):
        image = fluorescent_nuclei(site, (96, 96), 20.0, 4 + 2 * site).image.astype(np.uint16)
        other = (40 * np.sqrt(image)).astype(np.uint16)
        for channel, pixels in enumerate((image, other), start=1):
            tifffile.imwrite(folder / f"exp1_B02_s{site}_w{channel}{GUID}.TIF", pixels)
            tifffile.imwrite(folder / f"exp1_B02_s{site}_thumb_w{channel}{GUID}.TIF", pixels[::4, ::4])
    return folder


def write_plate(path: Path, zarr_format: int = 2) -> Path:
    """Write an OME-Zarr plate with three fields in the wells A/1 and B/2."""
    wells = {"A/1": ("0", "1"), "B/2": ("0",)}
    plate = {
        "version": "0.4",
        "rows": [{"name": "A"}, {"name": "B"}],
        "columns": [{"name": "1"}, {"name": "2"}],
        "wells": [{"path": well, "rowIndex": "AB".index(well[0]), "columnIndex": int(well[2]) - 1} for well in wells],
    }
    _describe(path, {"plate": plate}, zarr_format)
    for well, fields in wells.items():
        _describe(path / well[0], {}, zarr_format)
        _describe(path / well, {"well": {"images": [{"path": name} for name in fields]}}, zarr_format)
        for name in fields:
            seed = 3 * "AB".index(well[0]) + int(name)
            image = fluorescent_nuclei(seed, (96, 96), 20.0, 6).image.astype(np.uint16)
            _write_field(path / well / name, np.stack([image, image // 2]), zarr_format)
    return path


def _write_field(path: Path, pixels: np.ndarray, zarr_format: int) -> None:
    axes = [{"name": "c", "type": "channel"}, *({"name": name, "type": "space", "unit": "micrometer"} for name in "yx")]
    levels = [{"path": "0", "coordinateTransformations": [{"type": "scale", "scale": [1, 0.5, 0.5]}]}]
    described = {
        "multiscales": [{"axes": axes, "datasets": levels}],
        "omero": {"channels": [{"label": "DAPI"}, {"label": "GFP"}]},
    }
    _describe(path, described, zarr_format).create_array("0", data=pixels)


def _describe(path: Path, described: dict, zarr_format: int) -> zarr.Group:
    group = zarr.open_group(path, mode="a", zarr_format=zarr_format)
    group.attrs.update({"ome": {"version": "0.5", **described}} if zarr_format == 3 and described else described)
    return group
