"""Segment an image: the one engine behind window, command line and Python."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from napari_unet_nuclei.core.arguments import checked
from napari_unet_nuclei.core.errors import ImageShapeError, SettingsError
from napari_unet_nuclei.core.image.channels import named_channel
from napari_unet_nuclei.core.image.io.image_file import ImageFile
from napari_unet_nuclei.core.image.kind import possible_looks
from napari_unet_nuclei.core.image.pixel_size import PixelSize
from napari_unet_nuclei.core.image.plane import ImageKind, PlaneLook, PlaneReader, Transform
from napari_unet_nuclei.core.image.sample import PlaneSample
from napari_unet_nuclei.core.labels.decode import TUNED
from napari_unet_nuclei.core.model.card import ModelCard
from napari_unet_nuclei.core.model.device import Device, choose_device
from napari_unet_nuclei.core.model.file import Model, read_model
from napari_unet_nuclei.core.model.registry import AUTOMATIC, default_registry
from napari_unet_nuclei.core.progress import Advanced, Notice, Progress, Rising, Share, Silent, with_shares
from napari_unet_nuclei.core.segment.evidence import ChosenLook, choose_look
from napari_unet_nuclei.core.segment.inputs import make_request
from napari_unet_nuclei.core.segment.network_runner import NetworkRunner, place_network
from napari_unet_nuclei.core.segment.nuclei import FoundNuclei, choose_size, find_nuclei, given_diameter, join_stacks
from napari_unet_nuclei.core.segment.planes import StackReading, stack_reading, stacks_of
from napari_unet_nuclei.core.segment.predict import predict_classes, thresholds_at
from napari_unet_nuclei.core.segment.provenance import describe_run
from napari_unet_nuclei.core.segment.remedy import Remedy, remedies
from napari_unet_nuclei.core.segment.request import Decided, SegmentRequest
from napari_unet_nuclei.core.segment.result import SegmentResult
from napari_unet_nuclei.core.segment.volumes.nuclei import find_volumes, volume_size
from napari_unet_nuclei.core.segment.volumes.stack import open_stack, open_stacks
from napari_unet_nuclei.core.settings import SegmentSettings
from napari_unet_nuclei.core.types import AnyArray, Region

TURNED: dict[Transform, str] = {
    "density": ", from its optical density",
    "negative": ": the image was inverted",
}
"""How grey nuclei on a bright background were made bright, after the words that say the kind of image."""

NOTHING_SHOWN = "All pixels are equal, up to rounding: there is nothing to see in this image."
"""Notice of an image without nuclei, whatever else is tried on it."""

NO_MAPS = "The image is too large to keep the network's maps; thresholds act on the current view."

FOCUS_STACK = (
    "The planes of this stack were segmented each by itself: in transmitted light they differ in focus, and show no "
    "nuclei above each other. Choose planes volume or joined to change that."
)

UNNAMED_PLANES = (
    "Nothing says whether the {planes:,} planes are a stack or a movie: each was segmented by itself. For 3-D nuclei "
    "choose planes volume; for a movie name the axes, one letter each, as in TYX."
)


@checked
def segment(
    image: AnyArray | Sequence[AnyArray] | ImageFile | Path | str,
    model: str | Path = AUTOMATIC,
    *,
    axes: str = "",
    level: int = 0,
    channel_names: Sequence[str] = (),
    channel_colours: Sequence[str] = (),
    pixel_size: PixelSize | None = None,
    plane: tuple[int | None, ...] = (),
    region: Region | None = None,
    progress: Progress | None = None,
    **settings: object,
) -> SegmentResult:
    """Segment the nuclei of an image, or classify its pixels if the model predicts classes.

    Parameters
    ----------
    image : array-like, ImageFile, Path or str
        numpy, dask, zarr or xarray array of any real dtype, PyTorch tensor, list, masked (NaN) or sparse array; equal
        planes or the levels of a multiscale image as a sequence; an image opened with `read_image`; or the path of an
        image file. Never modified.
    model : str or Path
        Name of an installed model, path of a model file, or ``"automatic"``.
    axes : str
        One letter per axis (T, Z, C, Y, X, and S for colour samples), of the array as the file stores it. If empty,
        read from the file or the names of an xarray, or guessed: (Y, X, 3) and (Y, X, 4) are colours if the
        values are.
    level : int
        Level of a multiscale image to segment; 0 is the finest.
    channel_names, channel_colours : sequence of str
        One per channel, if known and not in the file. A channel called DAPI is recognised; channels coloured red,
        green and blue over a bright background are read as one colour picture.
    pixel_size : PixelSize, optional
        In µm; required for a diameter in µm.
    plane : tuple of int or None
        For each leading axis the index to segment, or None for all.
    region : tuple of int, optional
        Rectangle (y0, y1, x0, x1) in pixels; the whole plane if not given.
    progress : Progress, optional
        Receives an event per tile, and can cancel there.
    **settings
        Fields of `SegmentSettings`, for instance ``diameter=30``.

    Returns
    -------
    SegmentResult
        Its ``labels`` are int32, shape leading axes + (Y, X): 0 for background and nuclei from 1, or class ids from 0
        that ``classes`` names.

    Raises
    ------
    ImageFileError, ImageShapeError
        If the file cannot be read, or the axes do not fit the image.
    UnknownModelError, ModelFileError
        If there is no such model, or its file cannot be used.
    SettingsError
        If a setting is unknown or out of bounds.
    DeviceError, DeviceMemoryError
        If the device does not exist, or memory does not suffice even for the smallest tile.

    Examples
    --------
    >>> from napari_unet_nuclei import fluorescent_nuclei, segment
    >>> sample = fluorescent_nuclei(shape=(160, 160), count=12)
    >>> result = segment(sample.image, pixel_size=sample.pixel_size, device="cpu")
    >>> result.labels.shape, result.count > 0
    ((160, 160), True)
    """
    request = make_request(
        image,
        model,
        settings,
        axes=axes,
        level=level,
        channel_names=channel_names,
        channel_colours=channel_colours,
        pixel_size=pixel_size,
        plane=plane,
        region=region,
    )
    return run_segment(request, progress or Silent())


def run_segment(request: SegmentRequest, progress: Progress) -> SegmentResult:
    """Segment what a request describes; raise as `segment` does."""
    started = time.monotonic()
    progress = Rising(progress)  # parts are repeated where memory runs short or the scale was wrong
    settings, scope = request.settings, find_scope(request)
    runner = _runner(request)
    found = _find(request, scope, runner, progress)
    told, nuclei, readers = found.told, found.nuclei, found.readers
    warnings = tuple(remedy.text for remedy in told)
    notices = (*request.remarks, *runner.notices, *notices_of_look(found.card, found.chosen.look, readers, settings))
    if (
        not len(nuclei.scores)
        and request.decided is None
        and not scope.deciding.of(found.chosen.look.channels).shows_something
    ):
        notices += (NOTHING_SHOWN,)
    if found.card.task == "instances" and nuclei.decoder is None:
        notices += (NO_MAPS,)
    notices += (*found.notices, *warnings)
    for notice in notices:
        progress.report(Notice(notice, warning=notice in warnings))
    progress.report(Advanced(1.0, "done"))
    # An axis of which one plane was chosen stays, with length 1: the labels then lie where the image does.
    leading, chosen_planes = request.source.leading_shape, dict(enumerate(request.plane))
    shape = [size if chosen_planes.get(axis) is None else 1 for axis, size in enumerate(leading)]
    origin = [chosen_planes.get(axis) or 0 for axis in range(len(leading))]
    return SegmentResult(
        labels=nuclei.labels.reshape(*shape, *readers[0].shape),
        scores=nuclei.scores,
        axes=request.source.channel_axes,
        origin=(*origin, scope.region[0], scope.region[2]),
        maps=nuclei.maps,
        decoder=nuclei.decoder,
        thresholds=nuclei.thresholds,
        model_thresholds=nuclei.model_thresholds,
        remedies=told,
        notices=notices,
        seconds=time.monotonic() - started,
        provenance={
            # The runner's device: memory may have run short on the one that was asked for.
            **describe_run(request, found.card, found.chosen.look, runner.device, nuclei.diameter, readers),
            **found.described,
        },
    )


def decide(request: SegmentRequest, progress: Progress) -> Decided:
    """Let one plane, or one stack, decide how all of an image are read, and how large their nuclei are.

    Requests for single frames that are given this find what one request for all of them does; raise as `segment`.
    """
    scope, runner = find_scope(request), _runner(request)
    chosen = choose_reading(request, scope, runner, Share(progress, 0.0, 0.5))
    runner, sizing = runner.for_kind(chosen.look.kind), Share(progress, 0.5, 1.0)
    reading, _ = stacks_read(request, chosen, classes=runner.card.task == "semantic")
    if reading != "volume":
        size = choose_size(request, runner, chosen.reader, sizing, chosen.estimate)
        return Decided(chosen.look, chosen.sure, size.scale, size.diameter)
    decides = scope.indices.index(scope.deciding.index)
    stack = next(one for one in stacks_of(request.source, scope.indices) if decides in one)
    planes = open_stack(chosen.reader, [scope.indices[number] for number in stack], runner.card.scaling)
    diameter, spacing = volume_size(request, runner, planes, stack.index(decides), sizing, chosen.estimate)
    return Decided(chosen.look, chosen.sure, 1.0, diameter, spacing)


def _runner(request: SegmentRequest) -> NetworkRunner:
    """Place the model of a request on its device, unless it is there."""
    settings, entry = request.settings, default_registry().find(request.model)
    device = choose_device(settings.device).using(request.number_format)
    model, placed = _ready(entry.path, entry.path.stat().st_mtime_ns, device)
    return NetworkRunner(model, device, settings.tile, settings.flips, placed=placed)


@dataclass(frozen=True)
class _Found:
    """Nuclei, or classes, and how they were found: what `describe_run` lacks, and what the user should know."""

    chosen: ChosenLook
    card: ModelCard
    readers: tuple[PlaneReader, ...]
    nuclei: FoundNuclei
    told: tuple[Remedy, ...] = ()
    notices: tuple[str, ...] = ()
    described: Mapping[str, Any] = field(default_factory=dict)


def stacks_read(request: SegmentRequest, chosen: ChosenLook, *, classes: bool) -> tuple[StackReading, tuple[str, ...]]:
    """Decide how stacks are read, and what to tell of it."""
    reading = stack_reading(request.source, request.plane, request.settings, classes=classes)
    if reading == "volume" and request.settings.planes == "auto" and chosen.look.kind == "brightfield":
        if not request.settings.z_spacing_auto:
            raise SettingsError(
                "The spacing of planes has no effect on this stack, which shows dark nuclei on bright and is segmented "
                "plane by plane: leave it out, or choose planes volume."
            )
        return "each", (FOCUS_STACK,)
    planes = math.prod(request.source.leading_shape)
    if request.settings.planes == "auto" and request.source.leading_axes == "Q" and planes > 1 and not request.plane:
        return reading, (UNNAMED_PLANES.format(planes=planes),)
    return reading, ()


def _find(request: SegmentRequest, scope: Scope, runner: NetworkRunner, progress: Progress) -> _Found:
    """Choose how the image is read, and find its classes, or its nuclei: in three dimensions or plane by plane."""
    settings, classes = request.settings, runner.card.task == "semantic"
    if classes:
        _refuse_thresholds(runner.card, settings)
    # How bright and how large nuclei are is known to a model by kind of image, so that the kind comes first.
    chosen = choose_reading(request, scope, runner, progress)
    runner = runner.for_kind(chosen.look.kind)
    card, decides = runner.card, scope.indices.index(scope.deciding.index)
    reading, notices = stacks_read(request, chosen, classes=classes)
    if reading == "volume":
        stacks = stacks_of(request.source, scope.indices)
        readers = open_stacks(chosen.reader, scope.indices, stacks, card.scaling)
        found = find_volumes(request, runner, readers, stacks, progress, decides, chosen.estimate)
        told = remedies(len(found.nuclei.scores), chosen.look.kind, chosen.sure, settings.kind != "auto")
        if any(doubt.none_found for doubt in found.doubts):
            told = ()  # what is said of volumes tells more
        spacing, planes = found.spacing, len(stacks[0])
        described = {"planes": reading, "z_spacing": spacing.described(request.pixel_size)}
        told += found.doubts
        return _Found(chosen, card, readers, found.nuclei, told, spacing.notices(planes), described)
    readers = chosen.open_all(scope.indices, card.scaling)
    if classes:
        return _Found(chosen, card, readers, _find_classes(runner, readers, progress))
    nuclei = find_nuclei(request, runner, readers, progress, decides, chosen.estimate)
    if reading == "joined":
        nuclei = join_stacks(nuclei, stacks_of(request.source, scope.indices))
    told = remedies(len(nuclei.scores), chosen.look.kind, chosen.sure, settings.kind != "auto")
    return _Found(chosen, card, readers, nuclei, told, notices, {"planes": reading})


@dataclass(frozen=True)
class Scope:
    """The pixels that a request means: a rectangle of some planes, one of which decides how all of them are read."""

    region: Region
    indices: tuple[tuple[int, ...], ...]
    deciding: PlaneSample


def find_scope(request: SegmentRequest) -> Scope:
    """Find out which pixels a request means; raise `ImageShapeError` if the image has no such plane or region."""
    source = request.source
    height, width = source.plane_shape
    region = request.region or (0, height, 0, width)
    y0, y1, x0, x1 = region
    if not (0 <= y0 <= y1 <= height and 0 <= x0 <= x1 <= width):
        raise ImageShapeError(f"The region {y0}:{y1},{x0}:{x1} does not lie in a plane of {height} x {width} pixels.")
    indices = tuple(source.plane_indices(request.plane))
    if not indices or len(request.plane) > len(source.leading_axes):
        raise ImageShapeError(f"There is no plane {request.plane} in an image of shape {tuple(source.array.shape)}.")
    return Scope(region, indices, _deciding_plane(request, indices, region))


def possible_readings(request: SegmentRequest, scope: Scope, card: ModelCard) -> tuple[PlaneLook, ...]:
    """List the ways in which a model may read an image, the likeliest first.

    Raises `ImageShapeError` if there is no such channel, or several and none was chosen.
    """
    as_it_is = card.reads_as_it_is and request.settings.kind == "auto"
    kind = "fluorescence" if as_it_is else request.settings.kind
    return possible_looks(scope.deciding, request.channel, kind, card.network_inputs)


def choose_reading(request: SegmentRequest, scope: Scope, runner: NetworkRunner, progress: Progress) -> ChosenLook:
    """Choose how an image is read."""
    card, decided = runner.card, request.decided
    if decided is not None:
        scaling = card.for_kind(decided.look.kind).scaling
        return ChosenLook(scope.deciding.open(decided.look, scaling), decided.sure)
    looks, diameter = possible_readings(request, scope, card), 0.0
    if card.task == "semantic":
        looks = looks[:1]  # classes have no nuclei by which readings could be told apart
    elif not request.settings.diameter_auto:
        diameter = given_diameter(request, card.diameter)
    return choose_look(looks, scope.deciding, runner, progress, diameter)


def evident_kind(request: SegmentRequest) -> ImageKind | None:
    """Return the kind of an image where the pixels alone leave no doubt; None where they do."""
    card = default_registry().find(request.model).card
    scope = find_scope(request)
    looks = possible_looks(scope.deciding, request.channel, "auto", card.network_inputs)
    kinds = {look.kind for look in looks}
    return kinds.pop() if len(kinds) == 1 else None


def _deciding_plane(request: SegmentRequest, indices: Sequence[tuple[int, ...]], region: Region) -> PlaneSample:
    """Choose the middle plane, or the nearest to it that shows something where the middle one was never taken."""
    middle = len(indices) // 2
    # Cameras leave planes black that were never taken: from an aborted time series, say, all after the first few.
    for place in sorted(range(len(indices)), key=lambda one: abs(one - middle)):
        plane = PlaneSample(request.source, indices[place], region)
        if len(indices) == 1 or plane.of(request.shown_channels).shows_something:
            return plane
    return PlaneSample(request.source, indices[middle], region)


def _find_classes(runner: NetworkRunner, readers: Sequence[PlaneReader], progress: Progress) -> FoundNuclei:
    """Classify the pixels of all planes."""
    planes = [predict_classes(reader, runner, share) for reader, share in with_shares(readers, progress)]
    unused = thresholds_at(runner.card, 1.0)
    return FoundNuclei(np.stack(planes).astype(np.int32), np.zeros(0), None, unused, unused, 0.0)


# Two: a user who compares models goes back and forth between them.
@lru_cache(maxsize=2)
def _ready(path: Path, modified: int, device: Device) -> tuple[Model, nn.Module]:
    """Cache the last models and their networks on the device; ``modified`` makes a changed file be read again."""
    model = read_model(path)
    return model, place_network(model, device)


def notices_of_look(
    card: ModelCard, look: PlaneLook, readers: Sequence[PlaneReader], settings: SegmentSettings
) -> Iterator[str]:
    """Yield what was determined about the image, and what was left out of it."""
    if settings.channel_auto and look.channels == (named_channel(readers[0].source),):
        yield f"Of the channels '{look.name}' was taken, by its name."
    if any(reader.fill for reader in readers):
        yield "Blank areas, all black or all white, were left out."
    elif not all(reader.complete for reader in readers):
        yield "Some pixels are transparent, NaN or infinite; they were treated as background."
    if look.kind == "brightfield":
        how = f", stained with {look.name}" if look.stained else TURNED[look.signals[0].transform]
        yield f"Read as dark nuclei on bright{how}."
    elif readers[0].source.is_colour:
        yield f"Colour picture: read from the {look.name}."
    if card.task == "instances" and not card.reads_as_it_is and look.kind not in card.kinds:
        yield f"The model '{card.name}' was made for {card.image_kind} images; check the result."


def _refuse_thresholds(card: ModelCard, settings: SegmentSettings) -> None:
    """Raise SettingsError if there are settings that only nuclei obey."""
    chosen = [name for name in ("diameter", *TUNED) if not getattr(settings, f"{name}_auto")]
    if chosen:
        raise SettingsError(
            f"The model '{card.name}' predicts classes of pixels, on which {', '.join(chosen)} has no effect: leave "
            "that out, or choose a model for nuclei."
        )
