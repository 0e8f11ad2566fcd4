"""Find the nuclei of all planes of an image: predict maps at one scale for all, and decode them plane by plane."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_unet_nuclei.core.errors import SettingsError
from napari_unet_nuclei.core.image.plane import PlaneReader
from napari_unet_nuclei.core.labels.decode import DecodeThresholds, decode_plane
from napari_unet_nuclei.core.progress import Advanced, Progress, Share
from napari_unet_nuclei.core.segment.automatic_size import predict_sized, scale_for
from napari_unet_nuclei.core.segment.network_runner import NetworkRunner
from napari_unet_nuclei.core.segment.predict import Prediction, chosen_thresholds, predict_plane, thresholds_at
from napari_unet_nuclei.core.segment.request import SegmentRequest
from napari_unet_nuclei.core.segment.result import CACHED_PIXELS
from napari_unet_nuclei.core.types import Labels

NETWORK_SHARE = 0.9
"""Share of the progress bar that the network takes; decoding has the rest."""


@dataclass(frozen=True)
class FoundNuclei:
    """Nuclei of all planes, or classes, in the terms of `SegmentResult`; labels have the axes (planes, Y, X)."""

    labels: Labels
    scores: NDArray[np.float64]
    maps: NDArray[np.uint8] | None
    thresholds: DecodeThresholds
    model_thresholds: DecodeThresholds
    diameter: float


def find_nuclei(
    request: SegmentRequest,
    runner: NetworkRunner,
    readers: Sequence[PlaneReader],
    progress: Progress,
    decides: int = 0,
    estimate: float = 0.0,
) -> FoundNuclei:
    """Find the nuclei of every plane, keeping the maps where they are not too large.

    Parameters
    ----------
    readers : sequence of PlaneReader
        One per plane, all of the same shape.
    decides : int
        Which of the planes decides for all how large nuclei are.
    estimate : float
        Diameter in image pixels that a first look at that plane has found; 0 where there was none.
    """
    settings = request.settings
    predictions = _Predictions(request, runner, readers, Share(progress, 0.0, NETWORK_SHARE), decides, estimate)
    own = thresholds_at(runner.card, predictions.scale)
    thresholds = chosen_thresholds(own, settings)
    shape = (len(readers), *readers[0].shape)
    labels = np.empty(shape, np.int32)
    keep = int(np.prod(shape)) <= CACHED_PIXELS
    kept = np.empty((shape[0], 3, *shape[1:]), np.uint8) if keep else None
    count, scores = 0, [np.zeros(0)]
    for number, maps in enumerate(predictions):
        if kept is not None:
            kept[number] = maps
        progress.report(Advanced(NETWORK_SHARE * (number + 1) / shape[0], "finding the nuclei in the maps"))
        decoded = decode_plane(maps, thresholds)
        labels[number] = np.where(decoded.labels > 0, decoded.labels + count, 0)
        count += len(decoded.scores)
        scores.append(decoded.scores)
    return FoundNuclei(labels, np.concatenate(scores), kept, thresholds, own, predictions.diameter)


class _Predictions:
    """Maps of all planes, predicted one by one as they are iterated over.

    Where the size is automatic, one plane is predicted first and decides the scale of all: a nucleus then keeps its
    size through the stack.
    """

    def __init__(
        self,
        request: SegmentRequest,
        runner: NetworkRunner,
        readers: Sequence[PlaneReader],
        progress: Progress,
        decides: int,
        estimate: float,
    ) -> None:
        self.runner = runner
        self.readers = readers
        self.progress = progress
        self._ready: dict[int, Prediction] = {}
        settings = request.settings
        if 0 in readers[decides].shape:
            self.diameter, self.scale = runner.card.diameter, 1.0
        elif settings.diameter_auto and runner.card.tells_size:
            share = Share(progress, 0.0, 1 / len(readers))
            sized = predict_sized(readers[decides], runner, share, estimate)
            self._ready[decides] = sized.prediction
            self.scale = sized.prediction.scale
            self.diameter = sized.diameter or runner.card.diameter
        else:
            self.diameter = given_diameter(request, runner.card.diameter)
            self.scale = scale_for(self.diameter, runner.card.diameter)

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        """Yield the quantised maps (3, Y, X) of every plane in order."""
        done = len(self._ready)
        for number, reader in enumerate(self.readers):
            if number in self._ready:
                yield self._ready.pop(number).maps
                continue
            share = Share(self.progress, done / len(self.readers), (done + 1) / len(self.readers))
            done += 1
            if 0 in reader.shape:
                yield np.zeros((3, *reader.shape), np.uint8)
                continue
            yield predict_plane(reader, self.scale, self.runner, share).maps


def given_diameter(request: SegmentRequest, model_diameter: float) -> float:
    """Return the diameter in image pixels as the user gave it, or the model's own.

    Raises
    ------
    SettingsError
        If it is given in µm for an image without a pixel size.
    """
    settings = request.settings
    if settings.diameter_auto:
        return model_diameter
    if settings.diameter_unit == "px":
        return settings.diameter
    if not request.pixel_size.known:
        raise SettingsError(
            "The diameter is given in µm, but the image has no pixel size. Give it in pixels, or the pixel size."
        )
    return settings.diameter / float(np.sqrt(request.pixel_size.y * request.pixel_size.x))
