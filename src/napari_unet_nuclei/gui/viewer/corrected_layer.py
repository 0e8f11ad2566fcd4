"""A labels layer under correction: its planes, its image, positions in it, and the corrections built from it."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from napari_unet_nuclei.core.corrections.correction import DISMISSED, PLANE, STACK, Correction, checked
from napari_unet_nuclei.core.errors import ImageShapeError
from napari_unet_nuclei.core.image.pixel_size import PixelSize, micrometres
from napari_unet_nuclei.core.labels.decode import DecodeThresholds
from napari_unet_nuclei.core.labels.measure.volumes import hold_volumes
from napari_unet_nuclei.core.segment.planes import FEWEST_PLANES
from napari_unet_nuclei.core.segment.table import SegmentedChannel
from napari_unet_nuclei.core.types import AnyArray, Index, Mask, QuantisedMaps, Region
from napari_unet_nuclei.gui.viewer.companion import alike
from napari_unet_nuclei.gui.viewer.labels_and_image import (
    ImageUnderLabels,
    MeasuredLabels,
    describe_labels,
    image_under,
)
from napari_unet_nuclei.gui.viewer.layers import METADATA_KEY, pixel_checksum
from napari_unet_nuclei.gui.viewer.view import units_factors

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Image, Labels

NAMES_KEY = "corrections"
"""Key in a labels layer's metadata: the name under which each plane is saved, by the unique id of the layer (copies
do not share it), that of the image, and the index of the plane."""

LOOKED_AT, LOOKED_AT_SIDE = 12, 512
"""Planes, and rows and columns of them, by which labels of another origin are known to be volumes."""


@dataclass(frozen=True)
class CorrectedLayer:
    """Labels that can be corrected, with the image that they belong to.

    Attributes
    ----------
    labels : MeasuredLabels
    image : ImageUnderLabels or None
    """

    labels: MeasuredLabels
    image: ImageUnderLabels | None = None

    @property
    def layer(self) -> Labels:
        """The labels layer."""
        layer: Labels = self.labels.place.layer
        return layer

    @property
    def view(self) -> AnyArray:
        """The layer's array as (leading axes, Y, X), not copied: writing to it changes the layer."""
        array, letters, order = self.layer.data, self.labels.place.letters, self.labels.place.order
        if "C" in letters:
            channel = letters.index("C")
            array = array[(slice(None),) * channel + (0,)]
            order = [axis - (axis > channel) for axis in order]
        return array.transpose(order)

    def layer_indices(self, indices: tuple[NDArray[np.int64], ...]) -> tuple[NDArray[np.int64], ...]:
        """Convert indices along the axes of `view` to indices along the layer's axes."""
        result = [np.zeros_like(indices[0])] * self.layer.ndim
        for axis, along in zip(self.labels.place.order, indices, strict=True):
            result[axis] = along
        return tuple(result)

    @property
    def plane_indices(self) -> list[Index]:
        """Indices of all planes."""
        return list(np.ndindex(*self.labels.source.leading_shape))

    @property
    def depth(self) -> int | None:
        """The leading axis along which nuclei extend through planes; None where every plane has nuclei of its own."""
        letters = self.labels.source.leading_axes
        if not self.provenance:
            return letters.index("Z") if self._is_stack and self.ids_go_on else None
        if self.provenance.get("planes", "each") == "each":
            return None
        # A single axis without a name was taken for depth when it was segmented.
        return letters.index("Z") if "Z" in letters else 0 if len(letters) == 1 else None

    @property
    def _is_stack(self) -> bool:
        """True for labels of another origin of which it is known that their planes lie above each other."""
        letters, order = self.labels.place.letters, self.labels.place.order
        if "Z" not in self.labels.source.leading_axes:
            return False
        layer, steps = self.layer, np.linalg.norm(self.labels.place.matrix[:-1, :-1], axis=0)
        axis = letters.index("Z")
        is_named = str(layer.axis_labels[axis])[:1].upper() == "Z"
        is_length = micrometres(1.0, str(layer.units[axis])) > 0
        return is_named or is_length or not np.isclose(steps[order.index(axis)], steps[-1])

    @cached_property
    def ids_go_on(self) -> bool:
        """True for labels of another origin whose ids go on from plane to plane, as those of volumes do."""
        letters, array = self.labels.source.leading_axes, self.layer.data
        if self.provenance or "Z" not in letters or self.labels.shape[letters.index("Z")] < FEWEST_PLANES:
            return False
        known = _judged.get(self.layer)
        if known is None or known[0] != id(array):  # kept, whatever is deleted later
            _judged[self.layer] = known = id(array), hold_volumes(_thinned(self.view, letters), self.labels.axes)
        return known[1]

    @property
    def lacks_scale(self) -> bool:
        """True if nuclei seem to be volumes, but may be those of a movie: only a scale along z would tell."""
        return self.depth is None and self.ids_go_on

    def stack(self, index: Index) -> AnyArray:
        """Return the stack (Z, Y, X) that a plane of volumes belongs to, not copied."""
        return self.view[(*index[: self.depth], slice(None), *index[self._after_depth :])]

    def stack_planes(self, index: Index) -> list[Index]:
        """Return the indices of the planes whose nuclei are one: those of its stack, or where there is none, itself."""
        if self.depth is None:
            return [index]
        return [self.along_stack(index, z) for z in range(self.labels.shape[self.depth])]

    def along_stack(self, index: Index, z: int) -> Index:
        """Return the index of another plane of the stack that a plane of volumes belongs to."""
        return (*index[: self.depth], z, *index[self._after_depth :])

    def stack_name(self, index: Index) -> str:
        """Name the stack of a plane of an image with depth, alike in every session; there must be an image."""
        letters, image = self.labels.source.leading_axes, self.image
        assert image is not None, "asked of labels with an image"
        places = zip(letters.lower(), self.image_index(index), strict=True)
        where = ", ".join(f"{letter}={place}" for letter, place in places if letter != "z")
        return f"{image.name} {pixel_checksum(image.source.array):08x} {where}".strip()

    @property
    def plane_spacing(self) -> float:
        """Distance of the planes of volumes in pixels."""
        return self.labels.plane_spacing

    @property
    def _after_depth(self) -> int:
        assert self.depth is not None, "asked of volumes only"
        return self.depth + 1

    def shown_plane(self, viewer: Viewer) -> Index | None:
        """Return the plane that the viewer shows; None in 3-D, from the side, or outside the labels."""
        dims, order = viewer.dims, self.labels.place.order
        offset = dims.ndim - self.layer.ndim
        if dims.ndisplay != 2 or set(dims.displayed) != {order[-1] + offset, order[-2] + offset}:
            return None
        world = np.array(dims.point[-self.layer.ndim :], float) / units_factors(self.layer, dims)
        index = np.rint(self.position(world)[:-2]).astype(int)
        inside = (index >= 0) & (index < self.labels.source.leading_shape)
        return tuple(index.tolist()) if inside.all() else None

    def position(self, world: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the index along the axes of `view` at a point of the world in the layer's units."""
        return np.asarray(self.labels.place.position(world) - np.array(self.labels.place.origin), float)

    def world(self, index: Index, point: tuple[float, float]) -> NDArray[np.float64]:
        """Return the world position of a point (y, x) of a plane, in the layer's units."""
        return self.labels.place.world(np.array([*index, *point], float) + np.array(self.labels.place.origin))

    def maps(self, index: Index) -> QuantisedMaps | None:
        """Return the network's maps of a plane, (3, Y, X); None where they were not kept or belong to other labels."""
        maps = self._stored.get("maps")
        leading, plane = self.labels.source.leading_shape, self.labels.shape[-2:]
        if maps is None or maps.shape != (int(np.prod(leading)), 3, *plane):
            return None
        number = int(np.ravel_multi_index(index, leading)) if index else 0
        return np.asarray(maps[number], np.uint8)

    @property
    def thresholds(self) -> DecodeThresholds | None:
        """Thresholds that the labels were decoded with."""
        thresholds: DecodeThresholds | None = self._stored.get("thresholds")
        return thresholds

    @property
    def provenance(self) -> Mapping[str, Any]:
        """Model and settings that the labels were made with."""
        return self.labels.provenance

    @property
    def is_bright(self) -> bool:
        """True where nuclei are dark on a bright background, as in most colour images."""
        if "kind" in self.provenance:
            return bool(self.provenance["kind"] == "brightfield")
        # Earlier versions wrote whether they had turned bright and dark.
        return bool(self.provenance.get("inverted", any(channel.source.is_colour for channel in self._channels)))

    @property
    def pixel_size(self) -> PixelSize:
        """Pixel size of the segmentation, else of the labels, else of the image; 0 where unknown."""
        sizes = [
            self.labels.segmented_size,
            self.labels.place.pixel_size,
            *([self.image.pixel_size] if self.image else []),
        ]
        return next((size for size in sizes if size.known), PixelSize())

    @property
    def voxel_size(self) -> PixelSize:
        """Pixel size with the distance of planes; that is 0 where it was guessed when volumes were segmented."""
        return replace(self.pixel_size, z=self.labels.plane_distance)

    @property
    def nuclei_channel(self) -> int | None:
        """The channel that was segmented; None where there is only one, or it is unknown."""
        channels = self._channels
        settings, read = self.provenance.get("settings", {}), self.provenance.get("channels", ())
        if len(channels) < 2:
            return None
        if read:
            return int(read[0]) if len(read) == 1 else None
        if not settings.get("channel_auto", True):  # as earlier versions wrote it, always a number
            return int(settings["channel"])
        source, name = channels[0].source, self.provenance.get("channel")
        return next((number for number in range(len(channels)) if source.channel_name(number) == name), None)

    def intensities(self, index: Index) -> NDArray[np.floating] | None:
        """Read the plane (Y, X) of the channel that shows the nuclei; None without an image."""
        channels = self._channels
        return channels[self.nuclei_channel or 0][index] if channels else None

    def pixels(self, index: Index, region: Region) -> tuple[AnyArray, str]:
        """Read a rectangle of a plane of the image as it is stored, with all channels or colours.

        Returns
        -------
        array, shape (Y, X), (C, Y, X) or (Y, X, S)
            In the image's own dtype, in memory.
        axes : str
        """
        channel = self._channels[0]
        source, origin = channel.source, channel.origin
        (y, x), (y0, y1, x0, x1) = origin[-2:], region
        leading = iter(self.image_index(index))
        where = {"Y": slice(y + y0, y + y1), "X": slice(x + x0, x + x1), "C": slice(None), "S": slice(None)}
        key = tuple(where[letter] if letter in where else next(leading) for letter in source.axes)
        left = [letter for letter in source.axes if letter in where]
        axes = "".join(letter for letter in "CYXS" if letter in left)
        return np.asarray(source.array[key]).transpose([left.index(letter) for letter in axes]), axes

    @property
    def first_pixel(self) -> tuple[int, ...]:
        """Index in the image, along the axes of `view`, of the labels' first pixel; there must be an image."""
        return self._channels[0].origin

    def image_index(self, index: Index) -> Index:
        """Return the index in the image of a plane of the labels; there must be an image."""
        return tuple(first + i for first, i in zip(self.first_pixel[:-2], index, strict=True))

    @property
    def _channels(self) -> list[SegmentedChannel]:
        return list(self.image.channels.values()) if self.image else []

    @property
    def _stored(self) -> Mapping[str, Any]:
        stored: Mapping[str, Any] = self.layer.metadata.get(METADATA_KEY, {})
        return stored


_judged: WeakKeyDictionary[Labels, tuple[int, bool]] = WeakKeyDictionary()
"""By layer, the id of its array and whether its ids go on from plane to plane."""


def _thinned(view: AnyArray, letters: str) -> AnyArray:
    """Return some planes from the middle of the depth, with as many pixels as are looked at in an instant."""
    depth = letters.index("Z")
    first = max(view.shape[depth] - LOOKED_AT, 0) // 2
    step = max(round((view.shape[-2] * view.shape[-1]) ** 0.5 / LOOKED_AT_SIDE), 1)
    along = [slice(None)] * view.ndim
    along[depth], along[-2], along[-1] = (
        slice(first, first + LOOKED_AT),
        slice(None, None, step),
        slice(None, None, step),
    )
    return view[tuple(along)]


def corrected_layer(layer: Labels, image: Image | None) -> CorrectedLayer:
    """Describe a labels layer for correction.

    Raises
    ------
    ImageShapeError
        If the labels are not a writable array in memory, or the image has another size.
    """
    if not is_writable(layer):
        raise ImageShapeError(
            f"'{layer.name}' is read from its file piece by piece and cannot be changed: work on a copy in memory."
        )
    labels = describe_labels(layer)
    if 0 in labels.shape:
        raise ImageShapeError(f"'{layer.name}' has no pixels.")
    corrected = CorrectedLayer(labels, None if image is None else image_under(image, labels))
    if corrected.provenance.get("classes"):
        raise ImageShapeError(f"'{layer.name}' holds classes of pixels, not nuclei: correct them with napari's brush.")
    return corrected


def is_writable(layer: Labels) -> bool:
    """Return whether the labels are an array in memory that can be changed; others need a copy first."""
    array = layer.data
    return not layer.multiscale and isinstance(array, np.ndarray) and bool(array.flags.writeable)


def copy_in_memory(viewer: Viewer, layer: Labels) -> Labels:
    """Add a writable copy of labels in the same place; of several levels, the finest."""
    array = np.array(layer.data[0] if layer.multiscale else layer.data)
    return viewer.add_labels(
        array, name=f"{layer.name} corrected", metadata=dict(layer.metadata), features=layer.features, **alike(layer)
    )


def correction_name(corrected: CorrectedLayer, image: Image, index: Index) -> str:
    """Return the name under which all docks save a plane; it is unique to this layer and image."""
    layer = corrected.layer
    names = layer.metadata.get(NAMES_KEY, {})
    if (name := names.get((layer.unique_id, image.unique_id, index))) is not None:
        return str(name)
    positions = zip(corrected.labels.source.leading_axes.lower(), corrected.image_index(index), strict=True)
    where = ", ".join(f"{letter}={i}" for letter, i in positions)
    name = f"{image.name} {f'[{where}] ' if where else ''}{secrets.token_hex(4)}"
    name_correction(corrected, image, index, name)
    return name


def name_correction(corrected: CorrectedLayer, image: Image, index: Index, name: str) -> None:
    """Set the name under which a plane is saved from now on, e.g. after it was restored."""
    layer = corrected.layer
    names = layer.metadata.get(NAMES_KEY, {})
    layer.metadata = {**layer.metadata, NAMES_KEY: {**names, (layer.unique_id, image.unique_id, index): name}}


def correction_of(
    corrected: CorrectedLayer,
    index: Index,
    name: str,
    pixels: tuple[AnyArray, str],
    labels: AnyArray,
    reviewed: Mask,
    accepted: Sequence[int],
    *,
    corner: tuple[int, int] = (0, 0),
    dismissed: Sequence[Region] | None = None,
) -> Correction:
    """Build the correction of a plane of labels, or of a part of it.

    Parameters
    ----------
    corrected : CorrectedLayer
        With an image.
    index : Index
    name : str
    pixels : (array, str)
        As `CorrectedLayer.pixels` returns them.
    labels, reviewed : ndarray, shape (Y, X)
    accepted : sequence of int
    corner : tuple of int
        Pixel (y, x) of the plane at which the arrays begin.
    dismissed : sequence of Region, optional
        Places without a nucleus, in pixels of the plane; None where they are unknown.

    Raises
    ------
    ImageShapeError
        If the arrays do not fit together.
    """
    y, x = corrected.first_pixel[-2:]
    provenance = {**corrected.provenance, PLANE: list(corrected.image_index(index))}
    if "Z" in corrected.labels.source.leading_axes:
        provenance[STACK] = corrected.stack_name(index)
    if dismissed is not None:
        provenance[DISMISSED] = [[y0 + y, y1 + y, x0 + x, x1 + x] for y0, y1, x0, x1 in dismissed]
    return checked(
        Correction(
            name=name,
            image=pixels[0],
            axes=pixels[1],
            labels=labels,
            reviewed=reviewed,
            accepted=tuple(accepted),
            pixel_size=corrected.pixel_size,
            origin=(y + corner[0], x + corner[1]),
            channel=corrected.nuclei_channel,
            provenance=provenance,
        )
    )
