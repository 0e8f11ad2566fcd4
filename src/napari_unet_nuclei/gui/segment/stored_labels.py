"""Labels that a run writes to disk block by block, shown as a layer that reads no more than what is on the screen."""

from __future__ import annotations

import itertools
import sys
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
from napari_unet_nuclei.core.errors import OutputFileError
from napari_unet_nuclei.core.image.axes import ImageSource
from napari_unet_nuclei.core.image.io.ome_zarr import read_ome_zarr
from napari_unet_nuclei.core.image.io.ome_zarr_labels import leading_order
from napari_unet_nuclei.core.image.io.read import read_image
from napari_unet_nuclei.core.progress import Advanced, Progress, Share
from napari_unet_nuclei.core.segment.request import SegmentRequest
from napari_unet_nuclei.core.types import AnyArray
from napari_unet_nuclei.gui.segment.job import NOTHING_CARRIED, Carried
from napari_unet_nuclei.gui.segment.save_labels import table_path
from napari_unet_nuclei.gui.viewer.layers import METADATA_KEY, LayerImage, table_features
from napari_unet_nuclei.gui.viewer.source_file import SourceFile

if TYPE_CHECKING:
    import napari

    from napari_unet_nuclei.core.blocks.segment import BlockwiseResult

WRITTEN = 0.98
"""Share of the progress bar when labels and table are on disk."""

SAMPLE = 64
"""Side in pixels of the places where a layer is compared with its file."""

STORE_KEY = "store"
"""Under which a layer's metadata say where its labels lie on disk, beside what they say of any result."""


@dataclass(frozen=True)
class StoreOrder:
    """Where labels are to be written.

    Attributes
    ----------
    path : Path
        OME-Zarr store.
    overwrite : bool
        Replace labels that an earlier run left there.
    """

    path: Path
    overwrite: bool = False


@dataclass(frozen=True)
class StoredAnswer:
    """What a run brings to the window.

    Attributes
    ----------
    image : LayerImage
    request : SegmentRequest
    result : BlockwiseResult
    levels : tuple of dask.array.Array
        The labels in the order of the layer's axes, the finest level first.
    table : pandas.DataFrame
    devices : tuple of str
        Names of the devices of this computer, the preferred one first.
    kind_put_back : bool
        The kind of image was carried over from another image, and put back to automatic: it is not this one's.
    """

    image: LayerImage
    request: SegmentRequest
    result: BlockwiseResult
    levels: tuple[AnyArray, ...]
    table: pd.DataFrame
    devices: tuple[str, ...]
    kind_put_back: bool = False


def stored_job(
    image: LayerImage,
    request: SegmentRequest,
    order: StoreOrder,
    file: SourceFile,
    carried: Carried = NOTHING_CARRIED,
) -> Callable[[Progress], StoredAnswer]:
    """Return the job that segments a layer block by block into a store, going on from what an earlier one has done.

    Parameters
    ----------
    image : LayerImage
    request : SegmentRequest
    order : StoreOrder
    file : SourceFile
        Readable where the layer is as large as all that it holds.
    carried : Carried
    """

    def job(progress: Progress) -> StoredAnswer:
        progress.report(Advanced(0.0, "Preparing…" if "torch" in sys.modules else "Loading PyTorch…"))
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
        levels, put_back = _levels(result.path, image), fitting.settings.kind != request.settings.kind
        return StoredAnswer(image, fitting, result, levels, table, available_devices(), put_back)

    return job


def _of_file(request: SegmentRequest) -> SegmentRequest:
    """Ask for an image as its file holds it, whose content then tells whether the work was done before.

    Where the layer holds other pixels, it is asked for as one that has no file.
    """
    stored = replace(request.source, array=read_image(Path(request.file)).array)
    if _look_alike(stored, request.source):
        return replace(request, source=stored)
    return replace(request, file="")


def _look_alike(one: ImageSource, other: ImageSource) -> bool:
    """Tell whether two images of one shape have the same pixels in the corners and the middle of some planes."""
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
    """Return the path of the table of labels.

    Raises
    ------
    OutputFileError
        If a file lies there that is not of these labels.
    """
    place = Destination.of(request, store, into_image=False)
    table = table_path(place.labels)
    if table.exists() and not place.is_begun:
        raise OutputFileError(f"{table} exists already. Choose another name for the labels.")
    return table


def _levels(store: Path, image: LayerImage) -> tuple[AnyArray, ...]:
    """Open labels, whose leading axes lie as NGFF wants, as the layer's axes lie; nothing is read."""
    leading = np.argsort(leading_order(image.source.leading_axes)).tolist()
    order = (*leading, len(leading), len(leading) + 1)
    from_zarr = cast("Any", da.from_zarr)  # has no types
    return tuple(image.arrange(from_zarr(level).transpose(order)) for level in read_ome_zarr(store).levels)


class StoredLabels(QObject):
    """One result on disk and the labels layer that shows it; the layer cannot be painted on.

    Parameters
    ----------
    viewer : napari.Viewer
    answer : StoredAnswer
        What a run brought. Layers that showed what was in its store before are removed.
    """

    classes = ()
    has_maps = False

    def __init__(self, viewer: napari.Viewer, answer: StoredAnswer) -> None:
        super().__init__()
        self.image: LayerImage = answer.image
        self.request: SegmentRequest = answer.request
        self.result: BlockwiseResult = answer.result
        self.table: pd.DataFrame | None = answer.table
        for layer in _layers_of(viewer, answer.result.path):
            viewer.layers.remove(layer)
        several = len(answer.levels) > 1
        self.layer: Labels = viewer.add_labels(
            list(answer.levels) if several else answer.levels[0], multiscale=several, **_arguments(answer)
        )
        self.layer.editable = False

    @property
    def table_state(self) -> str:
        """Where labels and table are, for people."""
        return f"on disk as {self.result.path.name}, with a table beside it and in the layer's features"

    def is_edited(self) -> bool:
        """Return False: the layer cannot be painted on."""
        return False

    def close(self) -> None:
        """The layer stays as it is."""


def _layers_of(viewer: napari.Viewer, store: Path) -> list[Labels]:
    return [
        layer
        for layer in viewer.layers
        if isinstance(layer, Labels) and layer.metadata.get(METADATA_KEY, {}).get(STORE_KEY) == str(store)
    ]


def _arguments(answer: StoredAnswer) -> dict[str, Any]:
    """Return the arguments of the layer, all but the array; the labels are as large as the image, whatever was run."""
    result, image = answer.result, answer.image
    axes = image.source.leading_axes + "YX"
    origin = (0,) * len(axes)
    described = {
        "provenance": {**result.provenance, "file": image.file},
        "origin": origin,
        "axes": axes,
        "maps": None,
        "thresholds": result.thresholds,
        STORE_KEY: str(result.path),
    }
    return {
        "name": f"{image.name} labels",
        "features": table_features(answer.table),
        "metadata": {METADATA_KEY: described},
        **image.spatial(origin),
    }
