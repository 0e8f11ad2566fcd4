"""From an image layer to what the engine is asked, and from its answer to a labels layer in the very same place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from napari.utils.transforms import Affine, CompositeAffine
from numpy.typing import NDArray

from napari_unet_nuclei.core.errors import ImageShapeError
from napari_unet_nuclei.core.image.axes import ImageSource
from napari_unet_nuclei.core.image.pixel_size import PixelSize, micrometres
from napari_unet_nuclei.core.segment.result import SegmentResult
from napari_unet_nuclei.core.types import Labels

if TYPE_CHECKING:
    from napari.layers import Image
    from napari.layers import Labels as LabelsLayer

METADATA_KEY = "nuclei"
"""Where a labels layer keeps ``provenance``, ``origin``, ``axes``, ``maps`` and ``thresholds`` of its result in
``layer.metadata``."""

_LETTERS = {
    "t": "T", "time": "T", "frame": "T",
    "z": "Z", "depth": "Z", "slice": "Z",
    "c": "C", "channel": "C", "channels": "C",
    "y": "Y", "row": "Y",
    "x": "X", "column": "X",
}  # fmt: skip
_USUAL_AXES = {2: "YX", 3: "ZYX", 4: "TZYX", 5: "TZCYX"}


@dataclass(frozen=True)
class LayerImage:
    """An image layer as it was when asked: the viewer may change meanwhile, the pixels are not copied.

    Attributes
    ----------
    name : str
        The layer's.
    source : ImageSource
        The array, of one level where there are several, with its axes.
    pixel_size : PixelSize
        Of that level; 0 where the layer's units are no lengths.
    file : str
        Where the layer came from; empty where it came from no file.
    kept : tuple of int
        Axes of the layer that a labels layer has too, in the layer's order: all but a leading channel axis. A channel
        axis between others is kept with length 1, since napari matches the axes of layers from the last one on.
    factors : tuple of float
        For every axis of the layer, finest pixels per pixel of labels: a level's coarseness; along a channel axis the
        number of channels, so that labels are seen beside all of them.
    placement : CompositeAffine
        The layer's scale, rotation, shear and translation.
    affine : Affine
        The layer's further transform to world coordinates.
    units, axis_labels : tuple
        The layer's.
    """

    name: str
    source: ImageSource
    pixel_size: PixelSize
    file: str
    kept: tuple[int, ...]
    factors: tuple[float, ...]
    placement: CompositeAffine
    affine: Affine
    units: tuple[Any, ...]
    axis_labels: tuple[str, ...]

    @property
    def letters(self) -> str:
        """One letter per axis of the layer; colour samples are none of its axes."""
        return self.source.axes.replace("S", "")

    def arrange(self, labels: Labels) -> Labels:
        """Bring labels (leading axes, Y, X) into the order of `kept`; a view, not a copy."""
        order = "".join(letter for letter in self.letters if letter != "C")
        if order.index("X") < order.index("Y"):
            labels = labels.swapaxes(-1, -2)
        plane_axes = sorted((order.index("Y"), order.index("X")))
        labels = np.moveaxis(labels, (-2, -1), plane_axes)
        kept_letters = [self.letters[axis] for axis in self.kept]
        return np.expand_dims(labels, kept_letters.index("C")) if "C" in kept_letters else labels

    def restore(self, shown: NDArray[Any]) -> NDArray[Any]:
        """Bring the array of a labels layer back into the order (leading axes, Y, X); a view, not a copy."""
        letters = [self.letters[axis] for axis in self.kept]
        if "C" in letters:
            shown = shown.squeeze(letters.index("C"))
            letters.remove("C")
        return np.moveaxis(shown, (letters.index("Y"), letters.index("X")), (-2, -1))

    def spatial(self, origin: tuple[int, ...]) -> dict[str, Any]:
        """Return the spatial arguments of a labels layer whose first pixel has this index along (leading, Y, X)."""
        first = self._layer_index(origin)
        factors = np.array(self.factors)
        corner = first * factors + (factors - 1) / 2  # the middle of a coarse pixel lies between finest ones
        moved = CompositeAffine(
            scale=self.placement.scale * factors,
            translate=self.placement(corner),
            rotate=self.placement.rotate,
            shear=self.placement.shear,
            ndim=len(factors),
        ).set_slice(list(self.kept))
        return {
            "scale": moved.scale,
            "translate": moved.translate,
            "rotate": moved.rotate,
            "shear": moved.shear,
            "affine": self.affine.set_slice(list(self.kept)),
            "units": tuple(self.units[axis] for axis in self.kept),
            "axis_labels": tuple(self.axis_labels[axis] for axis in self.kept),
        }

    def _layer_index(self, origin: tuple[int, ...]) -> NDArray[np.float64]:
        """Bring an index along (leading, Y, X) into the order of the layer's axes, 0 along channels."""
        leading = iter(origin[:-2])
        plane = dict(zip("YX", origin[-2:], strict=True))
        return np.array([
            0 if letter == "C" else plane[letter] if letter in plane else next(leading) for letter in self.letters
        ], float)  # fmt: skip


