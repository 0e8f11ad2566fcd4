"""The table as features of its labels layer, which other plugins read and add columns to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from napari_unet_nuclei.gui.viewer.layers import table_features

if TYPE_CHECKING:
    from napari.layers import Labels

WRITTEN_KEY = "measured columns"
"""Key in a labels layer's metadata: the columns of its features that were written here; all others are somebody's."""


def write_features(layer: Labels, table: pd.DataFrame) -> None:
    """Write a table as the features of its layer: a row per row, with the label in ``label`` and ``index``.

    Columns that another plugin or the user has added since the first time are kept, nucleus by nucleus.
    """
    features, written = layer.features, layer.metadata.get(WRITTEN_KEY)
    new = table_features(table)
    if written is not None and not new.empty and {"label"} <= set(features.columns):
        own = [name for name in features.columns if name not in written and name not in new.columns]
        known = features[["label", *own]].drop_duplicates("label")
        new = new.merge(known, on="label", how="left") if own else new
    layer.features = new
    layer.metadata[WRITTEN_KEY] = ("index", *map(str, table.columns))
