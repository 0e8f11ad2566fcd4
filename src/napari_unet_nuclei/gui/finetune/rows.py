"""Planes of open layers that a model can learn from: found, copied, and watched for changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Labels, Shapes
from qtpy.QtCore import QObject, Signal

from napari_unet_nuclei.core.corrections.correction import Correction
from napari_unet_nuclei.core.errors import ImageShapeError, NoSamplesError
from napari_unet_nuclei.core.types import AnyArray, Index
from napari_unet_nuclei.core.types import Labels as LabelsArray
from napari_unet_nuclei.gui.viewer.corrected_layer import CorrectedLayer, corrected_layer, correction_of
from napari_unet_nuclei.gui.viewer.layers import METADATA_KEY
from napari_unet_nuclei.gui.viewer.nuclei_table import accepted_in
from napari_unet_nuclei.gui.viewer.pairing import image_of, images_of_size
from napari_unet_nuclei.gui.viewer.reviewed_layer import PLANES_KEY, matrix, reviewed_layers, reviewed_mask
from napari_unet_nuclei.gui.viewer.view import units_factors
from napari_unet_nuclei.gui.widgets.rest_timer import rest_timer

if TYPE_CHECKING:
    from napari import Viewer


MOST_READ = 8
"""Planes of images outside memory that are cached."""

REST = 200
"""Milliseconds after the last change before layers are looked at again."""

PLACED = ("scale", "translate", "rotate", "shear", "affine", "units")
WATCHED = {
    Labels: ("data", "set_data", "paint", "metadata", "features", *PLACED),
    Shapes: ("data", "metadata", *PLACED),
    Image: ("data", *PLACED),
}
"""Events of layers that matter; napari's undo in labels emits only ``set_data``."""

PlanePixels = tuple[AnyArray, LabelsArray, str]
"""Image, labels, and the axes of the image."""

Reader = Callable[["Plane"], PlanePixels]


@dataclass(frozen=True)
class Row:
    """One plane of corrected labels, with the image that they belong to."""

    labels: Labels | None
    image: Image | None
    plane: Index | None = None
    """Index along the leading axes of the labels; None for the plane that the viewer shows."""

    def is_open(self, viewer: Viewer) -> bool:
        """Return whether its layers are still in the viewer."""
        return all(layer is None or layer in viewer.layers for layer in (self.labels, self.image))


@dataclass(frozen=True)
class Plane:
    """A row whose layers fit together and whose plane is known."""

    corrected: CorrectedLayer
    index: Index
    image: Image

    @property
    def in_image(self) -> Index:
        """Index of the plane in the image."""
        return self.corrected.image_index(self.index)

    @property
    def position(self) -> str:
        """Position of the plane in its image as text; empty where there is only one plane."""
        letters = self.corrected.labels.source.leading_axes.lower()
        return ", ".join(f"{letter}={index}" for letter, index in zip(letters, self.in_image, strict=True))

    @property
    def name(self) -> str:
        """Name of its correction."""
        return f"{self.image.name} [{self.position}]" if self.index else self.image.name

    def overlaps(self, other: Plane) -> bool:
        """Return whether two planes share pixels of one image."""
        # Labels of one image may begin at different pixels of it, or be of different planes.
        same = self.image == other.image
        (first, size), (second, other_size) = self.area, other.area
        return same and all(
            one < another + length and another < one + other_length
            for one, another, length, other_length in zip(first, second, other_size, size, strict=True)
        )

    @property
    def area(self) -> tuple[Index, Index]:
        """Index in the image of the first pixel, and the number of pixels along each axis."""
        size = self.corrected.labels.shape[-2:]
        return (*self.in_image, *self.corrected.first_pixel[-2:]), (*(1 for _ in self.in_image), *size)


def suggest_rows(viewer: Viewer) -> list[Row]:
    """Suggest all labels that lie on an image: every reviewed plane of them, or else the one that is shown.

    Where only the user can tell which of several images it is, the row has none.
    """
    rows: list[Row] = []
    for labels in (layer for layer in viewer.layers if isinstance(layer, Labels)):
        # Labels of classes of pixels are no nuclei.
        if "classes" in provenance(labels) or not any(_lies_on(labels, one) for one in images_of_size(viewer, labels)):
            continue
        image = image_of(viewer, labels)
        if image is None:
            rows.append(Row(labels, None))
        elif _lies_on(labels, image):
            planes = sorted(_recurrent_planes(viewer, corrected_layer(labels, image)))
            rows += [Row(labels, image, plane) for plane in planes] or [Row(labels, image)]
    return rows


def find_plane(row: Row, viewer: Viewer) -> Plane:
    """Find the plane of a row; raise `ImageShapeError` if its layers do not fit, or none is on the screen."""
    if row.labels is None:
        raise ImageShapeError("Choose a labels layer: segment an image first, or paint nuclei in a new one.")
    if row.image is None:
        raise ImageShapeError(f"Choose the image that '{row.labels.name}' belongs to: several have its size.")
    corrected = corrected_layer(row.labels, row.image)
    planes = corrected.plane_indices
    index = row.plane
    if index is None:
        index = corrected.shown_plane(viewer) if len(planes) > 1 else planes[0]
    if index is None:
        raise ImageShapeError(f"No plane of '{row.labels.name}' is shown: go to one in 2-D, or choose one.")
    if index not in planes:
        raise ImageShapeError(f"'{row.labels.name}' no longer has the plane that was chosen: choose another one.")
    return Plane(corrected, index, row.image)


