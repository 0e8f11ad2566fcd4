"""Write the labels of a layer with their table."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from napari_unet_nuclei.core.errors import OutputFileError
from napari_unet_nuclei.core.folder.plan import LABELS_ENDING, TABLE_ENDING
from napari_unet_nuclei.core.image.io.write import write_labels, write_table
from napari_unet_nuclei.core.progress import Advanced, Progress, Share
from napari_unet_nuclei.core.segment.table import measure_result
from napari_unet_nuclei.gui.segment.live_labels import LiveLabels


def suggested_path(live: LiveLabels) -> Path:
    """Return the default path: beside the image, with its name."""
    file = live.request.file
    if file:
        return Path(file).with_name(f"{_stem(Path(file))}{LABELS_ENDING}")
    return Path.home() / f"{live.image.name}{LABELS_ENDING}"


def table_path(labels: Path) -> Path:
    """Return the path of the table that belongs to labels.

    Examples
    --------
    >>> table_path(Path("DAPI_labels.tif")).name, table_path(Path("nuclei.ome.tif")).name
    ('DAPI_table.csv', 'nuclei_table.csv')
    """
    return labels.with_name(_stem(labels).removesuffix("_labels") + TABLE_ENDING)


def labels_path(chosen: str) -> Path:
    """Return a chosen path with a TIFF suffix; raise if the suffix makes it an existing file, unknown to the dialog."""
    path = Path(chosen)
    if path.suffix.lower() in (".tif", ".tiff"):
        return path
    path = path.with_name(f"{path.name}.tif")
    if path.exists():
        raise OutputFileError(f"{path} exists already. Choose another name for the labels.")
    return path


def _stem(path: Path) -> str:
    return path.stem.removesuffix(".ome")


def save_job(live: LiveLabels, path: Path) -> Callable[[Progress], tuple[Path, Path]]:
    """Return the job that writes labels and table; raise if the table would replace a file of other labels.

    The layer's array is copied now, in the window's thread.
    """
    table_file = table_path(path)
    if table_file.exists() and not path.exists():
        raise OutputFileError(f"{table_file} exists already. Choose another name for the labels.")
    labels = np.array(live.image.restore(live.layer.data))
    result, request = live.result, live.request
    table = live.table

    def job(progress: Progress) -> tuple[Path, Path]:
        edited = not np.array_equal(labels, result.labels)
        saved = result
        if edited:
            saved = result.edited(labels)
        share = Share(progress, 0.0, 0.8)
        measured = measure_result(saved, request, share) if edited or table is None else table
        progress.report(Advanced(0.8, f"writing {path.name}"))
        write_labels(path, labels, axes=result.axes, pixel_size=request.pixel_size, provenance=saved.provenance)
        write_table(table_file, measured)
        return path, table_file

    return job
