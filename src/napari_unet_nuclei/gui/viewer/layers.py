"""Describe an image layer for segmentation, and place the resulting labels layer exactly over it."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np
import pandas as pd
from napari.layers import Image
from napari.utils.transforms import Affine, CompositeAffine
from numpy.typing import NDArray

from napari_unet_nuclei.core.errors import ImageShapeError
from napari_unet_nuclei.core.image.arrays import last_axis
from napari_unet_nuclei.core.image.axes import ImageSource, axis_letter
from napari_unet_nuclei.core.image.colour import has_colour_values
from napari_unet_nuclei.core.image.pixel_size import PixelSize, micrometres
from napari_unet_nuclei.core.segment.result import SegmentResult
from napari_unet_nuclei.core.types import Labels
from napari_unet_nuclei.gui.viewer.companion import add_unselected
from napari_unet_nuclei.gui.viewer.source_file import picture_of

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Labels as LabelsLayer

METADATA_KEY = "nuclei"
"""Key in ``layer.metadata`` under which a labels layer keeps ``provenance``, ``origin``, ``axes``, ``maps`` and
``thresholds`` of its result, and the image that it was segmented from."""

SEGMENTED_FROM = "image"
"""Key below `METADATA_KEY`: ``name``, unique ``id`` and ``checksum`` of the image layer that was segmented."""

SAMPLED = 64
"""About so many pixels along each axis of an image go into its checksum, which takes less than a millisecond."""

SHOWN_SAMPLED = 16
"""Pixels along each axis by which colours of a lazy array are told from stains."""

PROJECTION_KEY = "projection"
"""Key in the metadata of an image layer that shows a projection: unique id and checksum of its stack, and how."""

OVERLAY_KEY = "shows nuclei"
"""Key in the metadata of an image layer that shows values of nuclei, and is no picture of them."""


def pictures_in(viewer: Viewer) -> list[Image]:
    """Return the image layers that are pictures, from the bottom up: not those that show values of nuclei."""
    return [layer for layer in viewer.layers if isinstance(layer, Image) and OVERLAY_KEY not in layer.metadata]


_USUAL_AXES = {2: "YX", 3: "ZYX", 4: "TZYX", 5: "TZCYX"}


@dataclass(frozen=True)
class LayerImage:
    """Snapshot of an image layer without a copy of its pixels; the viewer may change meanwhile.

    Attributes
    ----------
    name : str
        The layer's.
    source : ImageSource
        The array, a single level of a pyramid, with its axes.
    pixel_size : PixelSize
        Of that level; 0 if the layer's units are not lengths.
    file : str
        Path that the layer was read from; empty if it was not read from a file.
    kept : tuple of int
        Axes of the layer that a labels layer has too, in the layer's order: all but a leading channel axis. A channel
        axis between others is kept with length 1, as napari aligns the axes of layers from the last one.
    factors : tuple of float
        Per axis of the layer, pixels of the finest level per pixel of the labels: the level's downsampling; along a
        channel axis the number of channels, so that labels are shown over each of them.
    placement : CompositeAffine
        The layer's scale, rotation, shear and translation.
    affine : Affine
        The layer's further transform to world coordinates.
    units, axis_labels : tuple
        The layer's.
    layer_id : str
        The layer's unique id.
    checksum : int
        Of the layer's array, which may show less than ``source``.
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
    layer_id: str = ""
    checksum: int = 0

    @property
    def letters(self) -> str:
        """One letter per axis of the layer, which does not count the samples of a pixel."""
        return self.source.axes[: len(self.units)]

    def projected(self, source: ImageSource, how: str) -> LayerImage:
        """Describe the layer that shows a projection of this one along z; it has no unique id before it is added."""
        rest = [axis for axis, letter in enumerate(self.letters) if letter != "Z"]
        channels = source.axes.find("C")
        coarseness = np.array([
            1.0 if letter == "C" else factor for letter, factor in zip(self.letters, self.factors, strict=True)
        ])  # fmt: skip
        placement = CompositeAffine(
            scale=self.placement.scale * coarseness,
            translate=self.placement((coarseness - 1) / 2),
            rotate=self.placement.rotate,
            shear=self.placement.shear,
            ndim=len(coarseness),
        )
        return replace(
            self,
            name=f"{self.name} {how} along z",
            source=source,
            kept=tuple(axis for axis in range(len(rest)) if not axis == channels == 0),
            factors=tuple(source.channels if axis == channels else 1.0 for axis in range(len(rest))),
            placement=placement.set_slice(rest),
            affine=self.affine.set_slice(rest),
            units=tuple(self.units[axis] for axis in rest),
            axis_labels=tuple(self.axis_labels[axis] for axis in rest),
            layer_id="",
        )

    def arrange(self, labels: Labels) -> Labels:
        """Return labels (leading axes, Y, X) with their axes in the order of `kept`, as a view."""
        order = "".join(letter for letter in self.letters if letter != "C")
        if order.index("X") < order.index("Y"):
            labels = labels.swapaxes(-1, -2)
        plane_axes = sorted((order.index("Y"), order.index("X")))
        labels = np.moveaxis(labels, (-2, -1), plane_axes)
        kept_letters = [self.letters[axis] for axis in self.kept]
        return np.expand_dims(labels, kept_letters.index("C")) if "C" in kept_letters else labels

    def restore(self, shown: NDArray[Any]) -> NDArray[Any]:
        """Return the array of a labels layer with its axes in the order (leading axes, Y, X), as a view."""
        letters = [self.letters[axis] for axis in self.kept]
        if "C" in letters:
            shown = shown.squeeze(letters.index("C"))
            letters.remove("C")
        return np.moveaxis(shown, (letters.index("Y"), letters.index("X")), (-2, -1))

    def spatial(self, origin: tuple[int, ...]) -> dict[str, Any]:
        """Return the spatial arguments of a labels layer whose first pixel has an index along (leading, Y, X)."""
        first = self._layer_index(origin)
        factors = np.array(self.factors)
        corner = first * factors + (factors - 1) / 2  # the centre of a coarse pixel lies between fine ones
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
        """Convert an index along (leading, Y, X) to the layer's axes, with 0 along channels."""
        leading = iter(origin[:-2])
        plane = dict(zip("YX", origin[-2:], strict=True))
        return np.array([
            0 if letter == "C" else plane[letter] if letter in plane else next(leading) for letter in self.letters
        ], float)  # fmt: skip


