"""Reads one labelled image so that a network sees it in training as it will when it segments."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_unet_nuclei.core.classes.coding import VOID, ClassCoding
from napari_unet_nuclei.core.errors import DatasetError, ImageFileError, ImageShapeError
from napari_unet_nuclei.core.image.axes import ImageSource
from napari_unet_nuclei.core.image.io.image_file import ImageFile
from napari_unet_nuclei.core.image.io.read import read_class_image, read_image
from napari_unet_nuclei.core.image.kind import ChosenKind, NetworkInputs, looks_by_labels, possible_looks
from napari_unet_nuclei.core.image.plane import ImageKind, PlaneLook, PlaneReader
from napari_unet_nuclei.core.image.sample import PlaneSample
from napari_unet_nuclei.core.labels.decode import fill_holes, label_components
from napari_unet_nuclei.core.labels.numbering import as_ids, whole_labels
from napari_unet_nuclei.core.model.card import ModelCard
from napari_unet_nuclei.core.segment.remedy import KIND_NAMES
from napari_unet_nuclei.core.train.layouts import Entry
from napari_unet_nuclei.core.types import Image, Labels, Mask, Region

SEAM_PIXELS = 4
SEAM_SHARE = 0.05
"""Two masks may share this many pixels, or this share of the smaller nucleus: a seam that both outlines cover. The
smaller nucleus gets it. Masks that share more are wrong."""


FITTING = 0.4
"""Standard deviations by which nuclei are at least brighter than what lies round them where labels fit an image. Of
188 crops of four data sets the least was 0.69; with labels moved by half an image, the median was 0 to 0.2."""

FIT_NEITHER = (
    "its labelled nuclei are no brighter than what lies round them, whichever way the image is read: labels and image "
    "may not belong together"
)


@dataclass(frozen=True)
class InputForm:
    """How images are read for a network, and what the labels say.

    Attributes
    ----------
    inputs : NetworkInputs
        What the network takes in.
    channel : int or str, optional
        The channel with the nuclei, by number or name, where images have several; found by its name where not given.
    percentiles : tuple of float
        Intensities that become 0 and 1.
    classes : ClassCoding, optional
        How the labels tell the class of every pixel; where not given, they tell nuclei apart.
    kind : {"auto", "fluorescence", "brightfield"}
        Kind of all images; told by each image's labels unless said. Images for classes are read as they are.
    """

    inputs: NetworkInputs = field(default_factory=NetworkInputs)
    channel: int | str | None = None
    percentiles: tuple[float, float] = (1.0, 99.8)
    classes: ClassCoding | None = None
    kind: ChosenKind = "auto"

    @staticmethod
    def of_model(card: ModelCard, channel: int | str | None = None) -> InputForm:
        """Return what the model of this card takes."""
        return InputForm(card.network_inputs, channel, card.percentiles)

    @property
    def channels(self) -> int:
        """Input channels of the network."""
        return len(self.inputs.names) or self.inputs.channels


@dataclass(frozen=True)
class LabelsRead:
    """Labels of one image, and what was found out while reading both.

    Attributes
    ----------
    labels : ndarray, shape (Y, X), int32
        0 background, nuclei 1..n without holes; or class ids, 0 where there is none.
    from_mask : bool
        The file held no ids: connected pieces were taken as nuclei.
    shared_pixels : int
        Pixels that lay in two masks.
    reviewed : ndarray of bool, shape (Y, X), or None
        Where pixels have a class; None means everywhere.
    """

    labels: Labels
    from_mask: bool = False
    shared_pixels: int = 0
    reviewed: Mask | None = None


@dataclass(frozen=True)
class ImageRead:
    """One image as a network learns from it.

    Attributes
    ----------
    image : ndarray, shape (C, Y, X), float32
        Normalised as when segmenting, nuclei bright; for classes as bright as it is.
    kind : {"fluorescence", "brightfield"}
    picture : ndarray, shape (3, Y, X), uint8, or None
        Red, green and blue, 255 for white, where stains were separated: training varies them.
    doubt : str
        Why labels and image may not belong together, or the image may be read wrongly; empty where all is well.
    """

    image: Image
    kind: ImageKind
    picture: NDArray[np.uint8] | None = None
    doubt: str = ""

    @staticmethod
    def of(reader: PlaneReader, doubt: str = "") -> ImageRead:
        """Read all of a plane."""
        look = reader.look
        picture = None
        if look.stained:
            pixels = [reader.source.read(reader.index, channel, reader.region) for channel in look.channels]
            shares = np.nan_to_num(np.stack(pixels)) * (255 / look.white)
            picture = np.clip(np.rint(shares), 0, 255).astype(np.uint8)
        return ImageRead(reader.read((0, reader.shape[0], 0, reader.shape[1])), look.kind, picture, doubt)


@dataclass(frozen=True)
class LabelledReading:
    """How a labelled image is read.

    Attributes
    ----------
    look : PlaneLook
    doubt : str
        Why that may be wrong, to go on a sentence after the image's name; empty where all is well.
    """

    look: PlaneLook
    doubt: str = ""


def read_by_labels(
    plane: PlaneSample,
    labels: Labels,
    form: InputForm,
    *,
    segmented: ImageKind | None = None,
    window: Region | None = None,
) -> LabelledReading:
    """Choose how a labelled image is read, and see whether labels, picture and what was said of it agree.

    Parameters
    ----------
    plane : PlaneSample
        All of the plane.
    labels : ndarray, shape (Y, X), int
        Of the window.
    form : InputForm
        Its kind, where one is chosen, is obeyed.
    segmented : {"fluorescence", "brightfield"}, optional
        How the image was read when it was segmented; what its picture says alone where not given.
    window : Region, optional
        The labelled part of the plane; all of it where not given.

    Raises
    ------
    ImageShapeError
        If the image has other channels than the network takes.
    """
    best, *_ = looks_by_labels(plane, labels, form.channel, "auto", form.inputs, window)
    if form.kind == "auto":
        taken = best
    else:
        taken, *_ = looks_by_labels(plane, labels, form.channel, form.kind, form.inputs, window)
    if best.contrast is None or taken.contrast is None:
        return LabelledReading(taken.look)
    by_labels, kind = KIND_NAMES[best.look.kind], taken.look.kind
    if best.contrast < FITTING:
        return LabelledReading(taken.look, FIT_NEITHER)
    if taken.contrast < FITTING:
        return LabelledReading(taken.look, f"it is to be read as {KIND_NAMES[kind]}, but its labels say {by_labels}")
    if form.kind != "auto":
        return LabelledReading(taken.look)
    if segmented is not None and segmented != kind:
        return LabelledReading(
            taken.look, f"it was segmented as {KIND_NAMES[segmented]}, but its labels say {by_labels}"
        )
    looks = possible_looks(plane, form.channel, "auto", form.inputs)
    if segmented is None and kind not in {look.kind for look in looks}:
        seen = KIND_NAMES[looks[0].kind]
        return LabelledReading(taken.look, f"its picture looks like {seen}, but its labels say {by_labels}")
    return LabelledReading(taken.look)


def read_pair(entry: Entry, form: InputForm) -> tuple[ImageRead, LabelsRead]:
    """Read image and labels.

    Raises
    ------
    DatasetError
        If a file cannot be read, image and labels differ in size, or masks overlap; the message names the file.
    """
    try:
        source, index = open_image(entry.image, form)
        plane = PlaneSample.whole(source, index)
        if form.classes is not None:
            found = _classes(entry, source.plane_shape, form.classes)
            [look, *_] = possible_looks(plane, form.channel, "fluorescence", form.inputs)
            reading = LabelledReading(look)
        else:
            found = (_stacked_masks if entry.one_mask_per_nucleus else _label_image)(entry, source.plane_shape)
            reading = read_by_labels(plane, found.labels, form)
        return ImageRead.of(plane.open(reading.look, form.percentiles), reading.doubt), found
    except (ImageFileError, ImageShapeError) as error:
        raise DatasetError(f"The data set cannot be used: {entry.image}: {error}") from error


def open_image(path: Path, form: InputForm) -> tuple[ImageSource, tuple[int, ...]]:
    """Open an image, and tell the index of its only plane.

    Raises
    ------
    ImageFileError
        If it cannot be read.
    ImageShapeError
        If it has several planes.
    """
    file = read_image(path)
    channels = 1 if form.inputs.names else form.channels  # planes of a stack are no signals of one channel
    return _single_plane(path, file.source(), channels)


def count_channels(path: Path) -> int:
    """Tell how many channels an image has; red, green and blue are three.

    Raises
    ------
    DatasetError
        If the file cannot be read.
    """
    try:
        file = read_image(path)
        return ImageSource(file.array, file.axes).channels
    except (ImageFileError, ImageShapeError) as error:
        raise DatasetError(f"The data set cannot be used: {error}") from error


def _single_plane(path: Path, source: ImageSource, channels: int) -> tuple[ImageSource, tuple[int, ...]]:
    """Return the image and the index of its only plane; planes may be channels that the file does not call so."""
    long = [axis for axis, length in enumerate(source.leading_shape) if length > 1]
    if long and source.channels == 1 and source.leading_shape == (channels,):
        return ImageSource(source.array, source.axes.replace(source.leading_axes, "C")), ()
    if long:
        raise ImageShapeError(f"{path} has {source.leading_shape} planes: save every plane as an image of its own.")
    return source, (0,) * len(source.leading_shape)


def _classes(entry: Entry, shape: tuple[int, ...], coding: ClassCoding) -> LabelsRead:
    """Read the class of every pixel; nuclei in masks of their own are one class, the rest another."""
    if entry.one_mask_per_nucleus:
        masks = (_read_mask(path, shape, entry.image) for path in entry.labels)
        return LabelsRead(np.any(list(masks), axis=0).astype(np.int32))
    [path] = entry.labels
    source, index = _partner(path, read_class_image(path), shape, entry.image)
    try:
        ids = coding.ids([source.read(index, channel) for channel in range(source.channels)])
    except ImageShapeError as error:
        raise ImageShapeError(f"{path}: {error}") from error
    known = ids != VOID
    return LabelsRead(np.where(known, ids, 0).astype(np.int32), reviewed=None if known.all() else known)


def _label_image(entry: Entry, shape: tuple[int, ...]) -> LabelsRead:
    """Read one label image, or a mask of all nuclei."""
    [path] = entry.labels
    ids = _read_plane(path, shape, entry.image)
    try:
        labels = whole_labels(as_ids(ids))
    except ImageShapeError as error:
        raise ImageShapeError(f"{path}: {error}") from error
    pieces, count = label_components(labels > 0) if labels.max(initial=0) == 1 else (labels, 0)
    # A single nucleus in one piece is as well described by a mask as by an id.
    return LabelsRead(fill_holes(pieces), from_mask=count > 1)


def _stacked_masks(entry: Entry, shape: tuple[int, ...]) -> LabelsRead:
    """Put the masks of single nuclei into one label image, largest first."""
    masks = [(path, _read_mask(path, shape, entry.image)) for path in entry.labels]
    masks.sort(key=lambda one: -np.count_nonzero(one[1]))
    labels = np.zeros(shape, np.int32)
    shared_pixels = 0
    for number, (path, mask) in enumerate(masks, start=1):
        shared = np.bincount(labels[mask], minlength=1)
        tolerated = max(SEAM_PIXELS, SEAM_SHARE * shared.sum())
        for other in np.flatnonzero(shared[1:]) + 1:
            if shared[other] > tolerated:
                raise DatasetError(
                    f"{path} and {masks[other - 1][0].name} overlap in {shared[other]} pixels: "
                    "a pixel belongs to one nucleus. Correct one of the masks."
                )
        shared_pixels += int(shared[1:].sum())
        labels[mask] = number
    return LabelsRead(fill_holes(whole_labels(labels)), shared_pixels=shared_pixels)


def _read_mask(path: Path, shape: tuple[int, ...], image: Path) -> Mask:
    """Read the mask of one nucleus: what is brighter than half of its brightest pixel."""
    values = _read_plane(path, shape, image)
    return np.asarray(values > values.max(initial=0) / 2)


def _read_plane(path: Path, shape: tuple[int, ...], image: Path) -> NDArray[np.floating]:
    """Read the only plane of labels or a mask, which some programs save as a grey picture in colours."""
    source, index = _partner(path, read_image(path), shape, image)
    first, *others = (source.read(index, channel) for channel in range(source.channels))
    if not all(np.array_equal(first, other) for other in others):
        raise ImageShapeError(f"{path} has colours or channels: labels have one number for each pixel.")
    return first


def _partner(path: Path, file: ImageFile, shape: tuple[int, ...], image: Path) -> tuple[ImageSource, tuple[int, ...]]:
    """Return labels or a mask with the index of their only plane, which must be as large as the image."""
    source, index = _single_plane(path, ImageSource(file.array, file.axes), channels=1)
    if source.plane_shape != shape:
        raise DatasetError(
            f"{image} is {shape[0]} × {shape[1]} pixels (rows × columns), and {path} is "
            f"{source.plane_shape[0]} × {source.plane_shape[1]}: they do not belong together."
        )
    return source, index
