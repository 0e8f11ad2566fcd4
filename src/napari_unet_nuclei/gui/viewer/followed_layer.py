"""Labels layers whose nuclei were followed over time: known as such, so that sliders may still replace their labels."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from napari.layers import Labels

FOLLOWED_KEY = "nuclei_followed"
"""Key in ``layer.metadata``: checksum of the labels with the ids of tracks."""


TRACK_COLUMNS = ("track", "parent", "generation", "root")
"""Features of such a layer that stay with its nuclei when they are measured."""


def mark_followed(layer: Labels) -> None:
    """Note that the labels are those that were followed."""
    layer.metadata = {**layer.metadata, FOLLOWED_KEY: _checksum(layer.data)}


def is_followed(layer: Labels) -> bool:
    """Tell whether the labels are as they were followed, and nobody has changed them since."""
    stored = layer.metadata.get(FOLLOWED_KEY)
    return stored is not None and isinstance(layer.data, np.ndarray) and stored == _checksum(layer.data)


def with_track_columns(table: pd.DataFrame, features: pd.DataFrame) -> pd.DataFrame:
    """Copy the columns of tracks from the features of a followed layer to a table, by label."""
    if not {"index", *TRACK_COLUMNS} <= set(features.columns):
        return table
    known = features.drop_duplicates("index").set_index("index")
    return table.assign(**{name: table["label"].map(known[name]) for name in TRACK_COLUMNS})


def _checksum(labels: Any) -> int:
    return zlib.crc32(np.ascontiguousarray(labels).tobytes())