def guess_layer_axes(layer: Image, file_axes: str = "") -> str:
    """Guess the axes of a layer's array from its axis labels, else from its file, else from the usual order.

    Parameters
    ----------
    layer : napari.layers.Image
    file_axes : str
        Axes of the file that the layer was read from; empty if unknown.

    Returns
    -------
    str
        One letter per axis of the array, e.g. "TZYX"; of what napari shows in colour, the last is S for colours, or C
        where the values are those of stains.
    """
    samples = _samples(layer)
    named = [axis_letter(label) for label in layer.axis_labels]
    known = [letter for letter in named if letter != "Q"]
    if {"Y", "X"} <= set(known) and len(known) == len(set(known)):
        return "".join(named) + (samples if "C" not in known else samples.replace("C", "S"))
    ndim: int = layer.ndim
    if len(file_axes) == ndim + len(samples) and _are_samples(layer, file_axes[ndim:]):
        return file_axes
    usual = _USUAL_AXES.get(ndim, "Q" * (ndim - 2) + "YX")
    return (usual.replace("C", "Q") if layer.rgb else usual) + samples


_judged: WeakKeyDictionary[Image, tuple[int, str]] = WeakKeyDictionary()
"""By layer, the id of its array and the letter of its samples, which all docks ask for all the time."""


def _samples(layer: Image) -> str:
    """Letter of the samples of a pixel: S for colours, C for stains, which napari shows as colours; empty without."""
    array = layer.data[0] if layer.multiscale else layer.data
    if not layer.rgb:
        return ""
    known = _judged.get(layer)
    if known is not None and known[0] == id(array):
        return known[1]
    if isinstance(array, np.ndarray):
        letter = last_axis(array)
    else:
        shown = _shown_samples(layer)
        if not len(shown) or not shown[:, -1].any():
            return "S"  # nothing is shown yet, or what would be opacity is blank
        letter = "S" if has_colour_values(shown) else "C"
    _judged[layer] = (id(array), letter)
    return letter


def _shown_samples(layer: Image) -> NDArray[Any]:
    """Return some pixels (N, S) of those that are on the screen: to read others of a lazy array blocks the window."""
    low, high = layer.extent.data
    grid = np.linspace(low, high, SHOWN_SAMPLED + 2)[1:-1]
    places = [np.append(grid[0, :-2], (y, x)) for y in grid[:, -2] for x in grid[:, -1]]
    values = [layer.get_value(place) for place in places]
    pixels = [value[1] if layer.multiscale else value for value in values if value is not None]
    return np.array([pixel for pixel in pixels if pixel is not None])


def _are_samples(layer: Image, letters: str) -> bool:
    """Return whether letters beyond the axes of a layer are those of its samples: colours, stains or nothing."""
    return letters in ("S", "C") if layer.rgb else letters == ""


