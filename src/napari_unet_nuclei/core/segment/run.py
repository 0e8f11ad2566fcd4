"""Segment an image: the one engine behind window, command line and Python."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from torch import nn

from napari_unet_nuclei.core.errors import ImageShapeError
from napari_unet_nuclei.core.image.axes import guess_axes
from napari_unet_nuclei.core.image.channels import named_channel
from napari_unet_nuclei.core.image.io.image_file import named_source
from napari_unet_nuclei.core.image.kind import possible_looks
from napari_unet_nuclei.core.image.pixel_size import PixelSize
from napari_unet_nuclei.core.image.plane import ImageKind, PlaneLook, PlaneReader, Transform, open_plane, sample_pixels
from napari_unet_nuclei.core.labels.decode import TUNED
from napari_unet_nuclei.core.model.card import ModelCard
from napari_unet_nuclei.core.model.device import Device, choose_device
from napari_unet_nuclei.core.model.file import Model, read_model
from napari_unet_nuclei.core.model.registry import AUTOMATIC, default_registry
from napari_unet_nuclei.core.progress import Advanced, Notice, Progress, Rising, Silent
from napari_unet_nuclei.core.segment.classes import classify
from napari_unet_nuclei.core.segment.evidence import ChosenLook, choose_look
from napari_unet_nuclei.core.segment.network_runner import NetworkRunner, place_network
from napari_unet_nuclei.core.segment.nuclei import FoundNuclei, find_nuclei, given_diameter
from napari_unet_nuclei.core.segment.predict import thresholds_at
from napari_unet_nuclei.core.segment.provenance import describe_run
from napari_unet_nuclei.core.segment.remedy import remedies
from napari_unet_nuclei.core.segment.request import SegmentRequest
from napari_unet_nuclei.core.segment.result import SegmentResult
from napari_unet_nuclei.core.settings import SegmentSettings
from napari_unet_nuclei.core.types import AnyArray, Region

TURNED: dict[Transform, str] = {
    "density": ", from its optical density",
    "negative": ": the image was inverted",
}
"""How grey nuclei on a bright background were made bright, after the words that say the kind of image."""


def segment(
    image: AnyArray | Sequence[AnyArray],
    model: str = AUTOMATIC,
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
    """Segment the nuclei of an image, or tell the class of every pixel where the model is one for classes.

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
    channel_names, channel_colours : sequence of str
        One per channel, where they are known: a channel called DAPI is found, and red, green and blue over a bright
        background are a colour picture.
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
        Its ``labels`` are int32, shape leading axes + (Y, X): 0 for background and ids of nuclei from 1, or class ids
        from 0 whose names are ``classes``.

    Raises
    ------
    NucleiError
        With a message that says what to do: wrong axes, unknown model, a setting out of bounds, no memory.
    """
    array: AnyArray = image[level] if isinstance(image, Sequence) else image
    source = named_source(
        array, axes or guess_axes(tuple(array.shape), array.dtype), tuple(channel_names), tuple(channel_colours)
    )
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
    region = checked_region(request)
    indices = tuple(source.plane_indices(request.plane))
    if not indices or len(request.plane) > len(source.leading_axes):
        raise ImageShapeError(f"There is no plane {request.plane} in an image of shape {tuple(source.array.shape)}.")
    entry = default_registry().find(request.model)
    device = choose_device(settings.device).using(request.number_format)
    model, placed = _ready(entry.path, entry.path.stat().st_mtime_ns, device)
    runner = NetworkRunner(model, device, settings.tile, settings.flips, placed=placed)
    deciding = deciding_plane(request, indices, region)
    chosen = look_at_image(request, deciding, region, runner, progress)
    look, runner = chosen.look, runner.for_kind(chosen.look.kind)
    model = runner.model
    readers = [open_plane(source, index, region, look, model.card.percentiles) for index in indices]
    found = _find(request, runner, readers, progress, indices.index(deciding), chosen.estimate)
    semantic = model.card.task == "semantic"
    count = int(found.labels.max(initial=0))
    told = () if semantic else remedies(count, look.kind, chosen.sure, settings.kind != "auto")
    warnings = tuple(remedy.text for remedy in told)
    notices = (*_notices(runner, readers, look, found, settings), *warnings)
    for notice in notices:
        progress.report(Notice(notice, warning=notice in warnings))
    progress.report(Advanced(1.0, "done"))
    shape = _labels_shape(request, region)
    return SegmentResult(
        labels=found.labels.reshape(shape),
        scores=found.scores,
        axes=source.leading_axes + "YX",
        origin=_origin(request, region),
        maps=found.maps,
        thresholds=found.thresholds,
        model_thresholds=found.model_thresholds,
        diameter=found.diameter,
        model=model.card.name,
        device=f"{runner.device.name} ({runner.device.title})",
        channel=look.name,
        kind=look.kind,
        remedies=told,
        notices=notices,
        seconds=time.monotonic() - started,
        provenance=describe_run(request, model.card, look, runner.device, found.diameter, readers),
        classes=model.card.classes,
    )


def look_at_image(
    request: SegmentRequest, index: tuple[int, ...], region: Region, runner: NetworkRunner, progress: Progress
) -> ChosenLook:
    """Find out how a model sees the image that it is asked to segment.

    Parameters
    ----------
    request : SegmentRequest
    index : tuple of int
        The plane that decides for all.
    region : Region
    runner : NetworkRunner
        Of the model.
    progress : Progress
        May cancel.

    Raises
    ------
    ImageShapeError
        If there is no such channel, or several and none was chosen.
    """
    settings, card = request.settings, runner.card
    # Networks for classes were trained on images as they are, bright backgrounds and dark ones.
    as_it_is = card.task == "semantic" and settings.kind == "auto"
    kind = "fluorescence" if as_it_is else settings.kind
    looks = possible_looks(request.source, index, region, request.channel, kind, card.network_inputs)
    if card.task == "semantic":
        return ChosenLook(looks[0])
    diameter = 0.0 if settings.diameter_auto else given_diameter(request, card.diameter)
    return choose_look(looks, request.source, index, region, runner, progress, diameter)


def evident_kind(request: SegmentRequest) -> ImageKind | None:
    """Tell the kind of an image that shows it beyond doubt, without the network; None where doubt is left.

    Raises
    ------
    NucleiError
        As `run_segment`, for images and models that cannot be used.
    """
    indices = tuple(request.source.plane_indices(request.plane))
    if not indices:
        return None
    inputs = default_registry().find(request.model).card.network_inputs
    region = checked_region(request)
    index = deciding_plane(request, indices, region)
    kinds = {look.kind for look in possible_looks(request.source, index, region, request.channel, "auto", inputs)}
    return kinds.pop() if len(kinds) == 1 else None


def deciding_plane(request: SegmentRequest, indices: Sequence[tuple[int, ...]], region: Region) -> tuple[int, ...]:
    """Choose the plane that decides for all how the image is read and how large its nuclei are.

    It is the middle one, or where that one was never taken, and has one value everywhere, the next to it that shows
    something.
    """
    middle = len(indices) // 2
    if len(indices) == 1:
        return indices[middle]
    channels = request.shown_channels
    for place in sorted(range(len(indices)), key=lambda one: abs(one - middle)):
        pixels = sample_pixels(request.source, indices[place], channels, region)
        known = pixels[np.isfinite(pixels)]
        if known.size and known.min() < known.max():
            return indices[place]
    return indices[middle]


def _find(
    request: SegmentRequest,
    runner: NetworkRunner,
    readers: Sequence[PlaneReader],
    progress: Progress,
    decides: int,
    estimate: float,
) -> FoundNuclei:
    """Find nuclei, or classes in their place."""
    if runner.card.task == "instances":
        return find_nuclei(request, runner, readers, progress, decides, estimate)
    unused = thresholds_at(runner.card, 1.0)
    return FoundNuclei(classify(runner, readers, progress), np.zeros(0), None, unused, unused, 0.0)


@lru_cache(maxsize=2)
def _ready(path: Path, modified: int, device: Device) -> tuple[Model, nn.Module]:
    """Keep the last models in memory, and their networks on the device; a file that changed is read again."""
    model = read_model(path)
    return model, place_network(model, device)


def checked_region(request: SegmentRequest) -> Region:
    """Return the rectangle of pixels that a request means.

    Raises
    ------
    ImageShapeError
        If it does not lie in the plane.
    """
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


def _notices(
    runner: NetworkRunner,
    readers: Sequence[PlaneReader],
    look: PlaneLook,
    found: FoundNuclei,
    settings: SegmentSettings,
) -> tuple[str, ...]:
    """What the user should know about this run."""
    notices = list(runner.notices)
    notices += notices_of_look(look, readers, settings)
    of_task = _notices_of_classes if runner.card.task == "semantic" else _notices_of_nuclei
    return (*notices, *of_task(runner.card, readers[0], look, found, settings))


def notices_of_look(look: PlaneLook, readers: Sequence[PlaneReader], settings: SegmentSettings) -> Iterator[str]:
    """Say what was found out about the image, and what was left out of it."""
    if settings.channel_auto and look.channels == (named_channel(readers[0].source),):
        yield f"Of the channels '{look.name}' was taken, by its name."
    if any(reader.fill for reader in readers):
        yield "Blank areas, all black or all white, were left out."
    elif not all(reader.complete for reader in readers):
        yield "Some pixels are NaN or infinite; they were treated as background."
    if look.kind == "brightfield":
        how = f", stained with {look.name}" if look.stained else TURNED[look.signals[0].transform]
        yield f"Read as dark nuclei on bright{how}."
    elif readers[0].source.is_colour:
        yield f"Colour picture: read from the {look.name}."


def _notices_of_nuclei(
    card: ModelCard, reader: PlaneReader, look: PlaneLook, found: FoundNuclei, settings: SegmentSettings
) -> Iterator[str]:
    if look.kind not in card.kinds:
        yield f"The model '{card.name}' was made for {card.image_kind} images; check the result."
    if found.maps is None:
        yield "The image is too large to keep the network's maps; thresholds act on the current view."


def _notices_of_classes(
    card: ModelCard, reader: PlaneReader, look: PlaneLook, found: FoundNuclei, settings: SegmentSettings
) -> Iterator[str]:
    if not all(getattr(settings, f"{name}_auto") for name in ("diameter", *TUNED)):
        yield f"The model '{card.name}' tells classes, on which diameter, thresholds and minimum size do not act."
