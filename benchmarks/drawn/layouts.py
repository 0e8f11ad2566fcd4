"""Images in several files, plates, and stores in one file."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
import zarr

from benchmarks.drawn.case import Case
from benchmarks.drawn.drawing import LEVEL, bright, field, stack, write_ome_set, write_zarr
from benchmarks.drawn.tiffs import UM

WELLS = {"A/1/0": 4, "A/1/1": 8, "B/2/0": 12}
"""Fields of a plate, and their nuclei."""


def layout_cases() -> Iterator[Case]:
    """Yield all cases of this module."""
    first, second = "Plate_A01_s{site}_w1{hash}.TIF", "Plate_A01_s{site}_w2{hash}.TIF"
    thumbs = ("Plate_A01_s{site}_w1_thumb{hash}.tif", "Plate_A01_s{site}_w2_thumb{hash}.tif")
    means = {"w1": bright(), "w2": bright(level=LEVEL / 2)}
    draw = partial(_sites, names=(first, second), thumbs=thumbs)
    yield Case("MetaXpress", draw, (4, 8), means=means, options={"channel": "w1"})
    yield Case("MetaXpress without a choice of channel", draw, refused="Choose the one that shows the nuclei")
    opera = partial(_sites, names=("r01c01f0{site}p01-ch1sk1fk1fl1.tiff", "r01c01f0{site}p01-ch2sk1fk1fl1.tiff"))
    yield Case("Opera, a file for each channel", opera, (4, 8), options={"channel": "ch1"})
    words = partial(_sites, names=("DAPI_00{site}.tif", "GFP_00{site}.tif"))
    means = {"DAPI": bright(), "GFP": bright(level=LEVEL / 2)}
    yield Case("channels by words", words, (4, 8), means=means)
    for zarr_format, version in ((2, "0.4"), (3, "0.5")):
        plate = partial(_plate, zarr_format=zarr_format)
        yield Case(f"plate, OME-Zarr {version}", plate, (4, 8, 12), UM, means, options={"channel": "DAPI"})
    names = ("Pos0", "Pos1")
    missing = partial(_incomplete_set, positions=[field(n) for n in (4, 8, 12)], names=(*names, "Pos2"))
    yield Case("OME-TIFF set of which a position is missing", missing, (4, 8), 0.5)
    yield Case("Cellpose's pickle beside its image", _pickle_beside, (8,))
    yield Case("zipped OME-Zarr", _zipped_store, (8,), UM)


def _sites(folder: Path, names: tuple[str, str], thumbs: tuple[str, ...] = ()) -> None:
    for site, count in ((1, 4), (2, 8)):
        for number, (name, level) in enumerate(zip(names, (LEVEL, LEVEL / 2), strict=True)):
            image = field(count, level=level)
            tag = f"1B2C3D4E-0000-4000-8000-00000000{site}{number}AA"
            tifffile.imwrite(folder / name.format(site=site, hash=tag), image)
            for thumb in thumbs[number : number + 1]:
                tifffile.imwrite(folder / thumb.format(site=site, hash=tag), image[::4, ::4])


def _plate(folder: Path, zarr_format: int) -> None:
    place = folder / "plate.zarr"
    version = {2: "0.4", 3: "0.5"}[zarr_format]
    wells = [{"path": "A/1", "rowIndex": 0, "columnIndex": 0}, {"path": "B/2", "rowIndex": 1, "columnIndex": 1}]
    described: dict[str, Any] = {
        "version": version,
        "columns": [{"name": "1"}, {"name": "2"}],
        "rows": [{"name": "A"}, {"name": "B"}],
        "wells": wells,
    }
    _group(place, zarr_format, version, {"plate": described})
    for row in ("A", "B"):
        zarr.create_group(place / row, zarr_format=zarr_format)
    for well, images in {"A/1": ("0", "1"), "B/2": ("0",)}.items():
        fields = [{"path": path} for path in images]
        _group(place / well, zarr_format, version, {"well": {"version": version, "images": fields}})
    for path, count in WELLS.items():
        write_zarr(place / path, stack("CYX", counts=(count,)), "CYX", UM, ("DAPI", "GFP"), zarr_format)


def _group(place: Path, zarr_format: int, version: str, content: dict[str, Any]) -> None:
    group = zarr.create_group(place, zarr_format=zarr_format)
    group.attrs.update({"ome": {"version": version, **content}} if zarr_format == 3 else content)


def _incomplete_set(folder: Path, positions: list[Any], names: tuple[str, ...]) -> None:
    write_ome_set(folder, positions, names)
    (folder / f"{names[-1]}.ome.tif").unlink()


def _pickle_beside(folder: Path) -> None:
    tifffile.imwrite(folder / "a.tif", field(8))
    np.save(folder / "a_seg.npy", {"masks": field(8)}, allow_pickle=True)


def _zipped_store(folder: Path) -> Path:
    write_zarr(folder / "a.ome.zarr", field(8), "YX", UM)
    shutil.make_archive(str(folder / "a.ome.zarr"), "zip", folder / "a.ome.zarr")
    shutil.rmtree(folder / "a.ome.zarr")
    return folder / "a.ome.zarr.zip"