def row_title(row: Row, viewer: Viewer) -> str:
    """Return the title of a row in the list."""
    name = "no labels" if row.labels is None else row.labels.name
    try:
        position = find_plane(row, viewer).position
    except ImageShapeError:
        position = ""
    return f"{name} · {position}" if position else name


def correction_of_plane(plane: Plane, viewer: Viewer, read: Reader) -> Correction:
    """Return the correction of a plane as it is now.

    Read with `copied`, later changes of the layers do not affect it; with `Pixels` they do. Raise `NoSamplesError` if
    nothing in the plane was reviewed.
    """
    corrected, index = plane.corrected, plane.index
    reviewed = reviewed_mask(viewer, corrected.layer, index)
    if reviewed is None:
        raise NoSamplesError(
            f"Nothing of '{plane.name}' is marked as reviewed, so none of it can be trusted: tick 'Whole plane', "
            "or draw around what you corrected."
        )
    image, labels, axes = read(plane)
    accepted = [nucleus for where, nucleus in accepted_in(corrected, corrected.layer.features) if where == index]
    return correction_of(corrected, index, plane.name, (image, axes), labels, reviewed, accepted)


def copied(plane: Plane) -> PlanePixels:
    """Return copies of image and labels."""
    image, labels, axes = _views(plane)
    return np.array(image), np.array(labels), axes


class Pixels:
    """Reads image and labels of planes without copying; images outside memory are read only once."""

    def __init__(self) -> None:
        self._read: dict[tuple[object, ...], tuple[AnyArray, PlanePixels]] = {}

    def __call__(self, plane: Plane) -> PlanePixels:
        """Return image, labels and the image's axes."""
        # Arrays in memory are read where they are; others may be slow files, and every change asks for them again.
        under = plane.corrected.image
        assert under is not None, "a row has an image"
        array = next(iter(under.channels.values())).source.array
        if isinstance(array, np.ndarray):
            return _views(plane)
        # The cache also keeps the array alive, so that no other one gets its id.
        key = (id(array), *plane.area)
        if key not in self._read:
            while len(self._read) >= MOST_READ:
                self._read.pop(next(iter(self._read)))
            self._read[key] = array, _views(plane)
        # The labels are in memory, and may have changed since.
        image, _, axes = self._read[key][1]
        return image, plane.corrected.view[plane.index], axes


def _views(plane: Plane) -> PlanePixels:
    labels = plane.corrected.view[plane.index]
    height, width = labels.shape
    image, axes = plane.corrected.pixels(plane.index, (0, height, 0, width))
    return image, labels, axes


def provenance(labels: Labels) -> Mapping[str, Any]:
    """Return the model and settings that labels were made with; empty where they come from elsewhere."""
    known: Mapping[str, Any] = labels.metadata.get(METADATA_KEY, {}).get("provenance", {})
    return known


def _lies_on(labels: Labels, image: Image) -> bool:
    """Return whether labels fit an image and lie in the same place."""
    try:
        under = corrected_layer(labels, image).image
    except ImageShapeError:
        return False
    return under is not None and not under.displaced


def _recurrent_planes(viewer: Viewer, corrected: CorrectedLayer) -> set[Index]:
    """Find the planes of a stack that were marked, or drawn on with shapes that lie in a single plane."""
    planes = corrected.plane_indices
    if len(planes) < 2:
        return set()
    marked = set(corrected.layer.metadata.get(PLANES_KEY, ()))
    return (marked | set(_drawn_planes(viewer, corrected))) & set(planes)


def _drawn_planes(viewer: Viewer, corrected: CorrectedLayer) -> Iterator[Index]:
    labels = corrected.layer
    to_index = np.linalg.inv(matrix(labels))
    for shapes in reviewed_layers(viewer, labels):
        # Shapes with fewer axes are drawn on all planes at once.
        if shapes.ndim != labels.ndim:
            continue
        # From pixels of the shapes to the world in their units, to the units of the labels, and to pixels of those.
        units = units_factors(shapes, viewer.dims) / units_factors(labels, viewer.dims)
        through = to_index @ np.diag([*units, 1.0]) @ matrix(shapes)
        for corners in shapes.data:
            # A shape lies in one plane, so that the middle of its corners tells which, up to rounding errors.
            index = through @ np.append(np.mean(corners, axis=0), 1.0)
            yield tuple(np.rint(index[corrected.labels.place.order[:-2]]).astype(int).tolist())


class LayerWatch(QObject):
    """Notice layers that are added, removed or changed, and other planes being shown."""

    stirred = Signal()
    """Something has changed, and more changes may follow."""

    rested = Signal()
    """Nothing has changed for `REST`."""

    def __init__(self, viewer: Viewer, parent: QObject) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._known: set[object] = set()
        self._rest = rest_timer(self, self._look, REST)
        layers = viewer.layers.events
        for event in (layers.inserted, layers.removed, layers.reordered, layers.renamed):
            event.connect(self.stir)
        for event in (viewer.dims.events.current_step, viewer.dims.events.ndisplay):
            event.connect(self.stir)
        self._listen()

    @property
    def is_stirred(self) -> bool:
        """True while more changes may follow."""
        return self._rest.isActive()

    def stir(self, _event: Any = None) -> None:
        """Announce a change."""
        self._rest.start()
        self.stirred.emit()

    def _look(self) -> None:
        self._listen()
        self.rested.emit()

    def _listen(self) -> None:
        # By their unique ids: references would keep layers alive that were removed.
        for layer in self._viewer.layers:
            names = next((names for kind, names in WATCHED.items() if isinstance(layer, kind)), ())
            if layer.unique_id not in self._known:
                self._known.add(layer.unique_id)
                for name in names:
                    layer.events[name].connect(self.stir)
