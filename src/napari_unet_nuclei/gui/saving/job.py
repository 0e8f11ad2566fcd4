"""What of a labels layer is written to files: taken down in the window's thread, written in another one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_unet_nuclei.core.errors import ImageShapeError
from napari_unet_nuclei.core.folder.outputs import EXPORTS, check_outputs, write_label_store
from napari_unet_nuclei.core.folder.plan import ENDINGS, PlannedFile
from napari_unet_nuclei.core.image.io.write import write_labels, write_overlay, write_parquet_table, write_table
from napari_unet_nuclei.core.labels.export.export import write_geojson
from napari_unet_nuclei.core.labels.measure.surroundings import DrawnCells
from napari_unet_nuclei.core.labels.numbering import as_ids
from napari_unet_nuclei.core.progress import Advanced, Progress, Share
from napari_unet_nuclei.core.segment.table import SegmentedChannel, StoredIds, measure_classes
from napari_unet_nuclei.core.settings import BatchSettings, CellSettings
from napari_unet_nuclei.core.types import AnyArray
from napari_unet_nuclei.gui.viewer.labels_and_image import image_under
from napari_unet_nuclei.gui.viewer.layers import METADATA_KEY
from napari_unet_nuclei.gui.viewer.measure_request import MeasureRequest, ask, measure_layers
from napari_unet_nuclei.gui.viewer.nuclei_table import ACCEPTED

if TYPE_CHECKING:
    from napari.layers import Image, Labels

KINDS = tuple(kind for kind in ENDINGS if kind in BatchSettings.model_fields)
"""What can be saved, in the order of the dialog: as a run over a folder writes it for each image."""

CELLS_ENDING = "_cells"

MEASURING = 0.7
"""Share of the time that a table takes that has to be measured first."""

ROWS = 4096
"""Read at once of labels on disk."""

SIZES = ("area_px", "voxels")
"""Columns that tell how many pixels a nucleus has."""


@dataclass(frozen=True, eq=False)
class Saving:
    """A labels layer as it is to be saved.

    Attributes
    ----------
    request : MeasureRequest
        The labels, and the images that a table is measured in.
    ids : StoredIds
        Copy of the labels.
    features : pandas.DataFrame
        Of the layer; the table, if it still describes the labels.
    provenance : mapping
    classes : tuple of str
        Names of classes; empty for nuclei.
    plane : tuple of int
        Index of the plane that a picture shows.
    picture : tuple of SegmentedChannel
        Channels of the picture: one, or red, green and blue; empty for none.
    around : CellSettings
        Cells that go into GeoJSON and into a file of their own.
    cells : StoredIds, optional
        Cells of another origin.
    """

    request: MeasureRequest
    ids: StoredIds
    features: pd.DataFrame
    provenance: Mapping[str, Any]
    classes: tuple[str, ...]
    plane: tuple[int, ...]
    picture: tuple[SegmentedChannel, ...]
    around: CellSettings
    cells: StoredIds | None

    @property
    def has_cells(self) -> bool:
        """True if cells are saved with the nuclei."""
        return self.around.cell > 0 or self.cells is not None


def take_down(
    layer: Labels,
    images: Sequence[Image],
    point: NDArray[np.float64],
    around: CellSettings | None = None,
    cells: Labels | None = None,
) -> Saving:
    """Describe what is saved; call it in the window's thread, as the layer may be painted on afterwards.

    Images that do not fit the labels are left out. ``point`` lies in the plane that the viewer shows, in the layer's
    units.
    """
    fitting = [image for image in images if _fits(layer, image)]
    request = ask(layer, fitting)
    shown = np.rint(request.labels.place.position(point) - request.labels.place.origin).astype(int)
    provenance = dict(layer.metadata.get(METADATA_KEY, {}).get("provenance", {}))
    found = image_under(fitting[0], request.labels) if fitting else None
    channels = tuple(found.channels.values()) if found else ()
    colours = found is not None and found.source.rgb_channels is not None
    return Saving(
        request=request,
        ids=request.labels.copied(),
        features=layer.features.copy(),
        provenance=provenance,
        classes=tuple(provenance.get("classes", ())),
        plane=tuple(np.clip(shown, 0, np.array(request.labels.shape) - 1)[:-2].tolist()),
        picture=channels[:3] if colours else channels[:1],
        around=around or CellSettings(),
        cells=None if cells is None else ask(cells, []).labels.copied(),
    )


def _fits(layer: Labels, image: Image) -> bool:
    try:
        ask(layer, [image])
    except ImageShapeError:
        return False
    return True


def paths_of(planned: PlannedFile, kinds: Sequence[str], has_cells: bool) -> dict[str, Path]:
    """Return every file that will be written, by what it is."""
    paths = {kind: planned.path(kind) for kind in kinds}
    if has_cells and "labels" in paths:
        labels = paths["labels"]
        cells = f"{planned.name}{CELLS_ENDING}{labels.name[len(f'{planned.name}_labels') :]}"
        paths["cells"] = labels.with_name(cells)
    return paths


def save_job(saving: Saving, paths: Mapping[str, Path]) -> Callable[[Progress], list[Path]]:
    """Return the job that writes files, each whole or not at all."""

    def job(progress: Progress) -> list[Path]:
        check_outputs(BatchSettings(parquet="parquet" in paths), classes=False)
        # Labels that lie on disk stay there; given cells are told by whole nuclei.
        on_disk = not isinstance(saving.ids.source.array, np.ndarray) and saving.cells is None
        labels: AnyArray = saving.ids if on_disk else _stacked(saving.ids)
        cells = None
        if saving.has_cells:
            size, given = saving.request.pixel_size, None if saving.cells is None else _stacked(saving.cells)
            cells = DrawnCells.of(labels, saving.around, (size.y, size.x), given)
        provenance = dict(saving.provenance)
        # Our own labels have their table from the start: one that tells of others shows that they were changed.
        if (
            provenance
            and not saving.classes
            and (ACCEPTED in saving.features.columns or not _describes(saving.features, labels))
        ):
            provenance["edited"] = True
        table = (
            _table(saving, labels, Share(progress, 0.0, MEASURING))
            if {"table", "parquet", "geojson"} & set(paths)
            else None
        )
        for number, (kind, path) in enumerate(paths.items()):
            done = MEASURING + (1 - MEASURING) * number / len(paths)
            progress.report(Advanced(done, f"writing {path.name}"))
            _write(kind, path, replace(saving, provenance=provenance), labels, cells, table)
        progress.report(Advanced(1.0, "done"))
        return list(paths.values())

    return job


def _write(
    kind: str,
    path: Path,
    saving: Saving,
    labels: AnyArray,
    cells: AnyArray | None,
    table: pd.DataFrame | None,
) -> None:
    """Write one file."""
    place = saving.request.labels
    if kind in ("labels", "cells"):
        ids = labels if kind == "labels" else cells
        described: dict[str, Any] = {"pixel_size": saving.request.pixel_size, "provenance": saving.provenance}
        assert ids is not None, "drawn where they are wanted"
        if path.suffix == ".zarr":
            write_label_store(path, ids, axes=place.axes, **described)
        else:
            write_labels(path, _stacked(ids), axes=place.axes, **described)
    elif kind == "table":
        assert table is not None, "made where it is wanted"
        write_table(path, table)
    elif kind == "parquet":
        assert table is not None, "made where it is wanted"
        write_parquet_table(path, table)
    elif kind in EXPORTS:
        # Exports leave out 0, which of nuclei is background, but of classes is one like the others.
        shown = _stacked(labels) + 1 if saving.classes else labels
        described = {"axes": place.axes, "origin": place.place.origin}
        described["names"] = dict(enumerate(saving.classes, start=1))
        if kind == "geojson":
            write_geojson(path, shown, **described, cells=cells, table=None if saving.classes else table)
        else:
            EXPORTS[kind](path, shown, **described)
    else:
        plane = as_ids(labels[saving.plane])
        channels = [np.asarray(channel[saving.plane]) for channel in saving.picture] or [np.zeros(plane.shape)]
        picture = channels[0] if len(channels) == 1 else np.stack(channels, axis=-1).astype(saving.picture[0].dtype)
        write_overlay(path, picture, plane)


def _table(saving: Saving, labels: AnyArray, progress: Progress) -> pd.DataFrame:
    """Return the layer's own table if it describes the labels, else measure them."""
    request, features = saving.request, saving.features
    if saving.classes:
        size = request.pixel_size
        return measure_classes(
            _stacked(labels).astype(np.int32),
            saving.classes,
            axes=request.labels.axes,
            pixel_size_y=size.y,
            pixel_size_x=size.x,
            origin=request.labels.place.origin,
        )
    if _describes(features, labels):
        return features.drop(columns="index", errors="ignore")
    return measure_layers(request, saving.ids, features, progress).table


