"""Segment movies frame by frame: what is in memory does not grow with the number of frames."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from napari_unet_nuclei.core.model.registry import default_registry
from napari_unet_nuclei.core.segment.planes import count_in_words, stack_axis, stack_reading
from napari_unet_nuclei.core.segment.request import SegmentRequest
from napari_unet_nuclei.core.segment.result import Segmentation
from napari_unet_nuclei.core.types import Index, Labels


class FrameFiles(Protocol):
    """Labels of frames, which lie somewhere on disk."""

    def __call__(self, number: int) -> Labels:
        """Return the labels of a frame, with its own ids from 1, and the axes of the whole image."""


@dataclass(frozen=True, eq=False)
class FrameLabels:
    """Labels of a movie, read from disk frame by frame; indexed by leading axes first, like an array.

    Attributes
    ----------
    shape : tuple of int
        Leading axes, Y, X.
    frame_axes : tuple of int
        Leading axes along which each index is a frame; a frame holds the others.
    offsets : ndarray, shape (frames,)
        Added to the ids of each frame, so that ids go on from frame to frame.
    read : FrameFiles
        Reads the labels of a frame.
    """

    shape: tuple[int, ...]
    frame_axes: tuple[int, ...]
    offsets: NDArray[np.int64]
    read: FrameFiles

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def dtype(self) -> np.dtype[np.int32]:
        """That of labels in memory."""
        return np.dtype(np.int32)

    @property
    def size(self) -> int:
        """Number of pixels."""
        return math.prod(self.shape)

    def __getitem__(self, key: int | tuple[Any, ...]) -> Labels:
        """Read a plane, or a part of it, by its index along the leading axes."""
        index = key if isinstance(key, tuple) else (key,)
        leading, rest = index[: self.ndim - 2], index[self.ndim - 2 :]
        lengths = [self.shape[axis] for axis in self.frame_axes]
        number = int(np.ravel_multi_index([leading[axis] for axis in self.frame_axes], lengths))
        plane = self.read(number)[tuple(0 if axis in self.frame_axes else i for axis, i in enumerate(leading))]
        return np.asarray(np.where(plane > 0, plane + np.int32(self.offsets[number]), 0)[rest], np.int32)


@dataclass(frozen=True, kw_only=True)
class FramedResult(Segmentation):
    """Result of a movie whose labels lie on disk; its attributes as those of `SegmentResult`."""

    labels: FrameLabels
    scores: NDArray[np.float64]
    axes: str
    origin: Index

    @property
    def count(self) -> int:
        """Number of nuclei in all frames."""
        return len(self.scores)

    @property
    def count_text(self) -> str:
        """What was counted: "120 nuclei in 12 planes, each by itself"."""
        return count_in_words(self.count, self.axes, self.labels.shape, self.planes, self.projected)


def takes_frames(request: SegmentRequest) -> bool:
    """Tell whether an image is a movie, or a stack of planes each by itself, and the model finds nuclei."""
    if default_registry().find(request.model).card.task == "semantic":
        return False
    return len(frame_requests(request)) > 1


def frame_axes(request: SegmentRequest) -> tuple[int, ...]:
    """Return the leading axes along which frames follow each other: all but the depth of stacks that are read whole."""
    reading = stack_reading(request.source, request.plane, request.settings)
    depth = None if reading == "each" else stack_axis(request.source)
    return tuple(axis for axis in range(len(request.source.leading_axes)) if axis != depth)


def frame_requests(request: SegmentRequest) -> tuple[SegmentRequest, ...]:
    """Return a request for each frame, in order."""
    axes = frame_axes(request)
    planes = (
        tuple(i if axis in axes else None for axis, i in enumerate(index))
        for index in request.source.plane_indices(request.plane)
    )
    return tuple(replace(request, plane=plane) for plane in dict.fromkeys(planes))