def guess_layer_axes(layer: Image, file_axes: str = "") -> str:
    """Name the axes of a layer's array: by its axis labels, else as its file says, else by the usual order.

    Parameters
    ----------
    layer : napari.layers.Image
    file_axes : str
        Axes in the file that the layer came from; empty where unknown.

    Returns
    -------
    str
        One letter per axis of the array, S for colour samples last, e.g. "TZYX".
    """
    colours = "S" if layer.rgb else ""
    named = [_LETTERS.get(label.lower(), "Q") for label in layer.axis_labels]
    known = [letter for letter in named if letter != "Q"]
    if {"Y", "X"} <= set(known) and len(known) == len(set(known)):
        return "".join(named) + colours
    if len(file_axes.replace("S", "")) == layer.ndim and ("S" in file_axes) == layer.rgb:
        return file_axes
    ndim: int = layer.ndim
    usual = _USUAL_AXES.get(ndim, "Q" * (ndim - 2) + "YX")
    return (usual.replace("C", "Q") if layer.rgb else usual) + colours


def describe_layer(layer: Image, axes: str, level: int = 0) -> LayerImage:
    """Take down everything about a layer that a run needs; call it in the window's thread.

    Parameters
    ----------
    layer : napari.layers.Image
    axes : str
        One letter per axis of the array.
    level : int
        Which level of a multiscale layer, 0 being the finest.

    Raises
    ------
    ImageShapeError
        If the axes do not fit the array, or its pixels are no real numbers.
    """
    if layer.rgb != axes.endswith("S"):
        raise ImageShapeError(f"'{layer.name}' has {'' if layer.rgb else 'no '}colours: S stands for them, as last.")
    array = layer.data[level] if layer.multiscale else layer.data
    source = ImageSource(array, axes)
    letters = axes.replace("S", "")
    coarseness = layer.downsample_factors[level][: layer.ndim]
    channels = letters.find("C")
    kept = tuple(axis for axis in range(layer.ndim) if not axis == channels == 0)
    factors = [source.channels if axis == channels else float(coarseness[axis]) for axis in range(layer.ndim)]
    placement = CompositeAffine(
        scale=layer.scale, translate=layer.translate, rotate=layer.rotate, shear=layer.shear, ndim=layer.ndim
    )
    return LayerImage(
        name=layer.name,
        source=source,
        pixel_size=_pixel_size(layer, letters, coarseness),
        file=str(layer.source.path or ""),
        kept=kept,
        factors=tuple(factors),
        placement=placement,
        affine=layer.affine,
        units=tuple(layer.units),
        axis_labels=tuple(layer.axis_labels),
    )


def labels_arguments(result: SegmentResult, image: LayerImage, table: pd.DataFrame) -> dict[str, Any]:
    """Return the arguments of the labels layer that shows a result, all but the array.

    The names of classes stand in its features, which napari shows under the cursor, and in the provenance.
    """
    return {
        "name": f"{image.name} {'classes' if result.classes else 'labels'}",
        "features": table_features(table),
        "metadata": {METADATA_KEY: result_metadata(result)},
        **image.spatial(result.origin),
    }


def result_metadata(result: SegmentResult) -> dict[str, Any]:
    """Return what a labels layer keeps of its result; the maps let nuclei be corrected by what the network saw."""
    return {name: getattr(result, name) for name in ("provenance", "origin", "axes", "maps", "thresholds")}


def table_features(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table as features of a labels layer: napari finds the row of a label by the column ``index``."""
    if table.empty:
        return pd.DataFrame()
    return table.assign(index=table["label"])[["index", *table.columns]]


def replace_labels(layer: LabelsLayer, labels: Labels) -> None:
    """Give a labels layer other labels, and let it forget its undo steps.

    napari keeps them when the array is replaced, so that Ctrl+Z would write old ids into new labels; a layer that is
    not editable has none.
    """
    mode = layer.mode
    layer.editable = False
    layer.data = labels
    layer.editable = True
    layer.mode = mode


def _pixel_size(layer: Image, letters: str, coarseness: NDArray[np.float64]) -> PixelSize:
    """Return the distance of neighbouring pixels in the world, where its units are lengths."""
    to_physical = CompositeAffine(
        scale=layer.scale, translate=layer.translate, rotate=layer.rotate, shear=layer.shear, ndim=layer.ndim
    )
    matrix = layer.affine.linear_matrix @ to_physical.linear_matrix
    sizes = {
        letter.lower(): micrometres(np.linalg.norm(matrix[:, axis]) * coarseness[axis], str(layer.units[axis]))
        for axis, letter in enumerate(letters)
        if letter in "ZYX"
    }
    return PixelSize(**sizes)
