"""Find the pixels of an image layer that belong to a labels layer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_unet_nuclei.core.errors import ImageShapeError
from napari_unet_nuclei.core.image.axes import ImageSource
from napari_unet_nuclei.core.image.pixel_size import PixelSize, micrometres
from napari_unet_nuclei.core.segment.table import SegmentedChannel, StoredIds, column_names
from napari_unet_nuclei.gui.viewer.layers import METADATA_KEY, describe_layer, guess_layer_axes
from napari_unet_nuclei.gui.viewer.view import units_factors

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Image, Labels, Layer

_USUAL_AXES = {3: "ZYX", 4: "TZYX"}


@dataclass(frozen=True)
class Placed:
    """A layer with known axes, which maps its pixels to world coordinates.

    Attributes
    ----------
    layer : napari.layers.Layer
    letters : str
        One letter per axis of the layer; positions have no C.
    origin : tuple of int
        Position (leading axes, Y, X) of the layer's first pixel.
    """

    layer: Layer
    letters: str
    origin: tuple[int, ...]

    @cached_property
    def order(self) -> list[int]:
        """Axes of the layer in the order of positions: leading axes, Y, X."""
        leading = [axis for axis, letter in enumerate(self.letters) if letter not in "CYX"]
        return [*leading, self.letters.index("Y"), self.letters.index("X")]

    def world(self, position: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the world coordinates of a position (leading axes, Y, X), along all axes of the layer in its units."""
        index = np.zeros(len(self.letters))
        index[self.order] = position - np.array(self.origin)
        return np.array(self.layer.data_to_world(index), float)

    def position(self, world: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the position at world coordinates: the inverse of `world`."""
        index = np.array(self.layer.world_to_data(world), float)
        return np.array(index[self.order] + np.array(self.origin))

    @property
    def matrix(self) -> NDArray[np.float64]:
        """Affine matrix from positions to world coordinates along the same axes."""
        count = len(self.order)
        start = self.world(np.zeros(count))
        matrix = np.eye(count + 1)
        matrix[:-1, -1] = start[self.order]
        for axis, direction in enumerate(np.eye(count)):
            matrix[:-1, axis] = (self.world(direction) - start)[self.order]
        return matrix

    @property
    def pixel_length(self) -> float:
        """Length of a pixel in the world along X, in the layer's units."""
        return float(np.linalg.norm(self.matrix[:-1, -2]))

    def canvas_pixels(self, viewer: Viewer) -> float:
        """Return the size of a pixel along X in canvas pixels."""
        return float(
            viewer.scene.camera.zoom * self.pixel_length * units_factors(self.layer, viewer.dims)[self.order[-1]]
        )

    @property
    def pixel_size(self) -> PixelSize:
        """Distance of neighbouring pixels, and of planes; 0 if the layer's units are not lengths."""
        steps = np.linalg.norm(self.matrix[:-1, :-1], axis=0)
        units = [str(self.layer.units[axis]) for axis in self.order]
        sizes = {"y": micrometres(steps[-2], units[-2]), "x": micrometres(steps[-1], units[-1])}
        leading = [letter for letter in self.letters if letter not in "CYX"]
        if "Z" in leading:
            depth = leading.index("Z")
            sizes["z"] = micrometres(steps[depth], units[depth])
        return PixelSize(**sizes)


@dataclass(frozen=True)
class MeasuredLabels:
    """Snapshot of a labels layer.

    Attributes
    ----------
    place : Placed
    source : ImageSource
        Its ids, at the finest level.
    whole_planes : bool
        False if only a rectangle of the image was segmented.
    ours : bool
        Segmented here, so that its position in its image is known.
    """

    place: Placed
    source: ImageSource
    whole_planes: bool
    ours: bool

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths along the leading axes, Y and X."""
        return self.source.channel_shape

    @property
    def axes(self) -> str:
        """One letter per axis of `shape`."""
        return self.source.channel_axes

    @property
    def provenance(self) -> Mapping[str, Any]:
        """Model and settings that the labels were made with; empty for those of another origin."""
        provenance: Mapping[str, Any] = self.place.layer.metadata.get(METADATA_KEY, {}).get("provenance", {})
        return provenance

    @property
    def segmented_size(self) -> PixelSize:
        """Pixel size that the labels were segmented with, which the layer may not show; 0 where it was unknown."""
        return PixelSize(*self.provenance.get("pixel_size_um", ()))

    @property
    def is_spacing_told(self) -> bool:
        """True if the labels were segmented as volumes, with planes so far apart as their record says."""
        return "z_spacing" in self.provenance

    @property
    def plane_distance(self) -> float:
        """Distance of planes in µm: as segmented, which is 0 if it was guessed, else as the layer shows."""
        return float(self.provenance.get("z_spacing", {}).get("um", self.place.pixel_size.z))

    @property
    def plane_spacing(self) -> float:
        """Distance of planes in pixels: as they were segmented, else as the layer shows it; 0 for single planes."""
        known = float(self.provenance.get("z_spacing", {}).get("pixels", 0.0))
        leading = self.source.leading_axes
        if known or not leading:
            return known
        # A single axis without a name is taken for depth.
        depth = leading.index("Z") if "Z" in leading else 0
        return float(np.linalg.norm(self.place.matrix[:-1, depth])) / self.place.pixel_length

    def label_at(self, position: NDArray[np.float64]) -> int:
        """Return the id at a position in the whole image (leading axes, Y, X); 0 for none, and beside the labels."""
        index = np.rint(position - np.array(self.place.origin)).astype(int)
        if (index < 0).any() or (index >= self.shape).any():
            return 0
        y, x = index[-2:].tolist()
        return max(int(self.source.read(tuple(index[:-2].tolist()), 0, (y, y + 1, x, x + 1))[0, 0]), 0)

    def copied(self) -> StoredIds:
        """Return the ids as `measure` reads them; arrays in memory are copied, as the user may go on painting."""
        array = self.source.array
        return StoredIds(replace(self.source, array=array.copy()) if isinstance(array, np.ndarray) else self.source)


def describe_labels(layer: Labels) -> MeasuredLabels:
    """Describe a labels layer; call it in the window's thread.

    Raises
    ------
    ImageShapeError
        If the layer has fewer than two axes.
    """
    stored = layer.metadata.get(METADATA_KEY, {})
    array = layer.data[0] if layer.multiscale else layer.data
    letters = _labels_letters(layer, array.shape, str(stored.get("axes", "")))
    source = ImageSource(array, letters)
    count = len(source.leading_axes) + 2
    origin = tuple(int(first) for first in stored.get("origin", ()))
    ours = len(origin) == count
    return MeasuredLabels(
        place=Placed(layer, letters, origin if ours else (0,) * count),
        source=source,
        whole_planes=not stored.get("provenance", {}).get("region"),
        ours=ours,
    )


@dataclass(frozen=True)
class ImageUnderLabels:
    """The pixels of an image layer that labels belong to.

    Attributes
    ----------
    name : str
        The layer's.
    source : ImageSource
        The level that is measured.
    channels : dict of str to SegmentedChannel
        All its channels or colours, by the name used in columns.
    pixel_size : PixelSize
        Of the level that is measured.
    displaced : bool
        The viewer shows these pixels in another place than the labels.
    """

    name: str
    source: ImageSource
    channels: dict[str, SegmentedChannel]
    pixel_size: PixelSize
    displaced: bool


def image_under(layer: Image, labels: MeasuredLabels) -> ImageUnderLabels:
    """Find the pixels of an image layer that labels belong to; call it in the window's thread.

    Raises
    ------
    ImageShapeError
        If the image has no pixel for every pixel of the labels.
    """
    for axes in _possible_axes(layer, labels):
        for level in range(len(layer.data) if layer.multiscale else 1):
            image = describe_layer(layer, axes, level)
            source = _like_single_plane(image.source, labels)
            origin = _origin_in(source, labels)
            if origin is not None:
                one = source.channels == 1
                heads = [layer.name if one else f"{layer.name}_{name}" for name in column_names(source)]
                channels = [SegmentedChannel(source, number, origin, labels.shape) for number in range(len(heads))]
                # Labels of a coarser level were placed by its downsampling, which a labels layer does not record.
                displaced = False
                if level == 0 and source is image.source:
                    place = Placed(layer, image.letters, (0,) * len(origin))
                    displaced = not _same_place(place, origin, labels)
                return ImageUnderLabels(
                    layer.name, source, dict(zip(heads, channels, strict=True)), image.pixel_size, displaced
                )
    size = tuple(layer.data[0].shape if layer.multiscale else layer.data.shape)
    raise ImageShapeError(
        f"'{layer.name}' ({_size_text(size[:-1] if layer.rgb else size)}) and the labels "
        f"({_size_text(labels.shape)}) differ in size. Choose an image of the same size."
    )


def _like_single_plane(source: ImageSource, labels: MeasuredLabels) -> ImageSource:
    """Return an image of one plane with as many leading axes as labels of one plane have; any other as it is."""
    leading = labels.axes[:-2]
    alone = all(length == 1 for length in (*source.leading_shape, *labels.shape[:-2]))
    if len(source.leading_axes) == len(leading) or not alone or not isinstance(source.array, np.ndarray):
        return source
    plane = source.array[tuple(slice(None) if letter in "CYXS" else 0 for letter in source.axes)]
    rest = "".join(letter for letter in source.axes if letter in "CYXS")
    return replace(source, array=plane[(None,) * len(leading)], axes=leading + rest)


def _same_place(image: Placed, origin: tuple[int, ...], labels: MeasuredLabels) -> bool:
    """Return whether the corners of labels and of the image under them agree within half a pixel in the world."""
    place = labels.place
    units = [(image.layer.units[i], place.layer.units[j]) for i, j in zip(image.order, place.order, strict=True)]
    if any(theirs != ours for theirs, ours in units):
        return False
    tolerance = np.linalg.norm(place.matrix[:-1, :-1], axis=0).max() / 2
    corners = (np.zeros(len(labels.shape)), np.array(labels.shape) - 1.0)
    return all(
        np.allclose(
            image.world(corner + np.array(origin))[image.order],
            place.world(corner + np.array(place.origin))[place.order],
            rtol=0,
            atol=tolerance,
        )
        for corner in corners
    )


def _labels_letters(layer: Labels, shape: tuple[int, ...], stored: str) -> str:
    """Name the axes of labels from the layer's axis labels, else as segmented, else from the usual order."""
    if layer.ndim < 2:
        raise ImageShapeError(f"'{layer.name}' has {layer.ndim} axis: labels need rows and columns.")
    first = [label[:1].upper() for label in layer.axis_labels]
    letters = "".join(letter if letter in "TZCYX" and first.count(letter) == 1 else "Q" for letter in first)
    if not {"Y", "X"} <= set(letters):
        usual = _USUAL_AXES.get(layer.ndim, "Q" * (layer.ndim - 2) + "YX")
        letters = stored if len(stored) == layer.ndim else usual
    channels = letters.find("C")
    return letters.replace("C", "Q") if channels >= 0 and shape[channels] > 1 else letters


def _possible_axes(layer: Image, labels: MeasuredLabels) -> Iterator[str]:
    """Yield possible axes of an image, the likeliest first; an axis more than the labels have is channels."""
    stored = labels.place.layer.metadata.get(METADATA_KEY, {}).get("provenance", {}).get("axes", "")
    guess = guess_layer_axes(layer)
    if len(stored) == len(guess) and stored.endswith("S") == guess.endswith("S"):
        yield stored
    yield guess
    if "C" in guess[: layer.ndim]:
        yield guess.replace("C", "Q")
    elif not layer.rgb and layer.ndim == len(labels.shape) + 1:
        leading = [axis for axis, letter in enumerate(guess) if letter not in "YX"]
        yield from (f"{guess[:axis]}C{guess[axis + 1 :]}" for axis in leading)


def _origin_in(source: ImageSource, labels: MeasuredLabels) -> tuple[int, ...] | None:
    """Return the index in an image of the labels' first pixel; None if the image does not cover the labels."""
    shape = source.channel_shape
    if shape == labels.shape:
        return (0,) * len(shape)
    if not labels.ours or len(shape) != len(labels.shape):
        return None
    origin = []
    for axis, (length, covered, first) in enumerate(zip(shape, labels.shape, labels.place.origin, strict=True)):
        partial = covered == 1 if axis < len(shape) - 2 else not labels.whole_planes
        if length == covered:
            origin.append(0)
        elif partial and first + covered <= length:
            origin.append(first)
        else:
            return None
    return tuple(origin)


def _size_text(shape: tuple[Any, ...]) -> str:
    return " × ".join(str(int(length)) for length in shape)
