"""What was measured, on layers: as features of the labels, and as colours of the nuclei."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from napari.utils.colormaps import Colormap, ensure_colormap
from numpy.typing import NDArray

from napari_unet_nuclei.core.labels.classify.nucleus_classes import CLASS
from napari_unet_nuclei.gui.viewer.columns import titles_of
from napari_unet_nuclei.gui.viewer.layers import table_features
from napari_unet_nuclei.gui.viewer.measure_request import MeasuredTable
from napari_unet_nuclei.gui.viewer.value_layer import CLEAR, ValueLayer, looked_up, without_values

if TYPE_CHECKING:
    from napari.layers import Labels

SELECTED = "Selected nuclei"
"""Name of the layer while it shows a gate or a selection."""

CLASSES = "Classes of nuclei"
"""Name of the layer while it shows classes."""

EXTREMES = (1, 99)
"""Percentiles of a column that the scale reaches from and to, so that single nuclei do not take all of it."""

GREY, ORANGE = (0.5, 0.5, 0.5, 0.55), (1.0, 0.62, 0.11, 1.0)

WRITTEN_KEY = "measured columns"
"""Key in a labels layer's metadata: the columns of its features that were written here; all others are somebody's."""


def colour_by_column(layer: ValueLayer, measured: MeasuredTable, column: str) -> None:
    """Colour every nucleus by a number, with a scale on the canvas.

    Raises
    ------
    ImageShapeError
        If the labels are too large.
    """
    values = measured.table[column].to_numpy(np.float64)
    finite = values[np.isfinite(values)]
    low, high = np.percentile(finite, EXTREMES).tolist() if finite.size else (0.0, 1.0)
    colours = Colormap(ensure_colormap("viridis").colors, name="values of nuclei", nan_color=CLEAR)
    limits = (low, high) if high > low else (low, low + max(abs(low), 1.0))
    layer.show(
        measured.labels,
        _painted(measured, values),
        titles_of(measured.table.columns)[column],
        colours,
        limits,
        scale=True,
    )


def colour_by_class(layer: ValueLayer, measured: MeasuredTable, colours: Mapping[str, str]) -> None:
    """Colour every nucleus by its class.

    Raises
    ------
    ImageShapeError
        If the labels are too large.
    """
    places = {name: place for place, name in enumerate(colours)}
    values = np.asarray(measured.table[CLASS].map(places), np.float64)
    # Colour by colour, without blends between them; a scale from 0 to 1 must not be empty for a single class.
    edges = np.linspace(0, 1, len(colours) + 1)
    steps = Colormap(list(colours.values()), controls=edges, interpolation="zero", name="classes", nan_color=CLEAR)
    layer.show(measured.labels, _painted(measured, values), CLASSES, steps, (-0.5, len(colours) - 0.5))


def colour_selected(layer: ValueLayer, measured: MeasuredTable, selected: NDArray[np.bool_]) -> None:
    """Colour nuclei that are selected, and grey all others.

    Raises
    ------
    ImageShapeError
        If the labels are too large.
    """
    colours = Colormap([GREY, ORANGE], name="selected nuclei", nan_color=CLEAR)
    layer.show(measured.labels, _painted(measured, selected.astype(np.float64)), SELECTED, colours, (0.0, 1.0))


def _painted(measured: MeasuredTable, values: NDArray[np.float64]) -> NDArray[np.float32]:
    """Write the value of each row into the pixels of its nucleus, NaN elsewhere."""
    labels = measured.labels
    picture = without_values(labels)
    ids = measured.table["label"].to_numpy(np.int64)
    for index in np.ndindex(*labels.shape[:-2]):
        rows = measured.rows_in(tuple(np.add(index, labels.place.origin[: len(index)]).tolist()))
        known, own = np.unique(ids[rows], return_index=True)
        picture[index] = looked_up(labels.source.stored(index), known, values[rows][own])
    return picture


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
