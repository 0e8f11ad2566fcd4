"""Which open layers a model can learn from, and copies of them: labels, the image under them, and what was reviewed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Labels

from napari_unet_nuclei.core.corrections.correction import Correction, checked
from napari_unet_nuclei.core.errors import ImageShapeError, NoSamplesError
from napari_unet_nuclei.core.image.axes import ImageSource
from napari_unet_nuclei.core.types import AnyArray
from napari_unet_nuclei.core.types import Labels as LabelsArray
from napari_unet_nuclei.gui.viewer.corrected_layer import PLANE, CorrectedLayer, Index, corrected_layer
from napari_unet_nuclei.gui.viewer.layers import METADATA_KEY
from napari_unet_nuclei.gui.viewer.nuclei_table import accepted_in
from napari_unet_nuclei.gui.viewer.reviewed_layer import PLANES_KEY, matrix, reviewed_layers, reviewed_mask
from napari_unet_nuclei.gui.viewer.shown import units_factors

if TYPE_CHECKING:
    from napari import Viewer


MOST_READ = 8
"""Planes of images outside memory that are kept after they were read."""

PlanePixels = tuple[AnyArray, LabelsArray, str]
"""Image, labels, and the axes of the image."""

Reader = Callable[["Plane"], PlanePixels]


@dataclass(frozen=True)
class Row:
    """One plane of corrected labels, with the image that they belong to.

    Attributes
    ----------
    labels : napari.layers.Labels or None
    image : napari.layers.Image or None
    plane : tuple of int or None
        Index along the leading axes of the labels; None for the plane that the viewer shows.
    """

    labels: Labels | None
    image: Image | None
    plane: Index | None = None

    def is_open(self, viewer: Viewer) -> bool:
        """Tell whether its layers are still in the viewer."""
        return all(layer is None or layer in viewer.layers for layer in (self.labels, self.image))


@dataclass(frozen=True)
class Plane:
    """A row whose layers fit, and whose plane is known.

    Attributes
    ----------
    corrected : CorrectedLayer
    index : tuple of int
        Along the leading axes of the labels.
    image : napari.layers.Image
    """

    corrected: CorrectedLayer
    index: Index
    image: Image

    @property
    def source(self) -> ImageSource:
        """The image of all planes."""
        under = self.corrected.image
        assert under is not None, "a row has an image"
        return next(iter(under.channels.values())).source

    @property
    def in_image(self) -> Index:
        """Index of the plane in the image."""
        return tuple(first + index for first, index in zip(self.corrected.first_pixel[:-2], self.index, strict=True))

    @property
    def position(self) -> str:
        """Where the plane lies in its image, for people; empty where there is only one."""
        letters = self.corrected.labels.source.leading_axes.lower()
        return ", ".join(f"{letter}={index}" for letter, index in zip(letters, self.in_image, strict=True))

    @property
    def name(self) -> str:
        """What its correction is called."""
        return f"{self.image.name} [{self.position}]" if self.index else self.image.name

    def overlaps(self, other: Plane) -> bool:
        """Tell whether two planes have pixels of one image in common."""
        same = self.image == other.image
        (first, size), (second, other_size) = self.area, other.area
        return same and all(
            one < another + length and another < one + other_length
            for one, another, length, other_length in zip(first, second, other_size, size, strict=True)
        )

    @property
    def area(self) -> tuple[Index, Index]:
        """Index in the image of the first pixel, and the numbers of pixels along the same axes."""
        size = self.corrected.labels.shape[-2:]
        return (*self.in_image, *self.corrected.first_pixel[-2:]), (*(1 for _ in self.in_image), *size)


def suggest_rows(viewer: Viewer) -> list[Row]:
    """Suggest the labels that lie on an image: every plane of them that was reviewed, or else the one that is shown."""
    rows: list[Row] = []
    for labels in (
        layer for layer in viewer.layers if isinstance(layer, Labels) and "classes" not in provenance(layer)
    ):
        image = image_for(viewer, labels)
        if image is not None:
            planes = sorted(_reviewed_planes(viewer, corrected_layer(labels, image)))
            rows += [Row(labels, image, plane) for plane in planes] or [Row(labels, image)]
    return rows


def image_for(viewer: Viewer, labels: Labels) -> Image | None:
    """Find the image that labels lie on: of several the one that they are named after, else the lowest."""
    fitting = [layer for layer in viewer.layers if isinstance(layer, Image) and _lies_on(labels, layer)]
    named = [image for image in fitting if labels.name.startswith(image.name)]
    return max(named, key=lambda image: len(image.name)) if named else next(iter(fitting), None)


def find_plane(row: Row, viewer: Viewer) -> Plane:
    """Take down where a row's plane is.

    Raises
    ------
    ImageShapeError
        If there are no labels or no image, they differ in size, or the plane is not on the screen.
    """
    if row.labels is None:
        raise ImageShapeError("Choose a labels layer: segment an image first, or paint nuclei in a new one.")
    if row.image is None:
        raise ImageShapeError(f"Choose the image that '{row.labels.name}' belongs to.")
    corrected = corrected_layer(row.labels, row.image)
    planes = corrected.plane_indices
    index = row.plane
    if index is None:
        index = corrected.shown_plane(viewer) if len(planes) > 1 else planes[0]
    if index is None:
        raise ImageShapeError(f"No plane of '{row.labels.name}' is shown: go to one in 2-D, or choose one.")
    if index not in planes:
        raise ImageShapeError(f"'{row.labels.name}' has no longer the plane that was chosen: choose another one.")
    return Plane(corrected, index, row.image)


def row_title(row: Row, viewer: Viewer) -> str:
    """Return what a row is called in the list."""
    name = "no labels" if row.labels is None else row.labels.name
    try:
        position = find_plane(row, viewer).position
    except ImageShapeError:
        position = ""
    return f"{name} · {position}" if position else name


def take_down(plane: Plane, viewer: Viewer, read: Reader) -> Correction:
    """Return a plane as it is now.

    Parameters
    ----------
    plane : Plane
    viewer : napari.Viewer
    read : callable
        `copied`, where everything is to stay as it is when the layers change; else `Pixels`.

    Raises
    ------
    NoSamplesError
        If nothing of the plane was reviewed.
    ImageShapeError
        If the pixels are no real numbers.
    """
    corrected, index = plane.corrected, plane.index
    reviewed = reviewed_mask(viewer, corrected.layer, index)
    if reviewed is None:
        raise NoSamplesError(
            f"Nothing of '{plane.name}' is marked as reviewed, so nothing of it can be trusted: tick 'whole plane', "
            "or draw round what you corrected."
        )
    image, labels, axes = read(plane)
    accepted = accepted_in(corrected, corrected.layer.features)
    y, x = corrected.first_pixel[-2:]
    correction = Correction(
        name=plane.name,
        image=image,
        axes=axes,
        labels=labels,
        reviewed=reviewed,
        accepted=tuple(nucleus for where, nucleus in accepted if where == index),
        pixel_size=corrected.pixel_size,
        origin=(y, x),
        channel=corrected.nuclei_channel,
        provenance={**corrected.provenance, PLANE: list(plane.in_image)},
    )
    return checked(correction)


def copied(plane: Plane) -> PlanePixels:
    """Return copies of image and labels."""
    image, labels, axes = _views(plane)
    return np.array(image), np.array(labels), axes


class Pixels:
    """Returns image and labels of planes as they are; images that are no arrays in memory are read once only."""

    def __init__(self) -> None:
        self._read: dict[tuple[object, ...], tuple[AnyArray, PlanePixels]] = {}

    def __call__(self, plane: Plane) -> PlanePixels:
        """Return image, labels and the image's axes."""
        array = plane.source.array
        if isinstance(array, np.ndarray):
            return _views(plane)
        key = (id(array), *plane.area)
        if key not in self._read:  # which keeps the array, so that no other one gets its id
            while len(self._read) >= MOST_READ:
                self._read.pop(next(iter(self._read)))
            self._read[key] = array, _views(plane)
        image, _, axes = self._read[key][1]
        return image, plane.corrected.view[plane.index], axes


