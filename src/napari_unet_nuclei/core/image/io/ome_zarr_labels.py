"""Write label images as NGFF 0.5, block by block: their metadata come last, so that incomplete ones do not count."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from yaozarrs import v05
from zarr.codecs import BloscCodec
from zarr.storage import LocalStore

from napari_unet_nuclei.core.errors import ImageShapeError, OutputFileError
from napari_unet_nuclei.core.files.atomic import atomic
from napari_unet_nuclei.core.files.text import read_json
from napari_unet_nuclei.core.image.io.ome_zarr import AXIS_TYPES, LABELS_GROUP, Axis, OmeZarrImage
from napari_unet_nuclei.core.image.pixel_size import PixelSize
from napari_unet_nuclei.core.image.times import mean_step

PROGRAM = "napari-unet-nuclei"
"""Attribute of a label image that holds its provenance."""

LEADING_AXES = "TQZ"
"""Axes before Y and X, in the order that NGFF requires."""

SMALLEST_LEVEL = 1024
"""Pixels; the coarsest level of a pyramid is at most this high and wide."""

SMALLEST_VOLUME = 256
"""Voxels; the same of volumes, along all three axes."""

CUBE = (64, 256, 256)
"""Sides of a chunk of a volume's labels, in voxels."""

_HALF_WRITTEN = "*.partial"
"""Names of chunks that a program was writing when it was killed, as zarr makes them."""


def leading_order(axes: str) -> list[int]:
    """Positions of an image's leading axes, in the order of the labels' axes.

    Examples
    --------
    >>> leading_order("ZT")
    [1, 0]
    """
    return sorted(range(len(axes)), key=lambda position: LEADING_AXES.index(axes[position]))


def label_axes(
    axes: str, image: OmeZarrImage | None, pixel_size: PixelSize, frame_times: Sequence[float] = ()
) -> tuple[Axis, ...]:
    """Describe the axes of labels: as in the image if it is OME-Zarr, else by pixel size and times (s) of frames.

    Their letters are in the order that NGFF requires: T, Q, Z, Y, X. Raise ImageShapeError if NGFF cannot describe
    them.
    """
    if axes.count("Q") > 1:
        raise ImageShapeError(
            f"OME-Zarr cannot hold labels with the axes {axes}: choose one plane along one of the Q axes."
        )
    known = {axis.letter: axis for axis in image.axes} if image else {}
    sizes = {"Z": pixel_size.z, "Y": pixel_size.y, "X": pixel_size.x}
    measured = {letter: Axis(letter, size, "micrometer") for letter, size in sizes.items() if size > 0}
    if mean_step(frame_times) > 0:
        measured["T"] = Axis("T", mean_step(frame_times), "second")
    return tuple(known.get(letter) or measured.get(letter) or Axis(letter) for letter in axes)


@dataclass(frozen=True)
class Level:
    """A level of a pyramid: its shape, and of how many pixels of the finest level it takes one, along each axis."""

    shape: tuple[int, ...]
    steps: tuple[int, ...]


