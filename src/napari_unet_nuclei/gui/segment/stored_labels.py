"""Labels that a run writes to disk block by block, shown in a layer that reads only what is visible."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import dask.array as da
import numpy as np
import pandas as pd
from napari.layers import Labels
from qtpy.QtCore import QObject

from napari_unet_nuclei.core.blocks.destination import Destination
from napari_unet_nuclei.core.errors import ImageShapeError, OutputFileError
from napari_unet_nuclei.core.image.axes import ImageSource
from napari_unet_nuclei.core.image.io.ome_zarr import read_ome_zarr
from napari_unet_nuclei.core.image.io.ome_zarr_labels import leading_order
from napari_unet_nuclei.core.image.io.read import read_image
from napari_unet_nuclei.core.progress import Advanced, Progress, Share
from napari_unet_nuclei.core.segment.request import SegmentRequest
from napari_unet_nuclei.core.types import AnyArray
from napari_unet_nuclei.gui.jobs.worker import report_start
from napari_unet_nuclei.gui.segment.job import NOTHING_CARRIED, Answer, Carried
from napari_unet_nuclei.gui.segment.table_path import table_path
from napari_unet_nuclei.gui.viewer.layers import (
    METADATA_KEY,
    SEGMENTED_FROM,
    LayerImage,
    segmented_from,
    table_features,
)
from napari_unet_nuclei.gui.viewer.source_file import SourceFile

if TYPE_CHECKING:
    import napari

    from napari_unet_nuclei.core.blocks.segment import BlockwiseResult

WRITTEN = 0.98
"""Progress when labels and table are on disk."""

SAMPLE = 64
"""Side in pixels of the squares in which a layer is compared with its file."""

STORE_KEY = "store"
"""Key in a layer's metadata: the path of its labels on disk."""


@dataclass(frozen=True)
class StoreOrder:
    """Where to write labels.

    Attributes
    ----------
    path : Path
        OME-Zarr store.
    overwrite : bool
        Replace the labels of an earlier run.
    """

    path: Path
    overwrite: bool = False


@dataclass(frozen=True, kw_only=True)
class StoredAnswer(Answer):
    """A result on disk.

    Attributes
    ----------
    result : BlockwiseResult
    levels : tuple of dask.array.Array
        The labels with the layer's axes, the finest level first.
    """

    result: BlockwiseResult
    levels: tuple[AnyArray, ...]


def stored_job(
    image: LayerImage,
    request: SegmentRequest,
    order: StoreOrder,
    file: SourceFile,
    carried: Carried = NOTHING_CARRIED,
) -> Callable[[Progress], StoredAnswer]:
    """Return the job that segments a layer block by block into a store, continuing an interrupted run.

    Parameters
    ----------
    image : LayerImage
    request : SegmentRequest
    order : StoreOrder
    file : SourceFile
        Readable if the layer has the shape of the whole image in it.
    carried : Carried
    """

    def job(progress: Progress) -> StoredAnswer:
        report_start(progress)
        from napari_unet_nuclei.core.blocks.segment import segment_blockwise
        from napari_unet_nuclei.core.model.device import available_devices

        fitting = carried.fitted(request)
        asked = _of_file(fitting) if file.readable else replace(fitting, file="")
        result = segment_blockwise(
            asked,
            order.path,
            Share(progress, 0.0, WRITTEN),
            table=_free_table(asked, order.path),
            overwrite=order.overwrite,
        )
        progress.report(Advanced(WRITTEN, "opening the labels"))
        assert result.table is not None, "it was asked for"
        table = pd.read_csv(result.table)
        progress.report(Advanced(1.0, "done"))
        return StoredAnswer(
            image=image,
            request=fitting,
            table=table,
            devices=available_devices(),
            kind_put_back=fitting.settings.kind != request.settings.kind,
            result=result,
            levels=_levels(result.path, image),
        )

    return job


