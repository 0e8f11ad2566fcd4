"""PNG, JPEG, BMP and GIF; OME-Zarr; arrays in Python."""

from __future__ import annotations

import struct
import tempfile
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import imageio.v3 as iio
import numpy as np
import zarr
from PIL import Image

from benchmarks.drawn.case import Case, segment_array
from benchmarks.drawn.drawing import LEVEL, bright, field, stack, stained, write_zarr
from benchmarks.drawn.tiffs import COUNTS, STAINED, UM, options, two
from napari_unet_nuclei import read_image


def picture_cases() -> Iterator[Case]:
    """Yield all cases of this module."""
    yield from _pictures()
    yield from _stores()
    yield from _arrays()


def _pictures() -> Iterator[Case]:
    grey, grey16, colour = field(8, "uint8"), field(8), stained()
    alpha = np.dstack([colour, np.full(colour.shape[:2], 255, np.uint8)])
    for ending in ("png", "bmp", "jpg", "gif"):
        yield Case(f"{ending.upper()} grey", partial(_picture, image=grey, ending=ending), (8,))
    for ending in ("png", "bmp", "jpg"):
        yield Case(f"{ending.upper()} RGB", partial(_picture, image=colour, ending=ending), (8,), means=STAINED)
    frames = [Image.fromarray(field(count, "uint8")) for count in (4, 8)]
    for ending in ("gif", "png", "webp"):
        yield Case(f"{ending.upper()} of two frames", partial(_animation, frames=frames, ending=ending), (4, 8))
    arrays = {"columns first": np.asfortranarray(grey16), "big-endian": grey16.astype(">u2"), "bool": field(8, "bool")}
    for name, array in arrays.items():
        yield Case(f"npy, {name}", partial(_saved, array=array), (8,))
    pickled = np.array([{"image": grey}], object)
    yield Case("npy of Python objects", partial(_saved, array=pickled), refused="Python objects")
    yield Case("PNG 16 bits", partial(_picture, image=grey16, ending="png"), (8,), means={"intensity": bright()})
    yield Case("PNG RGBA", partial(_picture, image=alpha, ending="png"), (8,), means=STAINED)
    sixteen = {name: value * 257 for name, value in STAINED.items()}
    yield Case("PNG 16 bits a colour", partial(_deep_png, picture=stained(dtype="uint16")), (8,), means=sixteen)
    yield Case("PNG of a palette", _palette_png, (8,), means=STAINED)
    yield Case("PNG 1 bit", _one_bit_png, (8,))
    yield Case("PNG grey with alpha", partial(_picture, image=np.dstack([grey, alpha[..., 3]]), ending="png"), (8,))
    stains = np.dstack([field(n, "uint8") for n in (2, 3, 5, 8)])
    yield Case("PNG of four stains", partial(_picture, image=stains, ending="png"), (8,), options={"channel": 3})
    yield Case("PNG damaged", _damaged_png, refused="damaged")


def _picture(folder: Path, image: Any, ending: str) -> None:
    quality = {"quality": 95} if ending == "jpg" else {}
    iio.imwrite(folder / f"a.{ending}", image, plugin="pillow", **quality)


def _animation(folder: Path, frames: list[Image.Image], ending: str) -> None:
    more = {"lossless": True} if ending == "webp" else {}
    frames[0].save(folder / f"a.{ending}", save_all=True, append_images=frames[1:], **more)


def _saved(folder: Path, array: Any) -> None:
    np.save(folder / "a.npy", array, allow_pickle=True)


def _deep_png(folder: Path, picture: Any) -> None:
    """Pillow writes no PNG of 16 bits a colour: rows without filter, in big-endian order, deflated."""
    height, width = picture.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in picture)
    header = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    content = b"\x89PNG\r\n\x1a\n"
    for name, body in ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")):
        content += struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
    (folder / "a.png").write_bytes(content)


def _palette_png(folder: Path) -> None:
    Image.fromarray(stained()).quantize(64).save(folder / "a.png")


def _one_bit_png(folder: Path) -> None:
    Image.fromarray(field(8, "bool")).save(folder / "a.png")


def _damaged_png(folder: Path) -> None:
    _picture(folder, field(8, "uint8"), "png")
    content = (folder / "a.png").read_bytes()
    (folder / "a.png").write_bytes(content[:60] + content[200:])


def _stores() -> Iterator[Case]:
    for zarr_format, version in ((2, "0.4"), (3, "0.5")):
        for axes in ("YX", "TYX", "ZYX", "CYX", "TCYX", "CZYX", "TCZYX"):
            names = ("DAPI", "GFP") if "C" in axes else ()
            means = two("DAPI", "GFP") if names else {"intensity": bright()}
            counts = COUNTS.get(axes, (4, 8))
            draw = partial(_store, image=stack(axes), axes=axes, names=names, zarr_format=zarr_format)
            asked = options(axes) | ({"channel": "DAPI"} if names else {})
            yield Case(f"OME-Zarr {version} {axes}", draw, counts, UM, means, options=asked)
        for dtype in ("uint8", "float32"):
            draw = partial(_store, image=field(8, dtype), axes="YX", names=(), zarr_format=zarr_format)
            yield Case(f"OME-Zarr {version} YX {dtype}", draw, (8,), UM, {"intensity": bright(dtype)})
        series = partial(_several, zarr_format=zarr_format)
        yield Case(f"OME-Zarr {version} of a converter, series 2", series, (12,), options={"series": 2})
        yield Case(
            f"Zarr array without OME, format {zarr_format}", partial(_bare, zarr_format=zarr_format), refused="OME-Zarr"
        )