def describe_layer(layer: Image, axes: str, level: int = 0) -> LayerImage:
    """Describe a layer for a run; call it in the window's thread.

    Parameters
    ----------
    layer : napari.layers.Image
    axes : str
        One letter per axis of the array.
    level : int
        Level of a multiscale layer; 0 is the finest.

    Raises
    ------
    ImageShapeError
        If the axes do not fit the array, or its pixels are not real numbers.
    """
    if not _are_samples(layer, axes[layer.ndim :]):
        has = "has" if layer.rgb else "has no"
        raise ImageShapeError(f"'{layer.name}' {has} colour samples: a colour image ends in S, no other image does.")
    shown = layer.data[level] if layer.multiscale else layer.data
    source, picture = ImageSource(shown, axes), picture_of(layer)
    letters = axes[: layer.ndim]
    if picture is not None and picture.axes[: layer.ndim] == letters:
        source = ImageSource(picture.array, picture.axes)
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
        layer_id=str(layer.unique_id),
        checksum=pixel_checksum(shown),
    )


def shown_projection(viewer: Viewer, image: LayerImage, stack: LayerImage, how: str) -> LayerImage:
    """Show a projection of a layer, unless it is shown already; return the image of the layer that shows it."""
    made_of = {"id": stack.layer_id, "how": how, "checksum": pixel_checksum(stack.source.array)}
    for layer in pictures_in(viewer):
        if layer.metadata.get(PROJECTION_KEY) == made_of and layer.data.shape == image.source.array.shape:
            return describe_layer(layer, image.source.axes)
    under = next((layer for layer in viewer.layers if str(layer.unique_id) == stack.layer_id), None)
    layer = Image(
        image.source.array,
        name=image.name,
        rgb=image.source.axes.endswith("S"),
        metadata={PROJECTION_KEY: made_of},
        scale=image.placement.scale,
        translate=image.placement.translate,
        rotate=image.placement.rotate,
        shear=image.placement.shear,
        affine=image.affine,
        units=image.units,
        axis_labels=image.axis_labels,
        **({} if under is None or image.source.axes.endswith("S") else {"colormap": under.colormap}),
    )
    add_unselected(viewer, layer, above=under)
    return replace(describe_layer(layer, image.source.axes), file=image.file)


def labels_arguments(result: SegmentResult, image: LayerImage, table: pd.DataFrame) -> dict[str, Any]:
    """Return the arguments of the labels layer of a result, all except the array.

    Class names are in its features, which napari shows in the status bar, and in the provenance.
    """
    return {
        "name": labels_name(result, image),
        "features": table_features(table),
        "metadata": {METADATA_KEY: result_metadata(result, image)},
        **image.spatial(result.origin),
    }


def labels_name(result: SegmentResult, image: LayerImage) -> str:
    """Return the name of the labels layer of a result."""
    return f"{image.name} {'classes' if result.classes else 'labels'}"


def result_metadata(result: SegmentResult, image: LayerImage) -> dict[str, Any]:
    """Return what a labels layer keeps of its result; correcting uses the network's maps."""
    kept = {name: getattr(result, name) for name in ("provenance", "origin", "axes", "maps", "thresholds")}
    return {**kept, SEGMENTED_FROM: segmented_from(image)}


def segmented_from(image: LayerImage) -> dict[str, Any]:
    """Return what labels keep to find the image layer again that they were segmented from."""
    return {"name": image.name, "id": image.layer_id, "checksum": image.checksum}


def pixel_checksum(array: Any) -> int:
    """Return a checksum of some pixels all over an array in memory; 0 for any other array."""
    if not isinstance(array, np.ndarray):
        return 0
    sample = array[tuple(slice(None, None, max(length // SAMPLED, 1)) for length in array.shape)]
    return zlib.crc32(np.ascontiguousarray(sample).tobytes()) or 1


def table_features(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table as features of a labels layer; napari looks up a label in the column ``index``."""
    if table.empty:
        return pd.DataFrame()
    return table.assign(index=table["label"])[["index", *table.columns]]


def replace_labels(layer: LabelsLayer, labels: Labels) -> None:
    """Replace the labels of a layer and clear its undo history."""
    layer.data = labels
    forget_undo(layer)


def forget_undo(layer: LabelsLayer) -> None:
    """Clear the undo history of a layer whose labels were replaced.

    napari keeps the history, so Ctrl+Z would write old ids into new labels; making the layer uneditable clears it.
    """
    mode = layer.mode
    layer.editable = False
    layer.editable = True
    layer.mode = mode


def _pixel_size(layer: Image, letters: str, coarseness: NDArray[np.float64]) -> PixelSize:
    """Return the distance of neighbouring pixels in the world; 0 if the units are not lengths."""
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
