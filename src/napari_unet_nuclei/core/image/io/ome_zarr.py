"""Open OME-Zarr images (NGFF 0.1 to 0.5) with axes, positions and channel names; pixels stay on disk."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import zarr
from zarr.errors import ContainsArrayError, GroupNotFoundError

from napari_unet_nuclei.core.errors import ImageFileError
from napari_unet_nuclei.core.image.io.image_file import one_each
from napari_unet_nuclei.core.image.io.zarr_store import has_metadata, open_group, read_metadata
from napari_unet_nuclei.core.image.pixel_size import PixelSize, micrometres
from napari_unet_nuclei.core.image.times import evenly, seconds

LABELS_GROUP = "labels"
"""Group of an image's label images."""

CONVERTED = "bioformats2raw.layout"
"""Attribute of a store in which a converter wrote every image of a file as a group of its own."""

_OLD_AXES = ("t", "c", "z", "y", "x")  # fixed before NGFF 0.3
AXIS_TYPES = {"T": "time", "C": "channel", "Z": "space", "Y": "space", "X": "space"}


@dataclass(frozen=True)
class Axis:
    """One axis of a stored image, and where its pixels lie."""

    letter: str  # T, Z, C, Y, X, or Q for any other
    scale: float = 1.0  # distance between neighbouring pixels, in `unit`
    unit: str = ""  # as NGFF spells it ("micrometer", "second"); empty if unknown
    origin: float = 0.0  # position of the first pixel, in `unit`


@dataclass(frozen=True, eq=False)
class OmeZarrImage:
    """An image in an OME-Zarr store; pixels stay on disk until they are sliced."""

    path: Path  # folder of the image's group
    levels: tuple[zarr.Array[Any], ...]  # finest first
    finest: Path  # of the first level
    axes: tuple[Axis, ...]  # of the finest level
    channel_names: tuple[str, ...]  # one per channel, or empty
    channel_colours: tuple[str, ...]  # one per channel, as "#ff0000", or empty
    zarr_format: int  # 2 up to NGFF 0.4, 3 from 0.5 on

    @property
    def letters(self) -> str:
        """One letter per axis."""
        return "".join(axis.letter for axis in self.axes)

    @property
    def pixel_size(self) -> PixelSize:
        """In µm; 0.0 if the unit is unknown."""
        sizes = {axis.letter: micrometres(axis.scale, axis.unit) if axis.unit else 0.0 for axis in self.axes}
        return PixelSize(sizes["Y"], sizes["X"], sizes.get("Z", 0.0))

    @property
    def frame_times(self) -> tuple[float, ...]:
        """Seconds of every frame; empty if unknown."""
        if "T" not in self.letters:
            return ()
        place = self.letters.index("T")
        axis, frames = self.axes[place], self.levels[0].shape[place]
        return evenly(seconds(axis.scale, axis.unit) if axis.unit else 0.0, frames)


def is_ome_zarr(path: Path) -> bool:
    """Tell whether a path leads to a Zarr group or array, as `has_metadata` does."""
    return has_metadata(path)


def image_groups(path: Path) -> tuple[Path, ...]:
    """List the groups of the images in a store: the store itself, or those that a converter made of one file.

    A folder that is no store, or one of another kind, is returned as it is: opening it says what is wrong.
    """
    try:
        group = open_group(path)
        described = _described(group)
        if CONVERTED not in described:
            return (path,)
        about = path / "OME"
        listed = _described(open_group(about)).get("series") if is_ome_zarr(about) else None
        if isinstance(listed, list) and listed:
            return tuple(path / str(name) for name in listed)
        # Where they are not listed, they are numbered.
        return tuple(itertools.takewhile(is_ome_zarr, (path / str(number) for number in itertools.count()))) or (path,)
    except Exception:  # noqa: BLE001  # whatever is wrong with the store, opening it says so
        return (path,)


def converted_names(path: Path, count: int) -> tuple[str, ...]:
    """Return what the file that a store was made of called its images; nothing where that is unknown."""
    try:
        root = ElementTree.fromstring(read_metadata(path / "OME", "METADATA.ome.xml"))
    except (OSError, ValueError, ElementTree.ParseError, ImageFileError):
        return ()
    names = tuple(image.get("Name", "").strip() for image in root.findall("{*}Image"))
    return names if len(names) == count else ()


