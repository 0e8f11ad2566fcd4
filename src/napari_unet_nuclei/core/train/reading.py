"""Read labels, and choose how to read their image, exactly as the engine will when segmenting."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from napari_unet_nuclei.core.classes.coding import VOID, ClassCoding
from napari_unet_nuclei.core.errors import DatasetError, ImageFileError, ImageShapeError
from napari_unet_nuclei.core.image.axes import ImageSource
from napari_unet_nuclei.core.image.io import label_file
from napari_unet_nuclei.core.image.io.image_file import ImageFile
from napari_unet_nuclei.core.image.io.read import read_class_image, read_image, read_label_image
from napari_unet_nuclei.core.image.kind import ChosenKind, NetworkInputs, looks_by_labels, possible_looks
from napari_unet_nuclei.core.image.plane import ImageKind, PlaneLook
from napari_unet_nuclei.core.image.sample import PlaneSample
from napari_unet_nuclei.core.labels.holes import fill_holes
from napari_unet_nuclei.core.labels.numbering import as_ids, whole_labels
from napari_unet_nuclei.core.model.card import ModelCard
from napari_unet_nuclei.core.segment.remedy import KIND_NAMES
from napari_unet_nuclei.core.train.layouts import Entry
from napari_unet_nuclei.core.types import Labels, Mask, Region

SEAM_PIXELS = 4
SEAM_SHARE = 0.05
"""Two masks may overlap by this many pixels, or by this share of the smaller nucleus: a seam covered by both outlines,
which the smaller nucleus gets. A larger overlap is an error in the masks."""

FITTING = 0.4
"""Least contrast between nuclei and their surroundings, in standard deviations, for labels to match an image. The
smallest of 188 crops of four data sets (those of `finetune.rehearsal`) was 0.69; with labels shifted by half an image
the median was 0 to 0.2."""

FIT_NEITHER = (
    "its labelled nuclei are no brighter than their surroundings, whichever way the image is read: labels and image "
    "may not belong together"
)


@dataclass(frozen=True)
class InputForm:
    """How to read images and labels for a network."""

    inputs: NetworkInputs = field(default_factory=NetworkInputs)
    channel: int | str | None = None  # number or name of the channel with the nuclei; found by name by default
    percentiles: tuple[float, float] = (1.0, 99.8)  # intensities mapped to 0 and 1
    # How labels encode the class of every pixel; by default, labels are ids of nuclei.
    classes: ClassCoding | None = None
    kind: ChosenKind = "auto"  # of all images; by default, what the labels of each support; ignored for classes

    @staticmethod
    def of_model(card: ModelCard, channel: int | str | None = None) -> InputForm:
        """Return the form that the model of a card reads; raise ModelFileError for one that cannot be trained."""
        _ = card.trainable  # before anything is read
        return InputForm(card.network_inputs, channel, card.percentiles)

    @property
    def channels(self) -> int:
        """Number of input channels of the network."""
        return len(self.inputs.names) or self.inputs.channels


@dataclass(frozen=True)
class LabelsRead:
    """Labels of one image, and observations made while reading them."""

    labels: Labels  # (Y, X), int32: 0 background, nuclei 1..n without holes; or class ids, 0 for pixels without a class
    from_mask: bool = False  # the file held no ids, so connected pieces were taken as nuclei
    shared_pixels: int = 0  # covered by two masks
    reviewed: Mask | None = None  # (Y, X), pixels that have a class; None means all
    notices: tuple[str, ...] = ()  # what may be wrong about the file


def read_by_labels(
    plane: PlaneSample,
    labels: Labels,
    form: InputForm,
    *,
    segmented: ImageKind | None = None,
    window: Region | None = None,
) -> tuple[PlaneLook, str]:
    """Choose how to read a labelled image, and say why that may be wrong, in words that continue a sentence naming it.

    The ``labels`` are those of the ``window``, by default the whole plane. ``segmented`` is the kind that the image was
    segmented as; by default, any kind that its intensities allow raises no doubt. A kind in ``form`` other than "auto"
    is obeyed. Raises `ImageShapeError` if the image lacks channels that the network needs.
    """
    best, *_ = looks_by_labels(plane, labels, form.channel, "auto", form.inputs, window)
    if form.kind == "auto":
        taken = best
    else:
        # Both, since a kind chosen by hand is obeyed but doubted if the labels contradict it.
        taken, *_ = looks_by_labels(plane, labels, form.channel, form.kind, form.inputs, window)
    # Without nuclei, or without background, labels say nothing about the kind.
    if best.contrast is None or taken.contrast is None:
        return taken.look, ""
    by_labels, kind = KIND_NAMES[best.look.kind], taken.look.kind
    if best.contrast < FITTING:
        return taken.look, FIT_NEITHER
    if taken.contrast < FITTING:
        return taken.look, f"it is set to {KIND_NAMES[kind]}, but its labels say {by_labels}"
    if form.kind != "auto":
        return taken.look, ""
    if segmented is not None and segmented != kind:
        return taken.look, f"it was segmented as {KIND_NAMES[segmented]}, but its labels say {by_labels}"
    # Labels outvote intensities, but the user should know: segmenting has no labels, and would read it otherwise.
    looks = possible_looks(plane, form.channel, "auto", form.inputs)
    if segmented is None and kind not in {look.kind for look in looks}:
        seen = KIND_NAMES[looks[0].kind]
        return taken.look, f"it looks like {seen}, but its labels say {by_labels}"
    return taken.look, ""


def read_labels(entry: Entry, source: ImageSource, coding: ClassCoding | None) -> list[LabelsRead]:
    """Read the labels of every plane of an image: classes if there is a coding, otherwise nuclei."""
    if entry.one_mask_per_nucleus:
        if math.prod(source.leading_shape) > 1:
            raise ImageShapeError(f"{entry.image} has several planes: give one label image, and not masks of nuclei.")
        return [_united_masks(entry, source) if coding is not None else _stacked_masks(entry, source)]
    return _label_image(entry, source) if coding is None else _classes(entry, source, coding)


def open_image(path: Path, form: InputForm) -> tuple[ImageSource, tuple[str, ...]]:
    """Open an image, and say what of its file is not read; raise `ImageFileError` if it is unreadable.

    Planes without a name are taken as channels if their number fits.
    """
    file = read_image(path)
    source, told = file.source(), tuple(f"{path}: {remark}" for remark in file.remarks)
    # A network of named signals derives them all from one picture: the planes of a stack cannot be its channels.
    channels = 1 if form.inputs.names else form.channels
    if source.channels == 1 and max(source.leading_shape, default=1) > 1 and source.leading_shape == (channels,):
        return ImageSource(source.array, source.axes.replace(source.leading_axes, "C")), told
    return source, told


def count_channels(path: Path) -> int:
    """Count the channels of an image, RGB as three; raise `DatasetError` if it is unreadable."""
    try:
        file = read_image(path)
        return ImageSource(file.array, file.axes).channels
    except (ImageFileError, ImageShapeError) as error:
        raise DatasetError(f"The data set cannot be used: {error}") from error


def _classes(entry: Entry, image: ImageSource, coding: ClassCoding) -> list[LabelsRead]:
    """Read the class of every pixel."""
    [path] = entry.labels
    source = _partner(path, read_class_image(path, exact=not coding.binary), image, entry.image)
    found = []
    for index in source.plane_indices():
        try:
            ids = coding.ids([source.read(index, channel) for channel in range(source.channels)])
        except ImageShapeError as error:
            raise ImageShapeError(f"{path}: {error}") from error
        known = ids != VOID
        found.append(LabelsRead(np.where(known, ids, 0).astype(np.int32), reviewed=None if known.all() else known))
    return found


def _united_masks(entry: Entry, image: ImageSource) -> LabelsRead:
    """Make class 1 of the masks of single nuclei together; the rest is class 0."""
    masks = (_read_mask(path, image, entry.image) for path in entry.labels)
    return LabelsRead(np.any(list(masks), axis=0).astype(np.int32))


def _label_image(entry: Entry, image: ImageSource) -> list[LabelsRead]:
    """Read one label image, or one mask of all nuclei, plane by plane."""
    [path] = entry.labels
    # Axes of length 1 are how some programs save a single plane.
    is_stack = math.prod(image.leading_shape) > 1
    found = label_file.read_labels(path, label_file.size_of(image) if is_stack else ("YX", image.plane_shape))
    source = _partner(path, found.file, image, entry.image)
    # Masks are told once for all files of a data set.
    notices = () if found.from_mask else found.notices
    planes: list[LabelsRead] = []
    for index in source.plane_indices():
        try:
            labels = whole_labels(as_ids(source.stored(index)))
        except ImageShapeError as error:
            raise ImageShapeError(f"{path}: {error}") from error
        planes.append(LabelsRead(fill_holes(labels), from_mask=found.from_mask, notices=() if planes else notices))
    return planes


def _stacked_masks(entry: Entry, image: ImageSource) -> LabelsRead:
    """Combine the masks of single nuclei into one label image, the largest first, so that smaller ones win seams."""
    masks = [(path, _read_mask(path, image, entry.image)) for path in entry.labels]
    masks.sort(key=lambda one: -np.count_nonzero(one[1]))
    labels = np.zeros(image.plane_shape, np.int32)
    shared_pixels = 0
    for number, (path, mask) in enumerate(masks, start=1):
        # The nuclei already drawn below this mask, by number; [0] is what is still free.
        shared = np.bincount(labels[mask], minlength=1)
        tolerated = max(SEAM_PIXELS, SEAM_SHARE * shared.sum())
        for other in np.flatnonzero(shared[1:]) + 1:
            if shared[other] > tolerated:
                raise DatasetError(
                    f"{path} and {masks[other - 1][0].name} overlap in {shared[other]} pixels, but a pixel belongs to "
                    "one nucleus only. Correct one of the masks."
                )
        shared_pixels += int(shared[1:].sum())
        labels[mask] = number
    return LabelsRead(fill_holes(whole_labels(labels)), shared_pixels=shared_pixels)


def _read_mask(path: Path, image: ImageSource, image_path: Path) -> Mask:
    """Read the mask of one nucleus, thresholded at half of its maximum."""
    source = _partner(path, read_label_image(path), image, image_path)
    values = source.stored((0,) * len(source.leading_shape))
    # Masks may be stored as 0 and 1, 0 and 255, or with compressed, soft edges.
    return np.asarray(values > values.max(initial=0) / 2)


def _partner(path: Path, file: ImageFile, image: ImageSource, image_path: Path) -> ImageSource:
    """Return labels or a mask; raise if their size is not that of the image."""
    source = ImageSource(file.array, file.axes)
    # Axes of length 1 are how some programs save a single plane.
    planes, wanted = ([n for n in one.leading_shape if n > 1] for one in (source, image))
    if source.plane_shape != image.plane_shape or planes != wanted:
        sizes = (
            " × ".join(str(length) for length in (*leading, *one.plane_shape))
            for leading, one in ((wanted, image), (planes, source))
        )
        of_image, of_labels = sizes
        kind = "planes × rows × columns" if planes or wanted else "rows × columns"
        raise DatasetError(
            f"{image_path} is {of_image} pixels ({kind}), but {path} is {of_labels}. They do not belong together."
        )
    return source
