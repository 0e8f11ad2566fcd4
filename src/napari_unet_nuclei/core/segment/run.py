"""Segment an image: the one engine behind window, command line and Python."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_unet_nuclei.core.errors import ImageShapeError, SettingsError
from napari_unet_nuclei.core.image.axes import ImageSource, guess_axes
from napari_unet_nuclei.core.image.pixel_size import PixelSize
from napari_unet_nuclei.core.image.plane import PlaneLook, PlaneReader, look_at, open_plane
from napari_unet_nuclei.core.labels.decode import DecodeThresholds, decode_maps
from napari_unet_nuclei.core.model.device import choose_device
from napari_unet_nuclei.core.model.file import Model, read_model
from napari_unet_nuclei.core.model.registry import ModelEntry, default_registry
from napari_unet_nuclei.core.progress import Advanced, Notice, Progress, Rising, Share, Silent
from napari_unet_nuclei.core.segment.automatic_size import predict_sized, scale_for
from napari_unet_nuclei.core.segment.network_runner import NetworkRunner
from napari_unet_nuclei.core.segment.predict import Prediction, predict_plane, thresholds_at
from napari_unet_nuclei.core.segment.provenance import describe_run
from napari_unet_nuclei.core.segment.request import AUTOMATIC, SegmentRequest
from napari_unet_nuclei.core.segment.result import CACHED_PIXELS, SegmentResult
from napari_unet_nuclei.core.settings import SegmentSettings
from napari_unet_nuclei.core.types import AnyArray, Labels, Region

NETWORK_SHARE = 0.9
"""Share of the progress bar that the network takes; decoding has the rest."""


def segment(
    image: AnyArray | Sequence[AnyArray],
    model: str = AUTOMATIC,
    *,
    axes: str = "",
    level: int = 0,
    pixel_size: PixelSize | None = None,
    plane: tuple[int | None, ...] = (),
    region: Region | None = None,
    progress: Progress | None = None,
    **settings: object,
) -> SegmentResult:
    """Segment the nuclei of an image.

    Parameters
    ----------
    image : array-like
        numpy, dask, zarr or xarray of any shape that ``axes`` describes, any real dtype; or the levels of a multiscale
        image as a sequence. Never changed.
    model : str
        Name of an installed model, path of a model file, or "automatic".
    axes : str
        One letter per axis (T, Z, C, Y, X, and S for colour samples); guessed from the shape where empty.
    level : int
        Which level of a multiscale image; 0 is the finest.
    pixel_size : PixelSize, optional
        In µm; needed for a diameter in µm.
    plane : tuple of int or None
        For each leading axis the one index to segment, or None for all.
    region : tuple of int, optional
        (y0, y1, x0, x1) in pixels; the whole plane where not given.
    progress : Progress, optional
    **settings
        Values of `SegmentSettings` by name, for instance ``diameter=30``.

    Returns
    -------
    SegmentResult
        Its ``labels`` are int32, shape leading axes + (Y, X).

    Raises
    ------
    NucleiError
        With a message that says what to do: wrong axes, unknown model, a setting out of bounds, no memory.
    """
    array: AnyArray = image[level] if isinstance(image, Sequence) else image
    source = ImageSource(array, axes or guess_axes(tuple(array.shape), array.dtype))
    request = SegmentRequest(
        source,
        SegmentSettings().changed(**settings),
        model,
        plane,
        region,
        pixel_size or PixelSize(),
    )
    return run_segment(request, progress or Silent())


def run_segment(request: SegmentRequest, progress: Progress) -> SegmentResult:
    """Do what a request asks.

    Parameters
    ----------
    request : SegmentRequest
    progress : Progress
        Hears of every tile and may cancel there.

    Returns
    -------
    SegmentResult

    Raises
    ------
    NucleiError
        As `segment`.
    """
    started = time.monotonic()
    progress = Rising(progress)
    source, settings = request.source, request.settings
    region = _checked_region(request)
    indices = tuple(source.plane_indices(request.plane))
    if not indices or len(request.plane) > len(source.leading_axes):
        raise ImageShapeError(f"There is no plane {request.plane} in an image of shape {tuple(source.array.shape)}.")
    look, entry = _choose_model(request, indices[len(indices) // 2], region)
    model = _read_cached(entry.path, entry.path.stat().st_mtime_ns)
    runner = NetworkRunner(model, choose_device(settings.device), settings.tile, settings.flips)
    readers = [open_plane(source, index, region, look, model.card.percentiles) for index in indices]
    predictions = _Predictions(request, runner, readers, Share(progress, 0.0, NETWORK_SHARE))
    decoded = _decode_all(predictions, settings, model, progress)
    notices = _notices(readers, look, runner, decoded)
    for notice in notices:
        progress.report(Notice(notice))
    progress.report(Advanced(1.0, "done"))
    shape = _labels_shape(request, region)
    return SegmentResult(
        labels=decoded.labels.reshape(shape),
        axes=source.leading_axes + "YX",
        origin=_origin(request, region),
        maps=decoded.maps,
        thresholds=decoded.thresholds,
        model_thresholds=decoded.model_thresholds,
        diameter=decoded.diameter,
        model=model.card.name,
        device=f"{runner.device.name} ({runner.device.title})",
        channel=look.channel_name,
        notices=notices,
        seconds=time.monotonic() - started,
        provenance=describe_run(request, model.card, look, runner.device, decoded.diameter, readers),
    )


def _choose_model(request: SegmentRequest, index: tuple[int, ...], region: Region) -> tuple[PlaneLook, ModelEntry]:
    """Find the model that was asked for, or the one for this kind of image, and look at the image as it sees it."""
    settings = request.settings
    channel = None if settings.channel_auto else settings.channel
    registry = default_registry()

    def look(inputs: int) -> PlaneLook:
        return look_at(request.source, index, region, channel, settings.invert, inputs)

    if request.model != AUTOMATIC:
        entry = registry.find(request.model)
        return look(entry.card.architecture.in_channels), entry
    first = look(1)
    entry = registry.for_kind(first.kind)
    inputs = entry.card.architecture.in_channels
    return (first if inputs == 1 else look(inputs)), entry


@lru_cache(maxsize=2)
def _read_cached(path: Path, modified: int) -> Model:
    """Keep the last models in memory; a file that changed is read again."""
    return read_model(path)


class _Predictions:
    """Network output of all planes, made one by one when they are asked for.

    The middle plane goes first where the size is automatic: it decides the scale of all, so that a nucleus keeps its
    size through the stack.
    """

    def __init__(
        self, request: SegmentRequest, runner: NetworkRunner, readers: list[PlaneReader], progress: Progress
    ) -> None:
        self.runner = runner
        self.readers = readers
        self.progress = progress
        self._ready: dict[int, Prediction] = {}
        settings = request.settings
        middle = len(readers) // 2
        if readers[middle].shape[0] == 0 or readers[middle].shape[1] == 0:
            self.diameter, self.scale = runner.card.diameter, 1.0
        elif settings.diameter_auto and "size" in runner.card.architecture.heads:
            sized = predict_sized(readers[middle], runner, Share(progress, 0.0, 1 / len(readers)))
            self._ready[middle] = sized.prediction
            self.scale = sized.prediction.scale
            self.diameter = sized.diameter or runner.card.diameter
        else:
            self.diameter = _given_diameter(request, runner.card.diameter)
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


@dataclass(frozen=True)
class _Decoded:
    labels: Labels
    maps: NDArray[np.uint8] | None
    thresholds: DecodeThresholds
    model_thresholds: DecodeThresholds
    diameter: float


def _decode_all(predictions: _Predictions, settings: SegmentSettings, model: Model, progress: Progress) -> _Decoded:
    """Decode every plane, keeping the maps where they are not too large."""
    own = thresholds_at(model.card.thresholds, predictions.scale)
    thresholds = DecodeThresholds(
        own.foreground if settings.foreground_auto else settings.foreground,
        own.seed if settings.seed_auto else settings.seed,
        own.min_size if settings.min_size_auto else settings.min_size,
        own.scale,
    )
    shape = (len(predictions.readers), *predictions.readers[0].shape)
    labels = np.empty(shape, np.int32)
    keep = int(np.prod(shape)) <= CACHED_PIXELS
    kept = np.empty((shape[0], 3, *shape[1:]), np.uint8) if keep else None
    count = 0
    for number, maps in enumerate(predictions):
        if kept is not None:
            kept[number] = maps
        progress.report(Advanced(NETWORK_SHARE * (number + 1) / shape[0], "finding the nuclei in the maps"))
        decoded = decode_maps(maps, thresholds)
        labels[number] = np.where(decoded > 0, decoded + count, 0)
        count += int(decoded.max(initial=0))
    return _Decoded(labels, kept, thresholds, own, predictions.diameter)


def _given_diameter(request: SegmentRequest, model_diameter: float) -> float:
    """Diameter in image pixels as the user gave it, or the model's own."""
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


