"""Write label images as NGFF 0.5, block by block: their metadata come last, so that incomplete ones do not count."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from yaozarrs import v05
from zarr.codecs import BloscCodec
from zarr.storage import LocalStore

from napari_unet_nuclei.core.errors import ImageShapeError, OutputFileError
from napari_unet_nuclei.core.files.atomic import atomic
from napari_unet_nuclei.core.image.io.ome_zarr import AXIS_TYPES, LABELS_GROUP, Axis, OmeZarrImage
from napari_unet_nuclei.core.image.pixel_size import PixelSize

PROGRAM = "napari-unet-nuclei"
"""Attribute of a label image that holds its provenance."""

LEADING_AXES = "TQZ"
"""Axes before Y and X, in the order that NGFF requires."""

SMALLEST_LEVEL = 1024
"""Pixels; the coarsest level of a pyramid is at most this high and wide."""


def leading_order(axes: str) -> list[int]:
    """Positions of an image's leading axes, in the order of the labels' axes.

    Examples
    --------
    >>> leading_order("ZT")
    [1, 0]
    """
    return sorted(range(len(axes)), key=lambda position: LEADING_AXES.index(axes[position]))


def label_axes(axes: str, image: OmeZarrImage | None, pixel_size: PixelSize) -> tuple[Axis, ...]:
    """Describe the axes of labels: as in the image if it is OME-Zarr, else by the pixel size.

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
    return tuple(known.get(letter) or measured.get(letter) or Axis(letter) for letter in axes)


def pyramid_shapes(shape: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Shapes of a pyramid's levels: rows and columns are halved until neither exceeds `SMALLEST_LEVEL`.

    Examples
    --------
    >>> pyramid_shapes((7, 5000, 900))
    [(7, 5000, 900), (7, 2500, 450), (7, 1250, 225), (7, 625, 113)]
    """
    shapes = [tuple(shape)]
    while max(shapes[-1][-2:]) > SMALLEST_LEVEL:
        *leading, height, width = shapes[-1]
        # Rounded up: a level takes the first of every two pixels.
        shapes.append((*leading, -(-height // 2), -(-width // 2)))
    return shapes


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
    folder: Path, axes: Sequence[Axis], levels: int, *, name: str, source: str, provenance: Mapping[str, object]
) -> None:
    """Turn arrays ``0``, ``1``, ... in a folder into a label image; call this last.

    ``axes`` are those of the finest level; each further level has half the rows and columns. ``source`` is the path
    from the folder to the segmented image; empty if that is not an OME-Zarr image. ``provenance`` holds plain JSON
    values.
    """
    datasets = [
        v05.Dataset(path=str(level), coordinateTransformations=_transformations(axes, 2**level))
        for level in range(levels)
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


def _transformations(axes: Sequence[Axis], factor: int) -> list[dict[str, Any]]:
    """Scale and, unless 0, position: a level takes every second pixel of the finer one, so the first pixel stays."""
    scale = [axis.scale * (factor if axis.letter in "YX" else 1) for axis in axes]
    transformations: list[dict[str, Any]] = [{"type": "scale", "scale": scale}]
    if any(axis.origin for axis in axes):
        transformations.append({"type": "translation", "translation": [axis.origin for axis in axes]})
    return transformations


def read_provenance(folder: Path) -> dict[str, Any] | None:
    """Return the provenance of a complete label image of this program, else None."""
    try:
        attributes = json.loads((folder / "zarr.json").read_text(encoding="utf-8")).get("attributes", {})
    except (OSError, ValueError):
        return None
    written = attributes.get(PROGRAM)
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
        metadata = json.loads(file.read_text(encoding="utf-8"))
    ome = metadata.setdefault("attributes", {}).setdefault("ome", {"version": "0.5"})
    listed = ome.setdefault("labels", [])
    if name not in listed:
        listed.append(name)
        _write_group(folder, metadata)