def _views(plane: Plane) -> PlanePixels:
    labels = plane.corrected.view[plane.index]
    height, width = labels.shape
    image, axes = plane.corrected.pixels(plane.index, (0, height, 0, width))
    return image, labels, axes


def provenance(labels: Labels) -> Mapping[str, Any]:
    """Return what labels began as: the model and all settings; empty where they were not made here."""
    known: Mapping[str, Any] = labels.metadata.get(METADATA_KEY, {}).get("provenance", {})
    return known


def _lies_on(labels: Labels, image: Image) -> bool:
    """Tell whether labels fit an image and lie where it lies."""
    try:
        under = corrected_layer(labels, image).image
    except ImageShapeError:
        return False
    return under is not None and not under.displaced


def _reviewed_planes(viewer: Viewer, corrected: CorrectedLayer) -> set[Index]:
    """Find the planes of a stack that were marked, or drawn on with shapes that have a place along its leading axes."""
    planes = corrected.plane_indices
    if len(planes) < 2:
        return set()
    marked = set(corrected.layer.metadata.get(PLANES_KEY, ()))
    return (marked | set(_drawn_planes(viewer, corrected))) & set(planes)


def _drawn_planes(viewer: Viewer, corrected: CorrectedLayer) -> Iterator[Index]:
    labels = corrected.layer
    to_index = np.linalg.inv(matrix(labels))
    for shapes in reviewed_layers(viewer, labels):
        if shapes.ndim != labels.ndim:
            continue  # drawn on all planes alike
        units = units_factors(shapes, viewer.dims) / units_factors(labels, viewer.dims)
        through = to_index @ np.diag([*units, 1.0]) @ matrix(shapes)
        for corners in shapes.data:
            index = through @ np.append(np.mean(corners, axis=0), 1.0)
            yield tuple(np.rint(index[corrected.labels.place.order[:-2]]).astype(int).tolist())
