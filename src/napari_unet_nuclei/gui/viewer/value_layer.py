"""A layer of values in the pixels of nuclei, above their labels: a colour for each nucleus, with or without a scale."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image
from napari.utils.colormaps import Colormap, ensure_colormap
from numpy.typing import NDArray
from qtpy.QtCore import QObject

from napari_unet_nuclei.core.errors import ImageShapeError
from napari_unet_nuclei.core.labels.classify.nucleus_classes import CLASS
from napari_unet_nuclei.gui.viewer.columns import titles_of
from napari_unet_nuclei.gui.viewer.companion import add_unselected, alike
from napari_unet_nuclei.gui.viewer.labels_and_image import MeasuredLabels
from napari_unet_nuclei.gui.viewer.layers import OVERLAY_KEY
from napari_unet_nuclei.gui.viewer.measure_request import MeasuredTable

if TYPE_CHECKING:
    from napari import Viewer

LARGEST = 256 * 2**20
"""Pixels; a layer of values takes four bytes for each."""

LARGEST_LOOKUP = 2**22
"""Ids below this are looked up in an array, which is ten times as fast as a search."""

OPACITY = 0.75

CLEAR = (0.0, 0.0, 0.0, 0.0)
"""Colour of pixels without a value."""

SELECTED = "Selected nuclei"
"""Name of the layer while it shows a gate or a selection."""

CLASSES = "Classes of nuclei"
"""Name of the layer while it shows classes."""

SCALE_PERCENTILES = (1, 99)
"""Percentiles of a column that the scale reaches from and to, so that single nuclei do not take all of it."""

GREY, ORANGE = (0.5, 0.5, 0.5, 0.55), (1.0, 0.62, 0.11, 1.0)


class ValueLayer(QObject):
    """An image layer that is there while it shows something; it is never the active layer, and no picture to docks."""

    def __init__(self, viewer: Viewer, parent: QObject) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._layer: Image | None = None

    def show(
        self,
        labels: MeasuredLabels,
        values: NDArray[np.float32],
        name: str,
        colours: Colormap,
        limits: tuple[float, float],
        *,
        scale: bool = False,
    ) -> None:
        """Show values (leading axes, Y, X), NaN for none; ``scale`` shows on the canvas what the colours mean."""
        picture = _arranged(labels, values)
        layer = self._layer
        kept = layer is not None and layer in self._viewer.layers and layer.data.shape == picture.shape
        if layer is None or not kept:
            self.clear()
            layer = self._layer = self._added(labels, picture)
        layer.data, layer.name = picture, name
        layer.colormap, layer.contrast_limits = colours, limits
        layer.colorbar.visible = scale

    def clear(self) -> None:
        """Show the labels as they were."""
        layer, self._layer = self._layer, None
        if layer is not None and layer in self._viewer.layers:
            self._viewer.layers.remove(layer)

    def _added(self, labels: MeasuredLabels, picture: NDArray[np.float32]) -> Image:
        """Add the layer right above the labels."""
        layer = Image(
            picture,
            contrast_limits=(0, 1),
            interpolation2d="nearest",
            opacity=OPACITY,
            metadata={OVERLAY_KEY: True},
            **alike(labels.place.layer),
        )
        add_unselected(self._viewer, layer, above=labels.place.layer)
        return layer


def without_values(labels: MeasuredLabels) -> NDArray[np.float32]:
    """Return NaN for every pixel of labels.

    Raises
    ------
    ImageShapeError
        If the labels are too large.
    """
    if np.prod(labels.shape) > LARGEST:
        raise ImageShapeError("These labels are too large to be coloured by a value: crop them to a region.")
    return np.full(labels.shape, np.nan, np.float32)


def looked_up(plane: NDArray[Any], known: NDArray[np.int64], values: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return the value of the id at every pixel; NaN for ids that are not among the known ones, which ascend."""
    if not known.size:
        return np.full(plane.shape, np.nan, np.float32)
    if known[-1] < LARGEST_LOOKUP:
        # The last place stands for all ids that are not known.
        lookup = np.full(int(known[-1]) + 2, np.nan, np.float32)
        lookup[known] = values
        return np.asarray(lookup.take(plane, mode="clip"), np.float32)
    places = np.clip(np.searchsorted(known, plane), 0, len(known) - 1)
    return np.where(known[places] == plane, values[places], np.nan).astype(np.float32)


def _arranged(labels: MeasuredLabels, values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Bring values (leading axes, Y, X) to the axes of the layer."""
    place = labels.place
    order = [*place.order]
    if "C" in place.letters:
        values = values[np.newaxis]
        order = [place.letters.index("C"), *order]
    return np.moveaxis(values, range(len(order)), order)


def colour_by_column(layer: ValueLayer, measured: MeasuredTable, column: str) -> None:
    """Colour every nucleus by a number, with a scale on the canvas.

    Raises
    ------
    ImageShapeError
        If the labels are too large.
    """
    values = measured.table[column].to_numpy(np.float64)
    finite = values[np.isfinite(values)]
    low, high = np.percentile(finite, SCALE_PERCENTILES).tolist() if finite.size else (0.0, 1.0)
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