def read_ome_zarr(path: Path) -> OmeZarrImage:
    """Open the folder of an image, or of a store that a converter wrote, of which the first image is opened.

    Raise ImageFileError if it is not an image, or is damaged or incomplete.
    """
    try:
        group = open_group(path)
        described = _described(group)
        if CONVERTED in described:
            first = image_groups(path)[0]
            return read_ome_zarr(first if first != path else path / "0")
        if "multiscales" not in described:
            raise ImageFileError(f"{path} {_what_it_is(described)}")
        return _opened(path, group, described)
    except ImageFileError:
        raise
    except GroupNotFoundError as error:
        raise ImageFileError(
            f"{path} is not an OME-Zarr image, or was not written completely: write it again."
        ) from error
    except ContainsArrayError as error:
        raise ImageFileError(f"{path} is one level of an OME-Zarr image: give the folder above it.") from error
    except Exception as error:  # metadata may be wrong in any way
        raise ImageFileError(
            f"{path} cannot be read as an OME-Zarr image ({error}). It may be damaged: export it again."
        ) from error


def _opened(path: Path, group: zarr.Group, described: Mapping[str, Any]) -> OmeZarrImage:
    multiscale = described["multiscales"][0]
    levels = [group[dataset["path"]] for dataset in multiscale["datasets"]]
    arrays = tuple(level for level in levels if isinstance(level, zarr.Array))
    axis_names = multiscale.get("axes", _OLD_AXES)
    # A path may lead to a group, or to an array with other axes.
    if len(arrays) < len(levels) or {level.ndim for level in arrays} != {len(axis_names)}:
        raise ImageFileError(f"{path} does not hold the arrays that it describes: it may be damaged. Export it again.")
    axes = _axes(axis_names, multiscale)
    channels = dict(zip((axis.letter for axis in axes), arrays[0].shape, strict=True)).get("C", 1)
    shown = described.get("omero", {}).get("channels", ())
    names = one_each(channels, [str(channel.get("label", "")) for channel in shown])
    # OME writes no '#', but some programs do.
    colours = one_each(channels, [str(channel.get("color", "")).lstrip("#").lower() for channel in shown])
    return OmeZarrImage(
        path,
        arrays,
        path / multiscale["datasets"][0]["path"],
        axes,
        names,
        tuple(f"#{colour}" for colour in colours),
        group.metadata.zarr_format,
    )


def _axes(names: Sequence[str | Mapping[str, Any]], multiscale: Mapping[str, Any]) -> tuple[Axis, ...]:
    """Describe the axes of the finest level: its own transformations apply first, then the common ones."""
    scale, origin = np.ones(len(names)), np.zeros(len(names))
    finest, common = multiscale["datasets"][0], multiscale
    for one in (*finest.get("coordinateTransformations", ()), *common.get("coordinateTransformations", ())):
        factors = np.array(one.get("scale", np.ones(len(names))), float)
        # A later scale also scales the positions so far.
        scale, origin = (
            scale * factors,
            origin * factors + np.array(one.get("translation", np.zeros(len(names))), float),
        )
    return tuple(
        Axis(_letter(name), float(step), "" if isinstance(name, str) else name.get("unit") or "", float(start))
        for name, step, start in zip(names, scale, origin, strict=True)
    )


def _described(group: zarr.Group) -> Mapping[str, Any]:
    """Return the OME metadata, which have their own key since NGFF 0.5."""
    attributes = dict(group.attrs)
    described = attributes.get("ome", attributes)
    return described if isinstance(described, dict) else {}


def _what_it_is(described: Mapping[str, Any]) -> str:
    if "plate" in described or "well" in described:
        return "is a plate: give the images in it, e.g. PLATE.zarr/A/1/0."
    if LABELS_GROUP in described:
        return "is a group of label images: give the image itself."
    return "is a Zarr store, but not an OME-Zarr image: it has no 'multiscales'. Export it as OME-Zarr."


def _letter(name: str | Mapping[str, Any]) -> str:
    """Letter of an axis by its name, or by its type if the name is unusual."""
    called = (name if isinstance(name, str) else str(name.get("name", ""))).upper()
    if called in AXIS_TYPES:
        return called
    kind = "" if isinstance(name, str) else name.get("type", "")
    return {"time": "T", "channel": "C"}.get(str(kind), "Q")