def _store(folder: Path, image: Any, axes: str, names: tuple[str, ...], zarr_format: int) -> None:
    write_zarr(folder / "a.zarr", image, axes, UM, names, zarr_format)


def _several(folder: Path, zarr_format: int) -> None:
    group = zarr.create_group(folder / "a.zarr", zarr_format=zarr_format)
    group.attrs.update({"bioformats2raw.layout": 3} if zarr_format == 2 else {"ome": {"bioformats2raw.layout": 3}})
    for number, count in enumerate((4, 8, 12)):
        write_zarr(folder / "a.zarr" / str(number), field(count), "YX", UM, zarr_format=zarr_format)


def _bare(folder: Path, zarr_format: int) -> None:
    zarr.create_array(folder / "a.zarr", data=field(8), zarr_format=zarr_format)


def _arrays() -> Iterator[Case]:
    """Arrays of other packages and shapes, which either give the nuclei or a message."""
    image, colour = field(8), stained()
    given: dict[str, Callable[[], Any]] = {
        "array of floats": lambda: image / 1000,
        "array that is read-only": lambda: _locked(image),
        "array, big-endian": lambda: image.astype(">u2"),
        "array, columns first in memory": lambda: np.asfortranarray(image),
        "masked array": lambda: np.ma.masked_array(image, image > 60_000),
        "list of lists": image.tolist,
        "bool": lambda: field(8, "bool"),
        "float64 with NaN": lambda: np.where(np.arange(image.shape[1]) < 2, np.nan, image / 1000),
        "RGB": lambda: colour,
        "RGB floats": lambda: colour / 255.0,
        "RGB uint16": lambda: stained(dtype="uint16"),
        "RGBA": lambda: np.dstack([colour, np.full(colour.shape[:2], 255, np.uint8)]),
        "RGB, big-endian": lambda: stained(dtype="uint16").astype(">u2"),
        "nested lists of planes": lambda: [image.tolist()],
        "memory map": lambda: _mapped(image),
        "Dask array": lambda: _dask(image),
        "Zarr array": lambda: zarr.array(image),
        "PyTorch tensor": lambda: _tensor(image.astype("float32")),
        "xarray with names of axes": lambda: _xarray(image),
    }
    for name, make in given.items():
        yield Case(f"Python: {name}", _making(make), (8,), run=segment_array)
    movie = _making(lambda: stack("TYX"))
    yield Case("Python: movie", movie, (4, 8), options={"axes": "TYX"}, run=segment_array)
    channels = {"axes": "CYX", "channel": 1}
    other = _making(lambda: np.stack([field(4), field(8)]))
    yield Case("Python: second channel", other, (8,), options=channels, run=segment_array)
    four = _making(lambda: np.dstack([field(2), field(3), field(5), field(8)]))
    yield Case("Python: four stains as samples", four, (8,), options={"channel": 3}, run=segment_array)
    yield Case("Python: complex", _making(lambda: image * 1j), refused="real", run=segment_array)
    yield Case("Python: text", _making(lambda: np.array([["a", "b"]])), refused="real", run=segment_array)
    line = _making(lambda: image[0])
    yield Case("Python: a single row", line, refused="shape", run=segment_array)
    wrong = {"axes": "CYX"}
    yield Case("Python: axes that do not fit", _making(lambda: image), refused="axes", options=wrong, run=segment_array)
    yield Case("Python: read_image", _opened, (8,), run=segment_array)


def _making(make: Callable[[], Any]) -> Callable[[Path], Any]:
    return lambda folder: make()


def _locked(image: Any) -> Any:
    copy = image.copy()
    copy.flags.writeable = False
    return copy


def _tensor(image: Any) -> Any:
    import torch

    return torch.from_numpy(image)


def _mapped(image: Any) -> Any:
    with tempfile.TemporaryFile() as file:
        mapped = np.memmap(file, image.dtype, "w+", shape=image.shape)
        mapped[:] = image
        return mapped


def _dask(image: Any) -> Any:
    import dask.array

    return dask.array.from_array(image, chunks=50)


def _xarray(image: Any) -> Any:
    import xarray

    # Columns first: only the names say so.
    return xarray.DataArray(image.T, dims=("x", "y")).transpose("y", "x")


def _opened(folder: Path) -> Any:
    write_zarr(folder / "a.zarr", np.stack([field(8), field(8, level=LEVEL / 2)]), "CYX", UM, ("DAPI", "GFP"))
    return read_image(folder / "a.zarr")
