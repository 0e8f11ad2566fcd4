"""Compare predicted label files with true ones: the verb behind ``evaluate``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from napari_unet_nuclei.core.arguments import checked
from napari_unet_nuclei.core.classes.coding import ClassCoding, ClassCounts, count_classes, pool_classes
from napari_unet_nuclei.core.errors import ImageFileError, ImageShapeError
from napari_unet_nuclei.core.files.regular import is_folder
from napari_unet_nuclei.core.image.axes import ImageSource
from napari_unet_nuclei.core.image.io.image_file import ImageFile
from napari_unet_nuclei.core.image.io.label_file import read_label_pair
from napari_unet_nuclei.core.image.io.pairs import label_files, plain_stem
from napari_unet_nuclei.core.image.io.read import read_class_image
from napari_unet_nuclei.core.image.io.series import Place, choose_in_step
from napari_unet_nuclei.core.labels.metrics.comparison import LabelComparison, Scores, compare_labels, mean_scores, pool
from napari_unet_nuclei.core.labels.numbering import as_ids
from napari_unet_nuclei.core.progress import Advanced, Notice, Progress, Silent

Result = TypeVar("Result")


@dataclass(frozen=True)
class ComparedImage:
    """One predicted label image compared with the true one.

    Attributes
    ----------
    name : str
        Common part of the two file names.
    comparison : LabelComparison
        Of a stack, the sum over its planes.
    """

    name: str
    comparison: LabelComparison


@dataclass(frozen=True)
class Evaluation:
    """How well predicted labels agree with true ones.

    Attributes
    ----------
    images : tuple of ComparedImage
        Sorted by name, at least one.
    problems : tuple of str
        Files that could not be compared, each with the reason.
    """

    images: tuple[ComparedImage, ...]
    problems: tuple[str, ...] = ()

    @cached_property
    def total(self) -> LabelComparison:
        """Sum over all images."""
        return pool(image.comparison for image in self.images)

    @property
    def pooled(self) -> Scores:
        """Scores of all images pooled: every nucleus, or every pixel, weighs the same."""
        return self.total.scores

    @property
    def per_image(self) -> Scores:
        """Mean scores of the images: every image weighs the same."""
        return mean_scores([image.comparison.scores for image in self.images])


@dataclass(frozen=True)
class ComparedClasses:
    """Predicted classes of one image compared with the true ones.

    Attributes
    ----------
    name : str
        Common part of the two file names.
    counts : ClassCounts
        Of a stack, the sum over its planes.
    """

    name: str
    counts: ClassCounts


@dataclass(frozen=True)
class ClassEvaluation:
    """How well predicted classes agree with true ones.

    Attributes
    ----------
    images : tuple of ComparedClasses
        Sorted by name, at least one.
    problems : tuple of str
        Files that could not be compared, each with the reason.
    """

    images: tuple[ComparedClasses, ...]
    problems: tuple[str, ...] = ()

    @cached_property
    def total(self) -> ClassCounts:
        """Sum over all images: every pixel weighs the same."""
        return pool_classes(image.counts for image in self.images)


@checked
def evaluate(
    predictions: Path | str, labels: Path | str, progress: Progress | None = None, *, series: int | str = ""
) -> Evaluation:
    """Compare predicted labels with true ones, file by file.

    Parameters
    ----------
    predictions, labels : Path or str
        Two files of labels, or two folders whose files have matching names (``a.tif``, ``a_labels.tif`` or
        ``a_cp_masks.png`` for ``a.png``, subfolders included). ImageJ ROIs and GeoJSON are labels too. Stacks are
        compared plane by plane.
    progress : Progress, optional
        Receives an event per file.
    series : int or str
        Which image to take from files that hold several: its number from 0, its name, or ``"all"``; by default all
        where they are alike, and otherwise the first.

    Returns
    -------
    Evaluation
        Files without a partner, or that do not fit it, are listed as problems; the others are compared.

    Raises
    ------
    ImageFileError
        If no files could be compared; the message says why.

    Examples
    --------
    >>> from napari_unet_nuclei import evaluate, fluorescent_nuclei, write_labels
    >>> true = fluorescent_nuclei(shape=(160, 160), count=12).labels
    >>> write_labels("true.tif", true)
    >>> write_labels("found.tif", true * (true != 1))  # one nucleus was missed
    >>> evaluation = evaluate("found.tif", "true.tif")
    >>> float(evaluation.pooled.f1[0]) < 1.0, evaluation.problems
    (True, ())
    """
    shown = progress or Silent()

    def compare(predicted: Place, true: Place) -> LabelComparison:
        return compare_files(predicted[0], true[0], shown, (predicted[1], true[1]))

    compared, problems = _compare_all(Path(predictions), Path(labels), compare, str(series), shown)
    return Evaluation(tuple(ComparedImage(name, comparison) for name, comparison in compared), problems)


@checked
def evaluate_classes(
    predictions: Path | str,
    labels: Path | str,
    coding: ClassCoding | None = None,
    progress: Progress | None = None,
    *,
    series: int | str = "",
) -> ClassEvaluation:
    """Compare predicted classes of pixels with true ones, file by file.

    Parameters
    ----------
    predictions, labels : Path or str
        Images of class ids, as files or folders like those of `evaluate`.
    coding : ClassCoding, optional
        How the true labels store classes. Predictions are read the same way; one of a single channel needs none named.
    progress : Progress, optional
        Receives an event per file.
    series : int or str
        As for `evaluate`.

    Returns
    -------
    ClassEvaluation

    Raises
    ------
    ImageFileError
        If no files could be compared; the message says why.

    Examples
    --------
    >>> from napari_unet_nuclei import evaluate_classes, write_class_set
    >>> write_class_set("cells", images=1, shape=(64, 64))
    >>> evaluate_classes("cells/labels", "cells/labels").total.mean_iou
    1.0
    """

    def compare(predicted: Place, true: Place) -> ClassCounts:
        return compare_class_files(predicted, true, coding or ClassCoding())

    compared, problems = _compare_all(Path(predictions), Path(labels), compare, str(series), progress or Silent())
    return ClassEvaluation(tuple(ComparedClasses(name, counts) for name, counts in compared), problems)


def _compare_all(
    predictions: Path, labels: Path, compare: Callable[[Place, Place], Result], series: str, progress: Progress
) -> tuple[list[tuple[str, Result]], tuple[str, ...]]:
    """Compare all pairs of files; return the results with names, and the problems of the other files."""
    pairs, problems = _pair(predictions, labels)
    compared = []
    for number, (name, (predicted, true)) in enumerate(sorted(pairs.items())):
        progress.report(Advanced(number / len(pairs), f"comparing {name}"))
        try:
            chosen, notices = choose_in_step([predicted, true], series)
            for notice in notices:
                progress.report(Notice(notice, warning=True))
            compared += [(f"{name} [{one.name}]" if one.name else name, compare(*one.places)) for one in chosen]
        except (ImageFileError, ImageShapeError) as error:
            problems.append(str(error))
    progress.report(Advanced(1.0, f"{len(compared)} images compared"))
    if not compared:
        raise ImageFileError("Nothing could be compared. " + " ".join(problems))
    return compared, tuple(problems)


def compare_files(
    predicted: Path, true: Path, progress: Progress | None = None, series: tuple[int | None, int | None] = (None, None)
) -> LabelComparison:
    """Compare two label files; stacks plane by plane. What may be wrong about outlines is reported as a warning.

    Raises
    ------
    ImageFileError
        If a file cannot be read.
    ImageShapeError
        If a file holds no labels, or the shapes differ.
    """
    files = read_label_pair(predicted, true, series)
    for notice in (notice for one in files for notice in one.notices):
        (progress or Silent()).report(Notice(notice, warning=True))
    sources = [_labels_source(one.file) for one in files]
    return pool(
        compare_labels(_ids(true, sources[1], true_index), _ids(predicted, sources[0], predicted_index))
        for predicted_index, true_index in _planes(predicted, true, sources)
    )


def compare_class_files(predicted: Place, true: Place, coding: ClassCoding) -> ClassCounts:
    """Compare two files of class ids; stacks plane by plane.

    Raises
    ------
    ImageFileError
        If a file cannot be read.
    ImageShapeError
        If a file holds no class ids, or the shapes differ.
    """
    files = [read_class_image(*place, exact=not coding.binary) for place in (predicted, true)]
    sources = [ImageSource(file.array, file.axes) for file in files]
    if coding.channel is not None and all(source.channels == 1 for source in sources):
        raise ImageShapeError(
            f"{true[0]} has one channel only, so choosing {coding.channel} has no effect: leave the label channel out."
        )
    # The channel is that of the true labels; predictions written by this program have only one.
    own = coding if sources[0].channels > 1 else replace(coding, channel=None)
    return pool_classes(
        count_classes(
            _class_ids(true[0], sources[1], true_index, coding),
            _class_ids(predicted[0], sources[0], predicted_index, own),
        )
        for predicted_index, true_index in _planes(predicted[0], true[0], sources)
    )


def _planes(
    predicted: Path, true: Path, sources: Sequence[ImageSource]
) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Pair the planes of a predicted and a true image; raise if their shapes differ."""
    # Some programs write (1, Y, X) for a single plane.
    shapes = [_without_single(source.leading_shape) + source.plane_shape for source in sources]
    if shapes[0] != shapes[1]:
        raise ImageShapeError(
            f"{predicted} has the shape {shapes[0]}, but {true} has {shapes[1]}: "
            "they belong to different images, or to different parts of one."
        )
    return list(zip(sources[0].plane_indices(), sources[1].plane_indices(), strict=True))


