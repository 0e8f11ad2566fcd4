"""Find the nuclei of all planes of an image: predict maps at one scale for all, and decode them plane by plane."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from napari_unet_nuclei.core.errors import SettingsError
from napari_unet_nuclei.core.image.plane import PlaneReader
from napari_unet_nuclei.core.labels.decode import Decoded, DecodeThresholds, decode_plane
from napari_unet_nuclei.core.progress import Advanced, Progress, Share
from napari_unet_nuclei.core.segment.automatic_size import predict_sized, scale_for
from napari_unet_nuclei.core.segment.decoders import Decoder, JoinedDecoder, StackDecoder, joined, stack_planes
from napari_unet_nuclei.core.segment.network_runner import NetworkRunner
from napari_unet_nuclei.core.segment.predict import Prediction, chosen_thresholds, predict_plane, thresholds_at
from napari_unet_nuclei.core.segment.request import SegmentRequest
from napari_unet_nuclei.core.segment.result import CACHED_PIXELS
from napari_unet_nuclei.core.types import Labels, QuantisedMaps

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
    decoder: Decoder | None = None


@dataclass(frozen=True)
class ChosenSize:
    """Diameter of the nuclei in image pixels, the scale that suits them, and the plane's maps if that took them."""

    diameter: float
    scale: float
    prediction: Prediction | None = None


def choose_size(
    request: SegmentRequest, runner: NetworkRunner, reader: PlaneReader, progress: Progress, estimate: float = 0.0
) -> ChosenSize:
    """Find out how large nuclei are, unless it is given; ``reader`` and ``estimate`` as for `find_nuclei`."""
    own_diameter = runner.card.diameter
    if request.decided is not None:
        return ChosenSize(request.decided.diameter, request.decided.scale)
    if 0 in reader.shape:
        return ChosenSize(own_diameter, 1.0)
    if request.settings.diameter_auto and runner.card.tells_size:
        sized = predict_sized(reader, runner, progress, estimate)
        return ChosenSize(sized.diameter or own_diameter, sized.prediction.scale, sized.prediction)
    diameter = given_diameter(request, own_diameter)
    return ChosenSize(diameter, scale_for(diameter, own_diameter))


def find_nuclei(
    request: SegmentRequest,
    runner: NetworkRunner,
    readers: Sequence[PlaneReader],
    progress: Progress,
    decides: int = 0,
    estimate: float = 0.0,
) -> FoundNuclei:
    """Find the nuclei of every plane, keeping the maps where they are not too large.

    The plane numbered ``decides`` tells for all how large nuclei are; ``estimate`` is the diameter in image pixels that
    a first look at it has found, or 0. All planes have the same shape.
    """
    network = Share(progress, 0.0, NETWORK_SHARE)
    # Before all others: with one scale for all, a nucleus keeps its size through the stack.
    size = choose_size(request, runner, readers[decides], Share(network, 0.0, 1 / len(readers)), estimate)
    ready = {} if size.prediction is None else {decides: size.prediction}
    diameter, scale = size.diameter, size.scale
    own = thresholds_at(runner.card, scale)
    thresholds = chosen_thresholds(own, request.settings)
    shape = (len(readers), *readers[0].shape)
    kept = np.empty((shape[0], 3, *shape[1:]), np.uint8) if math.prod(shape) <= CACHED_PIXELS else None

    def decoded_planes() -> Iterator[Decoded]:
        for number, maps in enumerate(_predicted(readers, scale, runner, network, ready)):
            if kept is not None:
                kept[number] = maps
            progress.report(Advanced(NETWORK_SHARE * (number + 1) / shape[0], "finding the nuclei in the maps"))
            yield decode_plane(maps, thresholds)

    found = stack_planes(decoded_planes(), shape)
    decoder = None if kept is None else StackDecoder(kept, thresholds.scale)
    return FoundNuclei(found.labels, found.scores, kept, thresholds, own, diameter, decoder)


def join_stacks(found: FoundNuclei, stacks: Sequence[Sequence[int]]) -> FoundNuclei:
    """Join the nuclei of planes that lie on top of each other; ``stacks`` as for `joined`."""
    whole = joined(Decoded(found.labels, found.scores), stacks)
    decoder = None if found.decoder is None else JoinedDecoder(found.decoder, stacks)
    return replace(found, labels=whole.labels, scores=whole.scores, decoder=decoder)


def _predicted(
    readers: Sequence[PlaneReader],
    scale: float,
    runner: NetworkRunner,
    progress: Progress,
    ready: dict[int, Prediction],
) -> Iterator[QuantisedMaps]:
    """Yield the maps (3, Y, X) of every plane in order; ``ready`` gives up those that it holds, to free memory."""
    done = len(ready)
    for number, reader in enumerate(readers):
        if number in ready:
            yield ready.pop(number).maps
        elif 0 in reader.shape:
            yield np.zeros((3, *reader.shape), np.uint8)
        else:
            # The plane that was ready has had its share, wherever in the stack it lies.
            share = Share(progress, done / len(readers), (done + 1) / len(readers))
            done += 1
            yield predict_plane(reader, scale, runner, share).maps


def given_diameter(request: SegmentRequest, model_diameter: float) -> float:
    """Return the diameter in image pixels as the user gave it, or the model's own.

    Raises `SettingsError` if it is given in µm for an image without a pixel size.
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
    # By area, as diameters are meant: pixels need not be square.
    return settings.diameter / float(np.sqrt(request.pixel_size.y * request.pixel_size.x))
