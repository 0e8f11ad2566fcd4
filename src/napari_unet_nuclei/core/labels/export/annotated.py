"""Tables of nuclei as AnnData, which scanpy, squidpy and scimap read."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_unet_nuclei.core.errors import SettingsError
from napari_unet_nuclei.core.files.atomic import atomic

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

MEAN = "_mean"
"""What the columns of mean intensities in nuclei end with; before it stands the name of the channel."""

STATISTICS = (
    *("min", "max", "sum"),
    *("mean_cell", "sum_cell", "mean_cytoplasm", "sum_cytoplasm", "mean_ring"),
    *("nucleus_to_cytoplasm", "nucleus_to_ring"),
)
"""What else a table may have of every channel; each becomes a layer."""

COORDINATES = ("centroid_x", "centroid_y", "centroid_z")
"""In this order, as squidpy takes them; depth of volumes alone."""


def check_anndata() -> None:
    """Raise `SettingsError` where AnnData cannot be written for want of its package."""
    if importlib.util.find_spec("anndata") is None:
        raise SettingsError(
            "Writing AnnData requires the package anndata: install it (pip install anndata), or choose no AnnData."
        )


def to_anndata(table: pd.DataFrame) -> AnnData:
    """Convert a table of nuclei to AnnData; requires the package anndata.

    Parameters
    ----------
    table
        A row per nucleus, as `measure` returns it or ``nuclei.csv`` of a folder run holds it.

    Returns
    -------
    AnnData
        Observations are nuclei and variables are channels. ``X`` has the mean intensity of each nucleus in each channel
        (float64), ``layers`` the other intensities under the endings of their columns (``max``, ``mean_cell``, …), NaN
        where a channel lacks one. ``obs`` has all other columns: image, label, sizes, shape, region, class, score.
        ``obsm["spatial"]`` has the centroids in pixels as (x, y), of volumes as (x, y, z).

    Raises
    ------
    SettingsError
        If the package anndata is missing.
    """
    check_anndata()
    import pandas as pd
    from anndata import AnnData

    channels = [str(name).removesuffix(MEAN) for name in table.columns if str(name).endswith(MEAN)]

    def values(ending: str) -> np.ndarray:
        return table.reindex(columns=[f"{channel}_{ending}" for channel in channels]).to_numpy(np.float64)

    layers = {
        ending: values(ending)
        for ending in STATISTICS
        if any(f"{channel}_{ending}" in table.columns for channel in channels)
    }
    of_channels = {f"{channel}_{ending}" for channel in channels for ending in ("mean", *layers)}
    placed = [name for name in COORDINATES if name in table.columns]
    about = table.drop(columns=[name for name in table.columns if name in of_channels or name in placed])
    # HDF5 has one type for a column: texts with gaps are categories, which may be missing. As objects, since nullable
    # strings are read by the latest versions of anndata alone.
    for name in about.select_dtypes(exclude=["number", "bool"]):
        about[name] = about[name].astype("string").astype(object).astype("category")
    return AnnData(
        X=values("mean"),
        obs=about.set_axis([str(row) for row in range(len(table))]),
        var=pd.DataFrame(index=pd.Index(channels, dtype=str)),
        layers=layers,
        obsm={"spatial": table[placed].to_numpy(np.float64)},
        uns={"spatial_unit": "pixel", "X": "mean intensity in the nucleus"},
    )


def write_h5ad(path: Path, table: pd.DataFrame) -> None:
    """Write a table of nuclei as AnnData (``.h5ad``), whole or not at all.

    Raise `SettingsError` if the package anndata is missing, `OutputFileError` if the file cannot be written.
    """
    annotated = to_anndata(table)
    with atomic(path) as partial:
        annotated.write_h5ad(partial, compression="gzip")
