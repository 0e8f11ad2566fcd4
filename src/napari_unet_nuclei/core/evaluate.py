"""Compare label files with true ones: the verb behind ``evaluate``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_unet_nuclei.core.errors import ImageFileError, ImageShapeError
from napari_unet_nuclei.core.image.axes import ImageSource
from napari_unet_nuclei.core.image.partners import label_files, plain_stem
from napari_unet_nuclei.core.image.read import read_image
from napari_unet_nuclei.core.labels.comparison import Comparison, Scores, compare_labels, mean_scores, pool
from napari_unet_nuclei.core.labels.numbering import as_ids
from napari_unet_nuclei.core.progress import Advanced, Progress, Silent


@dataclass(frozen=True)
class ComparedImage:
    """One label image against the true one.

    Attributes
    ----------
    name : str
        What both files share of their names.
    comparison : Comparison
        In stacks, the sum over all planes.
    """

    name: str
    comparison: Comparison


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
    def total(self) -> Comparison:
        """All images added up."""
        return pool(image.comparison for image in self.images)

    @property
    def pooled(self) -> Scores:
        """Scores in which every nucleus, or every pixel, weighs the same."""
        return self.total.scores

    @property
    def per_image(self) -> Scores:
        """Mean of the images' scores: every image weighs the same."""
        return mean_scores([image.comparison.scores for image in self.images])


def evaluate_folders(predictions: Path, labels: Path, progress: Progress | None = None) -> Evaluation:
    """Compare predicted labels with true ones, file by file.

    Parameters
    ----------
    predictions, labels : Path
        Two folders whose files have matching names (``a.tif`` or ``a_labels.tif`` for ``a.png``, also in folders
        within them), or two files. Stacks are compared plane by plane.
    progress : Progress, optional
        Hears of every file.

    Returns
    -------
    Evaluation
        A file without a partner, or that does not fit its partner, is a problem, and the others are compared.

    Raises
    ------
    ImageFileError
        If no file could be compared; the message says why.
    """
    progress = progress or Silent()
    pairs, problems = _pair(predictions, labels)
    images = []
    for number, (name, (predicted, true)) in enumerate(sorted(pairs.items())):
        progress.report(Advanced(number / len(pairs), f"comparing {name}"))
        try:
            images.append(ComparedImage(name, compare_files(predicted, true)))
        except (ImageFileError, ImageShapeError) as error:
            problems.append(str(error))
    progress.report(Advanced(1.0, f"{len(images)} images compared"))
    if not images:
        raise ImageFileError("Nothing could be compared. " + " ".join(problems))
    return Evaluation(tuple(images), tuple(problems))


def compare_files(predicted: Path, true: Path) -> Comparison:
    """Compare two label files; stacks plane by plane.

    Raises
    ------
    ImageFileError
        If a file cannot be read.
    ImageShapeError
        If one of them holds no labels, or the two differ in shape.
    """
    sources = [_labels_source(path) for path in (predicted, true)]
    shapes = [_without_single(source.leading_shape) + source.plane_shape for source in sources]
    if shapes[0] != shapes[1]:
        raise ImageShapeError(
            f"{predicted} has the shape {shapes[0]}, {true} has {shapes[1]}: "
            "they belong to different images, or to different parts of one."
        )
    predicted_planes, true_planes = (list(source.plane_indices()) for source in sources)
    return pool(
        compare_labels(_ids(true, sources[1], true_index), _ids(predicted, sources[0], predicted_index))
        for predicted_index, true_index in zip(predicted_planes, true_planes, strict=True)
    )


def _pair(predictions: Path, labels: Path) -> tuple[dict[str, tuple[Path, Path]], list[str]]:
    """Return (predicted, true) files by name, and what is wrong with the others."""
    if predictions.is_dir() != labels.is_dir():
        raise ImageFileError(f"{predictions} and {labels}: give two files or two folders.")
    if not predictions.is_dir():
        return {plain_stem(labels): (predictions, labels)}, []
    predicted, true = label_files(predictions), label_files(labels)
    problems = [_alone(true[name], predictions) for name in sorted(true.keys() - predicted)]
    problems += [_alone(predicted[name], labels) for name in sorted(predicted.keys() - true)]
    return {name: (predicted[name], true[name]) for name in true.keys() & predicted}, problems


def _alone(path: Path, folder: Path) -> str:
    return f"{path} has no partner in {folder}: a file of the same name, or of that name with _labels."


def _labels_source(path: Path) -> ImageSource:
    """Open a label file; nothing is read yet where it is large."""
    file = read_image(path)
    source = ImageSource(file.array, file.axes)
    if source.channels > 1:
        raise ImageShapeError(f"{path} has {source.channels} channels or colours, so it is no label image.")
    return source


def _without_single(leading: Sequence[int]) -> tuple[int, ...]:
    """Lengths of the leading axes that have more than one plane."""
    return tuple(length for length in leading if length != 1)


def _ids(path: Path, source: ImageSource, index: tuple[int, ...]) -> NDArray[np.int64]:
    """Read the ids of one plane."""
    try:
        return as_ids(source.read(index, 0))
    except ImageShapeError as error:
        raise ImageShapeError(f"{path}: {error}") from error
