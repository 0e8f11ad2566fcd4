"""Writes labels that are in memory as OME-Zarr, there whole or not at all, like the files of other images."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from napari_unet_nuclei.core.errors import OutputFileError
from napari_unet_nuclei.core.image.io.ome_zarr_labels import (
    create_array,
    label_axes,
    leading_order,
    pyramid_shapes,
    write_label_metadata,
)
from napari_unet_nuclei.core.image.pixel_size import PixelSize
from napari_unet_nuclei.core.types import Labels

CHUNK = 1024
"""Side of a piece of a plane in pixels."""


def write_label_store(
    path: Path, labels: Labels, *, axes: str, pixel_size: PixelSize, provenance: Mapping[str, object]
) -> None:
    """Write labels as a store of NGFF 0.5 with a pyramid by nearest neighbour.

    Parameters
    ----------
    path : Path
        Ends in ``.ome.zarr``.
    labels : ndarray
        Ids from 0, int32.
    axes : str
        One letter per axis: T, Z, Q, and Y, X last.
    pixel_size : PixelSize
        In µm; unknown parts are left out.
    provenance : mapping
        Plain JSON values.

    Raises
    ------
    ImageShapeError
        If OME-Zarr cannot describe the axes.
    OutputFileError
        If the store cannot be written.
    """
    order = leading_order(axes[:-2])
    level = labels.transpose([*order, labels.ndim - 2, labels.ndim - 1])
    described = label_axes("".join(axes[place] for place in order) + "YX", None, pixel_size)
    shapes = pyramid_shapes(level.shape)
    partial = path.with_name(f".{path.stem[:40]}-{secrets.token_hex(4)}.part{path.suffix}")
    try:
        for number, shape in enumerate(shapes):
            chunks = (1,) * len(order) + (CHUNK, CHUNK)
            names = [axis.letter.lower() for axis in described]
            array = create_array(partial / str(number), shape, np.int32, chunks, names)
            array[...] = level
            level = level[..., ::2, ::2]
        write_label_metadata(partial, described, len(shapes), name="nuclei", source="", provenance=provenance)
        shutil.rmtree(path, ignore_errors=True)
        os.replace(partial, path)  # noqa: PTH105  # replaces in one step, on Windows too
    except OSError as error:
        raise OutputFileError(f"{path} was not written: {error.strerror or error}.") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
