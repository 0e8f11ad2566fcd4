"""Fields of nuclei whose number and brightness are known, and files of every format with them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

import numpy as np
import tifffile
import zarr
from numpy.typing import NDArray
from scipy import ndimage

SIDE = 128
"""Pixels; height of a field. It is wider than high, so that rows and columns cannot be exchanged unnoticed."""

WIDTH = SIDE + 16
RADIUS, SPACING, PER_ROW = 9, 30, 4
GROUND, LEVEL = 100, 900
"""Brightness of the background, and what a nucleus adds to it: as a 12-bit camera gives it."""

LARGEST_8_BIT = 250


def outlines(count: int) -> NDArray[np.int32]:
    """Return labels 1 to ``count``, at most 16, of discs in rows of four that do not touch."""
    y, x = np.ogrid[:SIDE, :WIDTH]
    labels = np.zeros((SIDE, WIDTH), np.int32)
    for number in range(count):
        row, column = divmod(number, PER_ROW)
        labels[(y - 20 - SPACING * row) ** 2 + (x - 20 - SPACING * column) ** 2 <= RADIUS**2] = number + 1
    return labels


def field(count: int = 8, dtype: str = "uint16", level: float = LEVEL, shown: int | None = None) -> NDArray[Any]:
    """Return an image of ``count`` bright nuclei, of which only ``shown`` are as bright as ``level``.

    8-bit images are a quarter as bright, floating-point ones lie between 0 and 1, and of bool all nuclei are True.
    """
    labels = outlines(count)
    if dtype == "bool":
        return labels > 0
    rng = np.random.default_rng(count)
    bright = level * ((labels > 0) & (labels <= (count if shown is None else shown)))
    light = GROUND + ndimage.gaussian_filter(bright.astype(float), 0.7) + rng.normal(0, 8, labels.shape)
    return (light * scale_of(dtype)).astype(dtype)


def scale_of(dtype: str) -> float:
    """Return by how much brightness is multiplied in images of a type of values."""
    return {"uint8": 0.25, "int8": 0.1}.get(dtype, 0.001 if dtype.startswith("float") else 1.0)


def bright(dtype: str = "uint16", level: float = LEVEL) -> float:
    """Return the brightness of a nucleus."""
    return 1.0 if dtype == "bool" else (GROUND + level) * scale_of(dtype)


def stained(count: int = 8, dtype: str = "uint8") -> NDArray[Any]:
    """Return a picture (Y, X, 3) of violet nuclei in pale pink tissue."""
    mask = ndimage.gaussian_filter((outlines(count) > 0).astype(float), 0.7)[..., None]
    rng = np.random.default_rng(count)
    picture = (1 - mask) * (236, 214, 228) + mask * (86, 58, 134) + rng.normal(0, 3, (SIDE, WIDTH, 3))
    values = np.clip(picture, 0, LARGEST_8_BIT)
    if dtype.startswith("float"):
        return (values / 255).astype(dtype)
    return (values * (257 if dtype == "uint16" else 1)).astype(dtype)


def stack(axes: str, dtype: str = "uint16", counts: Sequence[int] = (4, 8)) -> NDArray[Any]:
    """Return an image of any axes: frames with ``counts`` nuclei, two planes, and of two channels the second dimmer.

    All planes of a stack are alike; both channels show the same nuclei.
    """
    frames = []
    for count in counts if "T" in axes else counts[-1:]:
        channels = [field(count, dtype, level) for level in (LEVEL, LEVEL / 2)[: 2 if "C" in axes else 1]]
        planes = np.stack([np.stack(channels)] * (2 if "Z" in axes else 1))
        frames.append(planes)
    whole = np.stack(frames)  # T, Z, C, Y, X
    kept = [axis for axis, letter in enumerate("TZC") if letter not in axes]
    letters = "".join(letter for letter in "TZCYX" if letter in axes)
    return np.ascontiguousarray(whole.squeeze(tuple(kept)).transpose([letters.index(letter) for letter in axes]))


def write_imagej(path: Path, image: NDArray[Any], axes: str, um: float) -> None:
    """Write a hyperstack as ImageJ does."""
    metadata = {"axes": axes, "unit": "um", "spacing": 2.0}
    tifffile.imwrite(path, image, imagej=True, resolution=(1 / um, 1 / um), metadata=metadata)


def write_ome(path: Path, image: NDArray[Any], axes: str, um: float, names: Sequence[str] = (), **more: Any) -> None:
    """Write an OME-TIFF."""
    metadata: dict[str, Any] = {"axes": axes, "PhysicalSizeX": um, "PhysicalSizeY": um, "PhysicalSizeZ": 2.0}
    if names:
        metadata["Channel"] = {"Name": list(names)}
    tifffile.imwrite(path, image, ome=True, metadata=metadata, photometric="minisblack", **more)


def write_ome_set(folder: Path, positions: Sequence[NDArray[Any]], names: Sequence[str]) -> None:
    """Write a file for each position (Y, X), each of which describes them all, as acquisition programs do."""
    images = []
    for number, (image, name) in enumerate(zip(positions, names, strict=True)):
        height, width = image.shape
        images.append(
            f'<Image ID="Image:{number}" Name={quoteattr(name)}><Pixels ID="Pixels:{number}" DimensionOrder="XYZCT" '
            f'Type="uint16" SizeX="{width}" SizeY="{height}" SizeZ="1" SizeC="1" SizeT="1" PhysicalSizeX="0.5" '
            f'PhysicalSizeY="0.5"><Channel ID="Channel:{number}:0" SamplesPerPixel="1"/><TiffData IFD="0" '
            f'PlaneCount="1"><UUID FileName={quoteattr(name + ".ome.tif")}>{_uuid(number)}</UUID></TiffData>'
            "</Pixels></Image>"
        )
    for number, (image, name) in enumerate(zip(positions, names, strict=True)):
        xml = (
            '<?xml version="1.0" encoding="UTF-8"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" '
            f'UUID="{_uuid(number)}">{"".join(images)}</OME>'
        )
        tifffile.imwrite(folder / f"{name}.ome.tif", image, description=xml.encode(), metadata=None)


def _uuid(number: int) -> str:
    return f"urn:uuid:00000000-0000-0000-0000-{number:012}"


def write_zarr(
    folder: Path, image: NDArray[Any], axes: str, um: float, names: Sequence[str] = (), zarr_format: int = 3
) -> None:
    """Write an OME-Zarr image of NGFF 0.4 (Zarr format 2) or 0.5 (format 3), with a level of half the size."""
    kinds = {"t": "time", "c": "channel"}
    described = [
        {"name": letter, "type": kinds.get(letter, "space")} | ({"unit": "micrometer"} if letter in "zyx" else {})
        for letter in axes.lower()
    ]
    group = zarr.create_group(folder, zarr_format=zarr_format)
    datasets = []
    for level in (0, 1):
        group.create_array(str(level), data=np.ascontiguousarray(image[..., :: 2**level, :: 2**level]))
        scale = [um * 2**level if letter in "YX" else 2.0 if letter == "Z" else 1.0 for letter in axes]
        datasets.append({"path": str(level), "coordinateTransformations": [{"type": "scale", "scale": scale}]})
    version = {2: "0.4", 3: "0.5"}[zarr_format]
    content: dict[str, Any] = {"multiscales": [{"version": version, "axes": described, "datasets": datasets}]}
    if names:
        content["omero"] = {"channels": [{"label": name} for name in names]}
    group.attrs.update({"ome": {"version": version, **content}} if zarr_format == 3 else content)
