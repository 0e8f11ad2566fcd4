"""Images in several files, plates, and stores in one file."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
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
    yield from _layouts()


LAYOUTS: dict[str, tuple[str, str, str]] = {
    "MetaXpress of a plate": ("P_B02_s{field}_w1.TIF", "P_B02_s{field}_w2.TIF", "w1"),
    "ImageXpress with planes": ("P_B02_s{field}_w1_z1.tif", "P_B02_s{field}_w2_z1.tif", "w1"),
    "Harmony": ("r02c03f0{field}p01-ch1sk1fk1fl1.tiff", "r02c03f0{field}p01-ch2sk1fk1fl1.tiff", "ch1"),
    "CellVoyager": ("P_B03_T0001F00{field}L01A01Z01C01.tif", "P_B03_T0001F00{field}L01A02Z01C02.tif", "0"),
    "CQ1": ("W0001F000{field}T0001Z001C1.tif", "W0001F000{field}T0001Z001C2.tif", "0"),
    "IN Cell": ("B - 03(fld {field} wv DAPI - DAPI).tif", "B - 03(fld {field} wv FITC - FITC).tif", "DAPI - DAPI"),
    "scanR": (
        "B3--W00001--P0000{field}--Z00000--T00000--DAPI.tif",
        "B3--W00001--P0000{field}--Z00000--T00000--GFP.tif",
        "DAPI",
    ),
    "Cytation": ("B3_01_1_{field}_DAPI_001.tif", "B3_01_1_{field}_GFP_001.tif", "DAPI"),
    "Incucyte": ("Red_B3_{field}_00d00h00m.tif", "Green_B3_{field}_00d00h00m.tif", "Red"),
    "MetaMorph": ("day1_w1DAPI_s{field}.TIF", "day1_w2GFP_s{field}.TIF", "w1DAPI"),
    "LAS X exports": ("Series00{field}_ch00.tif", "Series00{field}_ch01.tif", "0"),
    "ImageJ's split channels": ("C1-cells {field}.tif", "C2-cells {field}.tif", "0"),
    "folders of stains": ("DAPI/cells {field}.tif", "GFP/cells {field}.tif", "DAPI"),
}
"""Names of the files of both channels, and the channel that shows nuclei."""


def _layouts() -> Iterator[Case]:
    """Channels in files of their own, as microscopes and people name them; planes and time points, too."""
    for title, (first, second, channel) in LAYOUTS.items():
        draw = partial(_sites, names=(first, second))
        yield Case(f"files of {title}", draw, (4, 8), options={"channel": channel})
    pattern = {"channels": "{well}_{field}_c{channel}.tif", "channel": "1"}
    own = partial(_sites, names=("B03_{site}_c1.tif", "B03_{site}_c2.tif"))
    yield Case("files of a pattern", own, (4, 8), options=pattern)
    alone = partial(_sites, names=("DAPI_00{site}.tif", "GFP_00{site}.tif"))
    yield Case("files one by one", alone, (4, 8, 4, 8), options={"channels": "none"})
    frames = {f"P_B02_s1_t{time}.tif": field(count) for time, count in enumerate((4, 8, 12), 1)}
    asked = {"channels": "{plate}_{well}_s{field}_t{time}.tif"}
    yield Case("movie of files", partial(_files, images=frames), (4, 8, 12), options=asked)
    movie = {
        f"TimePoint_{time}/P_B02_s1_w{channel}.TIF": field(count, level=LEVEL / channel)
        for time, count in enumerate((4, 8), 1)
        for channel in (1, 2)
    }
    yield Case(
        "MetaXpress in time", partial(_files, images=movie), (4, 8), options={"channel": "w1", "recursive": True}
    )
    depth = {f"P_B02_s1_w1_z{plane}.tif": field(8) for plane in (1, 2, 3)}
    yield Case("stack of files", partial(_files, images=depth), (8,), options={"plane": {"Z": 1}})
    lost = {name: image for name, image in movie.items() if name != "TimePoint_2/P_B02_s1_w2.TIF"}
    asked = {"channel": "w1", "recursive": True}
    yield Case("MetaXpress of which a file is lost", partial(_files, images=lost), refused="missing", options=asked)


def _files(folder: Path, images: Mapping[str, Any]) -> None:
    for name, image in images.items():
        (folder / name).parent.mkdir(exist_ok=True)
        tifffile.imwrite(folder / name, image)


def _sites(folder: Path, names: tuple[str, str], thumbs: tuple[str, ...] = ()) -> None:
    for site, count in ((1, 4), (2, 8)):
        for number, (name, level) in enumerate(zip(names, (LEVEL, LEVEL / 2), strict=True)):
            image = field(count, level=level)
            tag = f"1B2C3D4E-0000-4000-8000-00000000{site}{number}AA"
            path = folder / name.format(site=site, field=site, hash=tag)
            path.parent.mkdir(exist_ok=True)
            tifffile.imwrite(path, image)
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
