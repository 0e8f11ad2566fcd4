"""TIFF files: axes, types of values, ways of storing, the programs that write them, colour, sets and series."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from PIL import Image

from benchmarks.drawn.case import Case
from benchmarks.drawn.drawing import (
    LEVEL,
    bright,
    field,
    outlines,
    stack,
    stained,
    write_imagej,
    write_ome,
    write_ome_set,
)

UM = 0.325
DTYPES = ("bool", "uint8", "int8", "uint16", "int16", "uint32", "int32", "float16", "float32", "float64")
COUNTS = {"YX": (8,), "TYX": (4, 8), "ZYX": (8,), "CYX": (8,), "TCYX": (4, 8), "ZCYX": (8,), "TZYX": (4, 8)}
COUNTS |= {"TZCYX": (4, 8), "CZYX": (8,), "CTYX": (4, 8)}
"""Nuclei of every plane: of stacks one plane is segmented, of channels the first."""

STAINED = dict(zip(("red", "green", "blue"), stained()[outlines(8) > 0].mean(axis=0).tolist(), strict=True))
"""Mean of each colour within the nuclei of a stained picture."""


def options(axes: str) -> dict[str, Any]:
    """Return what is asked of images with these axes: the first channel, the first plane, all time points."""
    chosen: dict[str, Any] = {"channel": 0} if "C" in axes else {}
    return chosen | ({"plane": {"Z": 0}} if "Z" in axes else {})


def two(first: str, second: str) -> dict[str, float]:
    """Return the means of two channels."""
    return {first: bright(), second: bright(level=LEVEL / 2)}


def tiff_cases() -> Iterator[Case]:
    """Yield all cases of this module."""
    yield from _plain()
    yield from _stored()
    yield from _programs()
    yield from _suffixes()
    yield from _colours()
    yield from _several()


def _plain() -> Iterator[Case]:
    """tifffile's own files, which name their axes."""
    for dtype in DTYPES:
        means = {"intensity": bright(dtype)}
        yield Case(f"TIFF YX {dtype}", partial(_plain_file, image=field(8, dtype)), (8,), means=means)
    for axes, counts in COUNTS.items():
        draw = partial(_plain_file, image=stack(axes), metadata={"axes": axes})
        means = {"channel_0" if "C" in axes else "intensity": bright()}
        means |= {"channel_1": bright(level=LEVEL / 2)} if "C" in axes else {}
        yield Case(f"TIFF {axes}", draw, counts, means=means, options=options(axes))
    unnamed = partial(_plain_file, image=stack("TYX", counts=(4, 8, 12)), metadata=None)
    yield Case("TIFF three pages without metadata", unnamed, (4, 8, 12), options={"axes": "TYX"})
    yield Case("TIFF three planes of tifffile", partial(_plain_file, image=np.stack([field(8)] * 3)), (8,) * 3)
    yield Case("TIFF four planes of tifffile", partial(_plain_file, image=np.stack([field(8)] * 4)), (8,) * 4)


def _plain_file(folder: Path, image: Any, **more: Any) -> None:
    tifffile.imwrite(folder / "a.tif", image, photometric="minisblack", **more)


def _stored() -> Iterator[Case]:
    """Ways of storing the same pixels."""
    ways: dict[str, dict[str, Any]] = {
        "deflate": {"compression": "zlib"},
        "deflate with predictor": {"compression": "zlib", "predictor": True},
        "tiles": {"tile": (64, 64)},
        "tiles, deflate": {"tile": (64, 64), "compression": "zlib"},
        "strips": {"rowsperstrip": 16},
        "big-endian": {"byteorder": ">"},
        "BigTIFF": {"bigtiff": True},
        "BigTIFF, big-endian": {"bigtiff": True, "byteorder": ">"},
    }
    for name, way in ways.items():
        draw = partial(_plain_file, image=stack("TYX"), metadata={"axes": "TYX"}, **way)
        yield Case(f"TIFF {name}", draw, (4, 8), means={"intensity": bright()})
    yield Case("TIFF inches as paper has them", partial(_plain_file, image=field(8), resolution=(300, 300)), (8,))
    yield Case("TIFF centimetres", partial(_resolution, unit="CENTIMETER", per_um=1e4), (8,), um=UM)
    yield Case("TIFF inverted (0 is white)", partial(_photometric, photometric="miniswhite"), (8,))
    for way, image in {"tiff_lzw": field(8), "packbits": field(8, "uint8"), "group4": field(8, "bool")}.items():
        yield Case(f"TIFF of Pillow, {way}", partial(_by_pillow, image=image, way=way), (8,))
    sizes = [field(8)[: 120 - 10 * number] for number in range(3)]
    yield Case("TIFF of pages of three sizes", partial(_pages, pages=sizes), (8, 8, 8))
    deep = [field(8), field(8, "uint8")]
    yield Case("TIFF of pages of two types, the first", partial(_pages, pages=deep), (8,))
    yield Case("TIFF truncated", _truncated, refused="truncated")
    yield Case("TIFF empty", partial(_bytes, content=b""), refused="empty")
    yield Case("TIFF that is text", partial(_bytes, content=b"no"), refused="not an image")
    yield Case("TIFF complex", partial(_plain_file, image=field(8).astype("complex64")), refused="complex64")
    yield Case("TIFF one page of zeros", partial(_plain_file, image=np.zeros((128, 128), "uint16")), (0,))
    yield Case("TIFF (1, Y, X)", partial(_plain_file, image=field(8)[None], metadata=None), (8,))


