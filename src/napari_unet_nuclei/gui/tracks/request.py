"""What is to be followed: a snapshot of a labels layer, made in the window's thread, and the job on it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_unet_nuclei.core.errors import ImageShapeError
from napari_unet_nuclei.core.image.pixel_size import PixelSize, micrometres
from napari_unet_nuclei.core.image.times import seconds
from napari_unet_nuclei.core.progress import Progress
from napari_unet_nuclei.core.settings import TrackSettings
from napari_unet_nuclei.core.tracking.keep_ids import keep_ids_of_labels
from napari_unet_nuclei.core.tracking.lineage import Lineages
from napari_unet_nuclei.core.tracking.movie import ArrayMovie
from napari_unet_nuclei.core.tracking.track import TrackResult, run_track
from napari_unet_nuclei.core.types import AnyArray, Labels
from napari_unet_nuclei.gui.viewer.labels_and_image import Placed, describe_labels

if TYPE_CHECKING:
    from napari.layers import Labels as LabelsLayer

LARGEST = 2**29
"""Values of labels that are relabelled in memory: 2 GB; the command takes any number."""


@dataclass(frozen=True, eq=False)
class FollowRequest:
    """Labels to be followed.

    Attributes
    ----------
    place : Placed
        The labels layer, and where its pixels lie.
    axes : str
        One letter per axis of the layer's array: T, Y, X, and Z where there is depth.
    array : array-like
        The layer's array, which the job copies.
    pixel_size : PixelSize
    minutes : float
        Between frames; 0 if unknown.
    settings : TrackSettings
    former : ndarray or None
        The same labels as they were followed before, axes as in the array: ids are kept.
    """

    place: Placed
    axes: str
    array: AnyArray
    pixel_size: PixelSize
    minutes: float
    settings: TrackSettings = field(default_factory=TrackSettings)
    former: Labels | None = None

    @property
    def layer(self) -> LabelsLayer:
        """The labels layer."""
        layer: LabelsLayer = self.place.layer
        return layer


@dataclass(frozen=True, eq=False)
class FollowAnswer:
    """Nuclei that were followed, and the layer's array with the ids of tracks."""

    request: FollowRequest
    result: TrackResult
    labels: Labels


def ask(
    layer: LabelsLayer, settings: TrackSettings, minutes: float = 0.0, former: Labels | None = None
) -> FollowRequest:
    """Describe a labels layer for following; ``minutes`` as for the request, or 0 for what the layer says.

    Raise ImageShapeError if the layer is no movie.
    """
    if layer.multiscale or int(np.prod(layer.data.shape)) > LARGEST:
        raise ImageShapeError(
            "These labels are too large for the window. Save them, and use the command: napari-unet-nuclei track "
            "LABELS --out FOLDER."
        )
    place = describe_labels(layer).place
    axes = _axes_over_time(place.letters, layer.data.shape)
    edges = np.linalg.norm(place.matrix[:-1, :-1], axis=0)
    sizes = {
        axes[axis].lower(): micrometres(edge, str(layer.units[axis]))
        for axis, edge in zip(place.order, edges, strict=True)
        if axes[axis] in "ZYX"
    }
    time = axes.index("T")
    interval = minutes or seconds(float(layer.scale[time]), str(layer.units[time])) / 60
    return FollowRequest(place, axes, layer.data, PixelSize(**sizes), interval, settings, former)


def follow(request: FollowRequest, progress: Progress) -> FollowAnswer:
    """Follow the nuclei; runs in a thread."""
    movie = ArrayMovie(np.array(request.array), request.axes)
    frames = movie.shape[0]
    minutes = np.arange(frames, dtype=np.float64) * (request.minutes or np.nan)
    result = run_track(movie, request.pixel_size, minutes, request.settings, progress)
    labels = relabelled(movie, result.lineages)
    if request.former is not None and request.former.shape == labels.shape:
        frame_first = (np.moveaxis(array, request.axes.index("T"), 0) for array in (request.former, labels))
        result = result.with_lineages(keep_ids_of_labels(result.lineages, *frame_first))
        labels = relabelled(movie, result.lineages)
    return FollowAnswer(request, result, labels)


def relabelled(movie: ArrayMovie, lineages: Lineages) -> Labels:
    """Return the array of a movie, its axes in their order, with the ids of tracks."""
    labels = np.zeros(movie.array.shape, np.int32)
    put_frames(labels, movie, lineages, range(movie.shape[0]))
    return labels


def put_frames(labels: Labels, movie: ArrayMovie, lineages: Lineages, frames: range | NDArray[np.int64]) -> None:
    """Put the ids of tracks into some frames of such an array."""
    frame_first = np.moveaxis(labels, movie.axes.index("T"), 0)
    left = movie.axes.replace("T", "")
    back = np.argsort([left.index(letter) for letter in "ZYX" if letter in left])
    for time in frames:
        frame_first[time] = lineages.relabelled(int(time), movie.frame(int(time))).transpose(back)


def _axes_over_time(letters: str, shape: tuple[int, ...]) -> str:
    """Name the axes of labels over time: a single leading axis is time, whatever it is called."""
    leading = [axis for axis, letter in enumerate(letters) if letter not in "YX"]
    if "T" not in letters and len(leading) == 1:
        letters = "".join("T" if axis == leading[0] else letter for axis, letter in enumerate(letters))
    if sorted(letters) not in (sorted("TYX"), sorted("TZYX")) or shape[letters.index("T")] < 2:
        raise ImageShapeError("These labels have no time axis: open a movie, or name its axes (T, Z, Y, X).")
    return letters