def _checked_region(request: SegmentRequest) -> Region:
    height, width = request.source.plane_shape
    region = request.region or (0, height, 0, width)
    y0, y1, x0, x1 = region
    if not (0 <= y0 <= y1 <= height and 0 <= x0 <= x1 <= width):
        raise ImageShapeError(f"The region {y0}:{y1},{x0}:{x1} does not lie in a plane of {height} x {width} pixels.")
    return region


def _origin(request: SegmentRequest, region: Region) -> tuple[int, ...]:
    leading = [0] * len(request.source.leading_axes)
    for axis, chosen in enumerate(request.plane):
        leading[axis] = chosen or 0
    return (*leading, region[0], region[2])


def _labels_shape(request: SegmentRequest, region: Region) -> tuple[int, ...]:
    leading = list(request.source.leading_shape)
    for axis, chosen in enumerate(request.plane):
        if chosen is not None:
            leading[axis] = 1
    return (*leading, region[1] - region[0], region[3] - region[2])


def _notices(readers: list[PlaneReader], look: PlaneLook, runner: NetworkRunner, decoded: _Decoded) -> tuple[str, ...]:
    """What the user should know about this run."""
    notices = list(runner.notices)
    if not all(reader.finite for reader in readers):
        notices.append("Some pixels are NaN or infinite; they were treated as background.")
    if readers[0].source.is_colour and len(look.channels) == 1:
        notices.append(f"Colour picture: the nuclei were read from the {look.channel_name}.")
    if look.inverted:
        notices.append("Bright background: the image was inverted.")
    if look.kind != runner.card.image_kind:
        notices.append(
            f"The model '{runner.card.name}' was made for {runner.card.image_kind} images; check the result."
        )
    if decoded.maps is None:
        notices.append("The image is too large to keep the network's maps; thresholds act on the current view.")
    return tuple(notices)