def _resolution(folder: Path, unit: str, per_um: float) -> None:
    _plain_file(folder, field(8), resolution=(per_um / UM, per_um / UM), resolutionunit=unit)


def _photometric(folder: Path, photometric: str) -> None:
    tifffile.imwrite(folder / "a.tif", field(8, "uint8"), photometric=photometric)


def _bytes(folder: Path, content: bytes) -> None:
    (folder / "a.tif").write_bytes(content)


def _by_pillow(folder: Path, image: Any, way: str) -> None:
    Image.fromarray(image).save(folder / "a.tif", compression=way)


def _pages(folder: Path, pages: Sequence[Any]) -> None:
    with tifffile.TiffWriter(folder / "a.tif") as file:
        for page in pages:
            file.write(page, contiguous=False)


def _truncated(folder: Path) -> None:
    _plain_file(folder, field(8))
    content = (folder / "a.tif").read_bytes()
    (folder / "a.tif").write_bytes(content[: len(content) // 2])


def _programs() -> Iterator[Case]:
    """ImageJ and OME."""
    for axes in ("YX", "TYX", "ZYX", "CYX", "TZCYX", "ZCYX"):
        means = two("channel_0", "channel_1") if "C" in axes else {"intensity": bright()}
        draw = partial(_imagej, image=stack(axes), axes=axes)
        yield Case(f"ImageJ {axes}", draw, COUNTS[axes], UM, means, options=options(axes))
    for dtype in ("uint8", "float32"):
        draw = partial(_imagej, image=stack("TYX", dtype), axes="TYX")
        yield Case(f"ImageJ TYX {dtype}", draw, (4, 8), UM, {"intensity": bright(dtype)})
    for axes in ("YX", "TYX", "ZYX", "CYX", "TZCYX", "CZYX", "CTYX"):
        names = ("DAPI", "GFP") if "C" in axes else ()
        means = two("DAPI", "GFP") if names else {"intensity": bright()}
        chosen = options(axes)
        chosen.pop("channel", None)  # DAPI is found by its name
        draw = partial(_ome, image=stack(axes), axes=axes, names=names)
        yield Case(f"OME-TIFF {axes}", draw, COUNTS[axes], UM, means, options=chosen)
    for dtype in ("uint8", "int16", "uint32", "float32", "float64"):
        draw = partial(_ome, image=stack("CYX", dtype), axes="CYX", names=("DAPI", "GFP"))
        yield Case(f"OME-TIFF CYX {dtype}", draw, (8,), UM, {"DAPI": bright(dtype)})
    for unit, length in {"nm": UM * 1000, "mm": UM / 1000, "cm": UM / 10_000}.items():
        yield Case(f"OME-TIFF in {unit}", partial(_in_unit, length=length, unit=unit), (8,), UM)
    twice = partial(_ome, image=stack("CYX"), axes="CYX", names=("DAPI", "DAPI"))
    yield Case("OME-TIFF of two channels of one name", twice, (8,), UM, two("DAPI_0", "DAPI_1"), options={"channel": 0})
    tiled = partial(_ome, image=stack("CYX"), axes="CYX", names=("DAPI", "GFP"), tile=(64, 64), compression="zlib")
    yield Case("OME-TIFF tiles, deflate", tiled, (8,), UM, two("DAPI", "GFP"))


def _imagej(folder: Path, image: Any, axes: str) -> None:
    write_imagej(folder / "a.tif", image, axes, UM)


def _in_unit(folder: Path, length: float, unit: str) -> None:
    size = {f"PhysicalSize{axis}{end}": value for axis in "XY" for end, value in (("", length), ("Unit", unit))}
    tifffile.imwrite(folder / "a.ome.tif", field(8), ome=True, metadata={"axes": "YX", **size})


def _ome(folder: Path, image: Any, axes: str, names: tuple[str, ...], ending: str = ".ome.tif", **more: Any) -> None:
    write_ome(folder / f"a{ending}", image, axes, UM, names, **more)


def _suffixes() -> Iterator[Case]:
    """TIFF under the suffixes of scanners and cameras."""
    for ending in (".tiff", ".btf", ".tf2", ".tf8", ".ome.tf2", ".svs", ".qptiff", ".scn", ".stk", ".ndpi", ".flex"):
        image, names = stack("CYX"), ("DAPI", "GFP")
        draw = partial(_ome, image=image, axes="CYX", names=names, ending=ending)
        yield Case(f"OME-TIFF that ends in {ending}", draw, (8,), UM, two("DAPI", "GFP"))
    yield Case("TIFF that ends in .TIF", _capital_suffix, (8,))


def _capital_suffix(folder: Path) -> None:
    tifffile.imwrite(folder / "A.TIF", field(8))


def _colours() -> Iterator[Case]:
    """Colour, and what only looks like it."""
    for name, more in {"": {}, ", planes": {"planarconfig": "separate"}, ", deflate": {"compression": "zlib"}}.items():
        picture = np.moveaxis(stained(), -1, 0) if "planarconfig" in more else stained()
        yield Case(f"RGB TIFF{name}", partial(_rgb, picture=picture, **more), (8,), means=STAINED)
    sixteen = {name: value * 257 for name, value in STAINED.items()}
    yield Case("RGB TIFF uint16", partial(_rgb, picture=stained(dtype="uint16")), (8,), means=sixteen)
    opaque = np.dstack([stained(), np.full(stained().shape[:2], 255, np.uint8)])
    alpha = partial(_rgb, picture=opaque, extrasamples=["unassalpha"])
    yield Case("RGBA TIFF", alpha, (8,), means=STAINED)
    stains = np.moveaxis(np.stack([field(2), field(3), field(5), field(8)]), 0, -1)
    four = partial(_rgb, picture=stains, extrasamples=["unspecified"])
    yield Case("four stains as RGB and one more", four, (8,), options={"channel": 3})
    yield Case("RGB TIFF of three pages", partial(_rgb, picture=np.stack([stained()] * 3)), (8,) * 3)
    palette = np.stack([np.arange(256) * 257] * 3).astype("uint16")
    grey = partial(_palette, image=field(8, "uint8"), table=palette)
    yield Case("palette TIFF that is a grey ramp", grey, (8,), means={"intensity": bright("uint8")})


def _rgb(folder: Path, picture: Any, **more: Any) -> None:
    tifffile.imwrite(folder / "a.tif", picture, photometric="rgb", **more)


def _palette(folder: Path, image: Any, table: Any) -> None:
    tifffile.imwrite(folder / "a.tif", image, photometric="palette", colormap=table)


def _several() -> Iterator[Case]:
    """Several images in one file, and one image in several files."""
    for number, count in enumerate((4, 8, 12)):
        yield Case(f"OME-TIFF series {number}", _series, (count,), UM, options={"series": number})
    yield Case("OME-TIFF series that is not there", _series, refused="image", options={"series": 7})
    names = ("Pos0", "Pos1", "Pos2")
    positions = partial(write_ome_set, positions=[field(n) for n in (4, 8, 12)], names=names)
    yield Case("OME-TIFF set of positions", positions, (4, 8, 12), 0.5)
    yield Case("OME-TIFF pyramid", _pyramid, (8,))


def _series(folder: Path) -> None:
    with tifffile.TiffWriter(folder / "a.ome.tif", ome=True) as file:
        for count in (4, 8, 12):
            metadata = {"axes": "YX", "PhysicalSizeX": UM, "PhysicalSizeY": UM}
            file.write(field(count), metadata=metadata, photometric="minisblack")


def _pyramid(folder: Path) -> None:
    image = field(8)
    with tifffile.TiffWriter(folder / "a.ome.tif", ome=True) as file:
        file.write(image, subifds=1, tile=(64, 64), metadata={"axes": "YX"})
        file.write(image[::2, ::2], subfiletype=1, tile=(64, 64))
