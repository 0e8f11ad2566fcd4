"""Where the table of labels on disk goes."""

from __future__ import annotations

from pathlib import Path

from napari_unet_nuclei.core.folder.plan import TABLE_ENDING


def table_path(labels: Path) -> Path:
    """Return the path of the table that belongs to labels.

    Examples
    --------
    >>> table_path(Path("DAPI_labels.tif")).name, table_path(Path("nuclei.ome.tif")).name
    ('DAPI_table.csv', 'nuclei_table.csv')
    """
    return labels.with_name(labels.stem.removesuffix(".ome").removesuffix("_labels") + TABLE_ENDING)