def pyramid(shape: tuple[int, ...], *, volume: bool = False) -> list[Level]:
    """Levels of a pyramid: rows and columns are halved until neither exceeds `SMALLEST_LEVEL`.

    Of volumes, each of the last three axes is halved as long as it exceeds `SMALLEST_VOLUME`: viewers show the coarsest
    level in three dimensions, for which the finest one is too large.

    Examples
    --------
    >>> [level.shape for level in pyramid((7, 5000, 900))]
    [(7, 5000, 900), (7, 2500, 450), (7, 1250, 225), (7, 625, 113)]
    >>> [level.shape for level in pyramid((300, 1000, 200), volume=True)]
    [(300, 1000, 200), (150, 500, 200), (150, 250, 200)]
    """
    levels = [Level(tuple(shape), (1,) * len(shape))]
    while True:
        last = levels[-1]
        if volume:
            large = [axis for axis in range(len(shape))[-3:] if last.shape[axis] > SMALLEST_VOLUME]
        else:
            large = list(range(len(shape))[-2:]) if max(last.shape[-2:]) > SMALLEST_LEVEL else []
        if not large:
            return levels
        # Rounded up: a level takes the first of every two pixels.
        halved = tuple(-(-size // 2) if axis in large else size for axis, size in enumerate(last.shape))
        steps = tuple(2 * step if axis in large else step for axis, step in enumerate(last.steps))
        levels.append(Level(halved, steps))


def create_array(
    path: Path, shape: tuple[int, ...], dtype: np.dtype[Any] | type, chunks: tuple[int, ...], names: Sequence[str] = ()
) -> zarr.Array[Any]:
    """Create a compressed array with axes ``names``, or open the one that an interrupted run left there."""
    if (path / "zarr.json").exists():
        return zarr.open_array(path, mode="r+")
    return zarr.create_array(
        LocalStore(path),
        shape=shape,
        dtype=dtype,
        # A chunk larger than the array would be stored in full.
        chunks=tuple(min(chunk, size) for chunk, size in zip(chunks, shape, strict=True)),
        compressors=BloscCodec(cname="zstd", clevel=3, typesize=np.dtype(dtype).itemsize),
        dimension_names=list(names) or None,
        # Chunks of nothing but background are not stored at all.
        fill_value=0,
    )


def write_label_metadata(
    folder: Path,
    axes: Sequence[Axis],
    levels: Sequence[Level],
    *,
    name: str,
    source: str,
    provenance: Mapping[str, object],
) -> None:
    """Turn arrays ``0``, ``1``, ... in a folder into a label image; call this last, when nothing else writes there.

    ``axes`` are those of the finest level. ``source`` is the path
    from the folder to the segmented image; empty if that is not an OME-Zarr image. ``provenance`` holds plain JSON
    values.
    """
    for remains in folder.rglob(_HALF_WRITTEN):
        remains.unlink()
    datasets = [
        v05.Dataset(path=str(number), coordinateTransformations=_transformations(axes, level))
        for number, level in enumerate(levels)
    ]
    described_axes = [_described_axis(axis) for axis in axes]
    multiscale = v05.Multiscale(name=name, axes=described_axes, datasets=datasets, type="nearest")
    described = v05.LabelImage(
        multiscales=[multiscale],
        **{"image-label": v05.ImageLabel(version="0.5", source=v05.LabelSource(image=source) if source else None)},
    )
    # The program's own key lies outside 'ome', whose contents NGFF defines.
    attributes = {"ome": described.model_dump(mode="json", by_alias=True, exclude_none=True), PROGRAM: dict(provenance)}
    _write_group(folder, {"zarr_format": 3, "node_type": "group", "attributes": attributes})


def _write_group(folder: Path, metadata: Mapping[str, Any]) -> None:
    """Write the metadata of a group atomically; its arrays are not touched."""
    with atomic(folder / "zarr.json") as partial:
        partial.write_text(json.dumps(metadata, indent=2, ensure_ascii=False), encoding="utf-8")


def _described_axis(axis: Axis) -> dict[str, str]:
    described = {"name": axis.letter.lower(), "type": AXIS_TYPES.get(axis.letter, ""), "unit": axis.unit}
    return {key: value for key, value in described.items() if value}


def _transformations(axes: Sequence[Axis], level: Level) -> list[dict[str, Any]]:
    """Scale and, unless 0, position: a level takes every second pixel of the finer one, so the first pixel stays."""
    scale = [axis.scale * step for axis, step in zip(axes, level.steps, strict=True)]
    transformations: list[dict[str, Any]] = [{"type": "scale", "scale": scale}]
    if any(axis.origin for axis in axes):
        transformations.append({"type": "translation", "translation": [axis.origin for axis in axes]})
    return transformations


def read_provenance(folder: Path) -> dict[str, Any] | None:
    """Return the provenance of a complete label image of this program, else None."""
    try:
        attributes = read_json(folder / "zarr.json").get("attributes", {})
        written = attributes.get(PROGRAM)
    except (OSError, ValueError, AttributeError):
        return None
    return written if isinstance(written, dict) else None


def labels_place(image: OmeZarrImage, name: str) -> Path:
    """Return the folder of a label image within an image; raise OutputFileError if labels may not be written there."""
    if image.zarr_format != 3:
        raise OutputFileError(
            f"{image.path} is NGFF 0.4 or older, which must not be mixed with NGFF 0.5 labels. "
            "Write the labels beside it, or convert the image to NGFF 0.5 first."
        )
    if not os.access(image.path, os.W_OK):
        raise OutputFileError(f"{image.path} is not writable: write the labels beside it.")
    return image.path / LABELS_GROUP / name


def list_labels(image: OmeZarrImage, name: str) -> None:
    """Add a complete label image to the image's list of labels, so that viewers show it."""
    folder = image.path / LABELS_GROUP
    file = folder / "zarr.json"
    metadata: dict[str, Any] = {"zarr_format": 3, "node_type": "group", "attributes": {}}
    if file.exists():
        try:
            metadata = read_json(file)
        except ValueError as error:
            raise OutputFileError(
                f"The labels are in {folder / name}, but {file}, which lists them, is damaged: {error}. Move that file "
                "away, and start the same run again."
            ) from error
    ome = metadata.setdefault("attributes", {}).setdefault("ome", {"version": "0.5"})
    listed = ome.setdefault("labels", [])
    if name not in listed:
        listed.append(name)
        _write_group(folder, metadata)
