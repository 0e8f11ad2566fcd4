"""Open the labels of a movie, whatever they are given as."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_unet_nuclei.core.arrays import as_label_array
from napari_unet_nuclei.core.errors import ImageShapeError
from napari_unet_nuclei.core.image.io.image_file import ImageFile
from napari_unet_nuclei.core.image.io.label_file import LabelFile, read_labels
from napari_unet_nuclei.core.image.pixel_size import PixelSize
from napari_unet_nuclei.core.pieces import check_ids
from napari_unet_nuclei.core.tracking.movie import ArrayMovie, FramesMovie, Movie
from napari_unet_nuclei.core.types import AnyArray

_STAND_FOR_TIME = "QZ"
"""Axes that stand for time where no axis is called so: programs that know no time write frames as slices."""


@dataclass(frozen=True, eq=False)
class OpenedMovie:
    """Labels of a movie, with what their file says.

    Attributes
    ----------
    minutes : ndarray
        Times of the frames; empty if unknown.
    notices : tuple of str
        What was guessed.
    """

    movie: Movie
    pixel_size: PixelSize = field(default_factory=PixelSize)
    minutes: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    notices: tuple[str, ...] = ()


def opened_movie(
    labels: AnyArray | ImageFile | LabelFile | Path | str | Sequence[Path | str], axes: str = ""
) -> OpenedMovie:
    """Open labels given as an array, a file, or one file per frame.

    Raise ImageFileError or ImageShapeError where they are no movie of ids.
    """
    if isinstance(labels, list | tuple) and labels and isinstance(labels[0], str | Path):
        files = [read_labels(path) for path in labels]
        if len(files) > 1:
            frames = FramesMovie([_only_frame(one.file) for one in files])
            return OpenedMovie(frames, files[0].file.pixel_size, notices=_of_many(files))
        labels = files[0]
    if isinstance(labels, str | Path):
        labels = read_labels(labels)
    if isinstance(labels, LabelFile):
        opened = _of_file(labels.file, axes)
        return replace(opened, notices=(*labels.notices, *opened.notices))
    if isinstance(labels, ImageFile):
        return _of_file(labels, axes)
    array = as_label_array(labels)
    check_ids(array)
    named = axes.upper() or {3: "TYX", 4: "TZYX"}.get(len(array.shape), "")
    return OpenedMovie(ArrayMovie(array, named))


def _of_many(files: Sequence[LabelFile]) -> tuple[str, ...]:
    """Return what may be wrong about one of many files, and how many are like it."""
    told = [notice for file in files for notice in file.notices]
    return (*told[:1], *([f"{len(told) - 1} other files are like it."] if len(told) > 1 else []))


def _only_frame(file: ImageFile) -> AnyArray:
    """Return the labels of a file that holds one frame, flat or deep."""
    source = file.source()
    if source.channels > 1 or source.axes not in ("YX", "ZYX"):
        raise ImageShapeError(
            f"{file.path} has the axes {source.axes}: files that are frames of one movie have one plane or one stack "
            "each."
        )
    return file.array


def _of_file(file: ImageFile, axes: str) -> OpenedMovie:
    source = file.source(axes.upper())
    if source.channels > 1:
        raise ImageShapeError(f"{file.path} has {source.channels} channels or colours, so it is not a label image.")
    named, notices = source.axes, tuple[str, ...]()
    if "T" not in named and len(source.leading_axes) == 1 and source.leading_axes in _STAND_FOR_TIME:
        notices = (f"{file.path.name} names no axis T: its {source.leading_shape[0]} planes were taken as frames.",)
        named = named.replace(source.leading_axes, "T")
    if "T" not in named:
        raise ImageShapeError(
            f"{file.path} has the axes {named}, so that nothing can be followed over time. Name the axes if they are "
            "others, one letter each, as in TYX."
        )
    array, kept = _without_single_axes(file.array, named)
    minutes = np.array(file.frame_times) / 60
    return OpenedMovie(ArrayMovie(array, kept), file.pixel_size, minutes, notices)


def _without_single_axes(array: AnyArray, axes: str) -> tuple[AnyArray, str]:
    """Drop a single channel, and unknown axes and depth of length 1."""
    dropped = [letter in "CQZ" and array.shape[place] == 1 for place, letter in enumerate(axes)]
    kept = "".join(letter for letter, drop in zip(axes, dropped, strict=True) if not drop)
    if not any(dropped):
        return array, axes
    return array[tuple(0 if drop else slice(None) for drop in dropped)], kept