def _of_file(request: SegmentRequest) -> SegmentRequest:
    """Return the request for the image in the file, whose content identifies runs that were done before.

    If the layer holds other pixels, it is treated as an image without a file.
    """
    try:
        array = read_image(Path(request.file)).source(request.source.axes).array
    except ImageShapeError:  # the layer's reader saw other axes in the file
        return replace(request, file="")
    stored = replace(request.source, array=array)
    if tuple(array.shape) == tuple(request.source.array.shape) and _look_alike(stored, request.source):
        return replace(request, source=stored)
    return replace(request, file="")


def _look_alike(one: ImageSource, other: ImageSource) -> bool:
    """Return whether two images of the same shape agree in the corners and the centre of some planes."""
    lengths = one.leading_shape
    planes = {tuple(int(share * (length - 1)) for length in lengths) for share in (0, 0.5, 1)}
    rows, columns = ({int(share * max(size - SAMPLE, 0)) for share in (0, 0.5, 1)} for size in one.plane_shape)
    return all(
        np.array_equal(one.read(plane, channel, where), other.read(plane, channel, where), equal_nan=True)
        for plane in planes
        for channel in range(one.channels)
        for y, x in itertools.product(rows, columns)
        for where in [(y, min(y + SAMPLE, one.plane_shape[0]), x, min(x + SAMPLE, one.plane_shape[1]))]
    )


def _free_table(request: SegmentRequest, store: Path) -> Path:
    """Return the path of the table; raise if a file exists there that does not belong to these labels."""
    place = Destination.of(request, store, into_image=False)
    table = table_path(place.labels)
    if table.exists() and not place.is_begun:
        raise OutputFileError(f"{table} exists already. Choose another name for the labels.")
    return table


def _levels(store: Path, image: LayerImage) -> tuple[AnyArray, ...]:
    """Open labels lazily, with their axes in the layer's order instead of that of NGFF."""
    leading = np.argsort(leading_order(image.source.leading_axes)).tolist()
    order = (*leading, len(leading), len(leading) + 1)
    from_zarr = cast("Any", da.from_zarr)  # has no types
    return tuple(image.arrange(from_zarr(level).transpose(order)) for level in read_ome_zarr(store).levels)


class StoredLabels(QObject):
    """One result on disk and the labels layer that shows it, which cannot be painted on.

    Layers that showed earlier content of the store are removed.
    """

    classes = ()
    has_maps = False

    def __init__(self, viewer: napari.Viewer, answer: StoredAnswer, note: str = "") -> None:
        super().__init__()
        self.image: LayerImage = answer.image
        self.request: SegmentRequest = answer.request
        self.result: BlockwiseResult = answer.result
        self.table: pd.DataFrame | None = answer.table
        for layer in _layers_of(viewer, answer.result.path):
            viewer.layers.remove(layer)
        several = len(answer.levels) > 1
        self.layer: Labels = viewer.add_labels(
            list(answer.levels) if several else answer.levels[0], multiscale=several, **_arguments(answer, note)
        )
        self.layer.editable = False

    @property
    def table_state(self) -> str:
        """Where labels and table are, as text."""
        return f"on disk as {self.result.path.name}, with a table beside it and in the layer's features"

    def is_edited(self) -> bool:
        """Return False: the layer cannot be painted on."""
        return False

    def close(self) -> None:
        """Do nothing: the layer stays."""


def _layers_of(viewer: napari.Viewer, store: Path) -> list[Labels]:
    return [
        layer
        for layer in viewer.layers
        if isinstance(layer, Labels) and layer.metadata.get(METADATA_KEY, {}).get(STORE_KEY) == str(store)
    ]


def _arguments(answer: StoredAnswer, note: str) -> dict[str, Any]:
    """Return the arguments of the layer, all except the array; the labels always cover the whole image."""
    result, image = answer.result, answer.image
    axes = image.source.channel_axes
    origin = (0,) * len(axes)
    described = {
        "provenance": {**result.provenance, "file": image.file},
        "origin": origin,
        "axes": axes,
        "maps": None,
        "thresholds": result.thresholds,
        STORE_KEY: str(result.path),
        SEGMENTED_FROM: segmented_from(image),
    }
    return {
        "name": f"{image.name} labels{note}",
        "features": table_features(answer.table),
        "metadata": {METADATA_KEY: described},
        **image.spatial(origin),
    }