def _describes(features: pd.DataFrame, labels: AnyArray) -> bool:
    """Return whether a table has every nucleus, with the pixels that it has now."""
    size = next((name for name in SIZES if name in features.columns), "")
    if not size or "label" not in features.columns:
        return False
    counts = pd.Series(dtype=np.int64)
    for rows in _rows(labels):
        ids, pixels = np.unique(rows[rows > 0], return_counts=True)
        counts = counts.add(pd.Series(pixels, ids), fill_value=0)
    told = features.groupby("label")[size].sum()
    return told.index.tolist() == counts.index.tolist() and bool(np.array_equal(told.to_numpy(), counts.to_numpy()))


def _rows(labels: AnyArray) -> Iterator[NDArray[np.int64]]:
    """Read all planes, some rows at a time."""
    for index in np.ndindex(*labels.shape[:-2]):
        for top in range(0, labels.shape[-2], ROWS):
            yield as_ids(labels[(*index, slice(top, top + ROWS), slice(0, labels.shape[-1]))])


def _stacked(stored: AnyArray) -> NDArray[np.int64]:
    """Read all planes."""
    if isinstance(stored, np.ndarray):
        return stored
    planes = [as_ids(stored[index]) for index in np.ndindex(*stored.shape[:-2])]
    return np.stack(planes).reshape(stored.shape) if planes else np.zeros(stored.shape, np.int64)