def _pair(predictions: Path, labels: Path) -> tuple[dict[str, tuple[Path, Path]], list[str]]:
    """Return pairs of files (predicted, true) by name, and the problems of the others."""
    if is_folder(predictions) != is_folder(labels):
        raise ImageFileError(f"{predictions} and {labels}: give two files or two folders.")
    if not is_folder(predictions):
        return {plain_stem(labels): (predictions, labels)}, []
    predicted, true = label_files(predictions), label_files(labels)
    problems = [_alone(true[name], predictions) for name in sorted(true.keys() - predicted)]
    problems += [_alone(predicted[name], labels) for name in sorted(predicted.keys() - true)]
    return {name: (predicted[name], true[name]) for name in true.keys() & predicted}, problems


def _alone(path: Path, folder: Path) -> str:
    return f"{path} has no partner in {folder}: a file of the same name, with or without _labels, _masks or the like."


def _labels_source(file: ImageFile) -> ImageSource:
    """Return the labels in a file; large ones are not read yet."""
    return ImageSource(file.array, file.axes)


def _without_single(leading: Sequence[int]) -> tuple[int, ...]:
    """Return the lengths of the leading axes, without those of length 1."""
    return tuple(length for length in leading if length != 1)


def _ids(path: Path, source: ImageSource, index: tuple[int, ...]) -> NDArray[np.int64]:
    """Read the ids of one plane."""
    try:
        return as_ids(source.stored(index))
    except ImageShapeError as error:
        raise ImageShapeError(f"{path}: {error}") from error


def _class_ids(path: Path, source: ImageSource, index: tuple[int, ...], coding: ClassCoding) -> NDArray[np.int32]:
    """Read the class ids of one plane."""
    try:
        return coding.ids([source.read(index, channel) for channel in range(source.channels)])
    except ImageShapeError as error:
        raise ImageShapeError(f"{path}: {error}") from error
