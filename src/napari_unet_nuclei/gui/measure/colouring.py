"""Nuclei coloured by a measured value, or by whether they are selected, as a layer above the labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image
from napari.utils.colormaps import Colormap, ensure_colormap
from numpy.typing import NDArray
from qtpy.QtCore import QObject

from napari_unet_nuclei.core.errors import ImageShapeError
from napari_unet_nuclei.gui.measure.columns import title_of
from napari_unet_nuclei.gui.viewer.labels_and_image import MeasuredLabels
from napari_unet_nuclei.gui.viewer.layers import OVERLAY_KEY
from napari_unet_nuclei.gui.viewer.measure_request import MeasuredTable
from napari_unet_nuclei.gui.viewer.reviewed_layer import alike

if TYPE_CHECKING:
    from napari import Viewer

SELECTED = "Selected nuclei"
"""Name of the layer while it shows a gate or a selection."""

LARGEST = 256 * 2**20
"""Pixels; a layer of values takes four bytes for each."""

LARGEST_LOOKUP = 2**22
"""Ids below this are looked up in an array, which is ten times as fast as a search."""

EXTREMES = (1, 99)
"""Percentiles of a column that the scale reaches from and to, so that single nuclei do not take all of it."""

OPACITY = 0.75

CLEAR = (0.0, 0.0, 0.0, 0.0)
GREY, ORANGE = (0.5, 0.5, 0.5, 0.55), (1.0, 0.62, 0.11, 1.0)


class NucleiColours(QObject):
    """A layer of values, of which there is one at a time; it is never the active layer."""

    def __init__(self, viewer: Viewer, parent: QObject) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._layer: Image | None = None

    def by_column(self, measured: MeasuredTable, column: str) -> None:
        """Colour every nucleus by a number, with a scale on the canvas.

        Raises
        ------
        ImageShapeError
            If the labels are too large.
        """
        values = measured.table[column].to_numpy(np.float64)
        finite = values[np.isfinite(values)]
        low, high = np.percentile(finite, EXTREMES).tolist() if finite.size else (0.0, 1.0)
        colours = ensure_colormap("viridis")
        scale = Colormap(colours.colors, name="values of nuclei", nan_color=CLEAR)
        limits = (low, high) if high > low else (low, low + max(abs(low), 1.0))
        layer = self._show(measured, values, title_of(column), scale, limits)
        layer.colorbar.visible = True

    def by_state(self, measured: MeasuredTable, selected: NDArray[np.bool_]) -> None:
        """Colour nuclei that are selected, and grey all others.

        Raises
        ------
        ImageShapeError
            If the labels are too large.
        """
        colours = Colormap([GREY, ORANGE], name="selected nuclei", nan_color=CLEAR)
        layer = self._show(measured, selected.astype(np.float64), SELECTED, colours, (0.0, 1.0))
        layer.colorbar.visible = False

    def clear(self) -> None:
        """Show the labels as they were."""
        layer, self._layer = self._layer, None
        if layer is not None and layer in self._viewer.layers:
            self._viewer.layers.remove(layer)

    def _show(
        self,
        measured: MeasuredTable,
        values: NDArray[np.float64],
        name: str,
        colours: Colormap,
        limits: tuple[float, float],
    ) -> Image:
        """Show values of rows in the pixels of their nuclei."""
        labels = measured.labels
        if np.prod(labels.shape) > LARGEST:
            raise ImageShapeError("These labels are too large to be coloured by a value: crop them to a region.")
        picture = _painted(labels, measured, values)
        layer = self._layer
        kept = layer is not None and layer in self._viewer.layers and layer.data.shape == picture.shape
        if layer is None or not kept:
            self.clear()
            layer = self._layer = self._added(labels, picture)
        layer.data, layer.name = picture, name
        layer.colormap, layer.contrast_limits = colours, limits
        return layer

    def _added(self, labels: MeasuredLabels, picture: NDArray[np.float32]) -> Image:
        """Add the layer right above the labels, and give the selection back."""
        layers = self._viewer.layers
        selected, active = set(layers.selection), layers.selection.active
        layer = Image(
            picture,
            contrast_limits=(0, 1),
            interpolation2d="nearest",
            opacity=OPACITY,
            metadata={OVERLAY_KEY: True},
            **alike(labels.place.layer),
        )
        layers.insert(layers.index(labels.place.layer) + 1, layer)
        layers.selection = selected
        layers.selection.active = active
        return layer


def _painted(labels: MeasuredLabels, measured: MeasuredTable, values: NDArray[np.float64]) -> NDArray[np.float32]:
    """Write the value of each row into the pixels of its nucleus, NaN elsewhere; axes as in the layer."""
    place = labels.place
    picture = np.full(labels.shape, np.nan, np.float32)
    ids = measured.table["label"].to_numpy(np.int64)
    leading = measured.leading
    for index in np.ndindex(*labels.shape[:-2]):
        rows = (leading == np.array(index) + place.origin[: len(index)]).all(axis=1)
        known, own = np.unique(ids[rows], return_index=True)
        if known.size:
            picture[index] = _looked_up(labels.source.stored(index), known, values[rows][own])
    order = [*place.order]
    if "C" in place.letters:
        picture = picture[np.newaxis]
        order = [place.letters.index("C"), *order]
    return np.moveaxis(picture, range(len(order)), order)


def _looked_up(plane: NDArray[Any], known: NDArray[np.int64], values: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return the value of the id at every pixel; NaN for ids that are not known."""
    if known[-1] < LARGEST_LOOKUP:
        # The last place stands for all ids that are not known.
        lookup = np.full(int(known[-1]) + 2, np.nan, np.float32)
        lookup[known] = values
        return np.asarray(lookup.take(plane, mode="clip"), np.float32)
    places = np.clip(np.searchsorted(known, plane), 0, len(known) - 1)
    return np.where(known[places] == plane, values[places], np.nan).astype(np.float32)
