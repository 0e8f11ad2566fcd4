"""One plane made ready for the network: which channel, which way up, and which intensities become 0 and 1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from napari_unet_nuclei.core.errors import ImageShapeError
from napari_unet_nuclei.core.image.axes import ImageSource
from napari_unet_nuclei.core.image.normalise import SAMPLE_PIXELS, IntensityRange, estimate_noise, intensity_range
from napari_unet_nuclei.core.types import Image, Region

BLUE = 2
"""In colour pictures nuclear stains are shown in blue by custom, so blue wins where it has signal."""

BLUE_SHARE = 0.3
"""Blue is used where its signal is at least this share of the strongest colour's."""

COLOURLESS = 0.02
"""Colours that differ by less than this share of their range are a grey picture."""

Invert = Literal["auto", "yes", "no"]

ImageKind = Literal["fluorescence", "stained"]
"""Bright nuclei on a dark background, or dark ones on a bright background."""


@dataclass(frozen=True)
class PlaneReader:
    """Reads normalised pixels of one plane, rectangle by rectangle.

    Attributes
    ----------
    source : ImageSource
    index : tuple of int
        Which plane.
    channels : tuple of int
        Channel for each input of the network; -1 for the mean of all colours.
    region : Region
        The part of the plane that is segmented; rectangles are relative to it.
    ranges : tuple of IntensityRange
        What becomes 0 and 1, for each of them.
    inverted : bool
        Nuclei are dark and are turned bright.
    finite : bool
        False where the sample held NaN or infinities.
    """

    source: ImageSource
    index: tuple[int, ...]
    channels: tuple[int, ...]
    region: Region
    ranges: tuple[IntensityRange, ...]
    inverted: bool
    finite: bool

    @property
    def shape(self) -> tuple[int, int]:
        """(Y, X) of the region in pixels."""
        y0, y1, x0, x1 = self.region
        return y1 - y0, x1 - x0

    def read(self, rectangle: Region) -> Image:
        """Read a rectangle (relative to the region) as (C, Y, X) float32; pixels that are not finite become 0."""
        top, left = self.region[0], self.region[2]
        y0, y1, x0, x1 = rectangle
        wanted = (top + y0, top + y1, left + x0, left + x1)
        ranges = dict(zip(self.channels, self.ranges, strict=True))
        read = {channel: self._read_channel(channel, one, wanted) for channel, one in ranges.items()}
        return np.stack([read[channel] for channel in self.channels])

    def _read_channel(self, channel: int, found: IntensityRange, region: Region) -> NDArray[np.float32]:
        pixels = read_channel(self.source, self.index, channel, region)
        normalised = found.normalise(pixels)
        if self.inverted:
            normalised = 1 - normalised
        return np.where(np.isfinite(pixels), normalised, np.float32(0))


@dataclass(frozen=True)
class PlaneLook:
    """What a first look at a plane tells.

    Attributes
    ----------
    channels : tuple of int
        For each input of the network the channel that it reads; -1 for the mean of all colours.
    channel_name : str
    inverted : bool
        The background is brighter than what lies on it.
    """

    channels: tuple[int, ...]
    channel_name: str
    inverted: bool

    @property
    def kind(self) -> ImageKind:
        """Kind of image, by its background."""
        return "stained" if self.inverted else "fluorescence"


def read_channel(source: ImageSource, index: tuple[int, ...], channel: int, region: Region) -> NDArray[np.floating]:
    """Read one channel, or the mean of all colours where ``channel`` is -1, as (Y, X)."""
    if channel >= 0:
        return source.read(index, channel, region)
    return np.asarray(np.mean([source.read(index, colour, region) for colour in range(source.channels)], axis=0))


def sample_pixels(source: ImageSource, index: tuple[int, ...], channel: int, region: Region) -> NDArray[np.floating]:
    """Read all rows of a small region, or regularly spaced ones of a large one, as (rows, X).

    Whole rows, because the noise is told from neighbouring pixels.
    """
    y0, y1, x0, x1 = region
    step = max(1, -(-(y1 - y0) * (x1 - x0) // SAMPLE_PIXELS))
    if step == 1:
        return read_channel(source, index, channel, region)
    block = 4  # rows that are read together: storage is chunked, and one row costs as much as a few
    middle = max((y0 + y1 - block) // 2, y0)  # all there is of a plane of few, very long rows
    starts = range(y0 + step * block // 2, y1 - block, step * block) or (middle,)
    return np.concatenate([read_channel(source, index, channel, (y, min(y + block, y1), x0, x1)) for y in starts])


def look_at(
    source: ImageSource,
    index: tuple[int, ...],
    region: Region,
    channel: int | None = None,
    invert: Invert = "auto",
    inputs: int = 1,
) -> PlaneLook:
    """Find out which channels the network reads and whether nuclei are dark.

    Parameters
    ----------
    source : ImageSource
    index : tuple of int
        The plane to look at.
    region : Region
    channel : int, optional
        As the user says; found out where not given.
    invert : {"auto", "yes", "no"}
    inputs : int
        Channels that the network takes at once. More than one are the image's own; one channel is repeated.

    Raises
    ------
    ImageShapeError
        If there is no such channel, if there are several channels and none was chosen, or if the image has other
        channels than the network takes.
    """
    if channel is not None and channel >= source.channels:
        raise ImageShapeError(f"There is no channel {channel}: the image has {source.channels}, counted from 0.")
    if channel is not None or source.channels == 1:
        chosen, name = channel or 0, source.channel_name(channel or 0)
    elif inputs > 1:
        return _look_at_all(source, index, region, invert, inputs)
    elif source.is_colour:
        chosen, name = _colour_channel(source, index, region, invert)
    else:
        raise ImageShapeError(f"The image has {source.channels} channels. Choose the one that shows the nuclei.")
    return PlaneLook((chosen,) * inputs, name, _is_inverted(sample_pixels(source, index, chosen, region), invert))


def _look_at_all(source: ImageSource, index: tuple[int, ...], region: Region, invert: Invert, inputs: int) -> PlaneLook:
    """Give the network all channels; all are turned, or none is."""
    if source.channels != inputs:
        raise ImageShapeError(f"The image has {source.channels} channels, and the model takes {inputs} at once.")
    mean = sample_pixels(source, index, -1, region)
    name = "all colours" if source.is_colour else "all channels"
    return PlaneLook(tuple(range(inputs)), name, _is_inverted(mean, invert))


def _is_inverted(sample: NDArray[np.floating], invert: Invert) -> bool:
    return has_bright_background(sample) if invert == "auto" else invert == "yes"


def open_plane(
    source: ImageSource, index: tuple[int, ...], region: Region, look: PlaneLook, percentiles: tuple[float, float]
) -> PlaneReader:
    """Measure a plane's intensities, channel by channel, and return its reader."""
    samples = {channel: sample_pixels(source, index, channel, region) for channel in set(look.channels)}
    finite = {channel: np.isfinite(sample) for channel, sample in samples.items()}
    ranges = {
        channel: _range(sample, finite[channel], look.inverted, percentiles) for channel, sample in samples.items()
    }
    everywhere = all(bool(mask.all()) for mask in finite.values())
    found = tuple(ranges[channel] for channel in look.channels)
    return PlaneReader(source, index, look.channels, region, found, look.inverted, everywhere)


def _range(
    sample: NDArray[np.floating], finite: NDArray[np.bool_], inverted: bool, percentiles: tuple[float, float]
) -> IntensityRange:
    """Find what becomes 0 and 1 before a channel is turned."""
    if not finite.all():
        # Background, so that neither percentiles nor the noise are led astray.
        sample = np.where(finite, sample, np.median(sample[finite]) if finite.any() else 0)
    lower, upper = percentiles
    found = intensity_range(sample, (100 - upper, 100 - lower) if inverted else percentiles)
    if not inverted:
        return found
    # The noise floor widens the range upwards; for dark nuclei it must widen it downwards.
    high = float(np.percentile(sample, 100 - lower)) if sample.size else found.high
    return IntensityRange(high - (found.high - found.low), high)


def has_bright_background(sample: NDArray[np.floating]) -> bool:
    """Tell whether objects are dark on a bright background.

    The background is what most pixels share: the fullest of 64 bins of the histogram lies above the middle of the
    intensities, and so does the median. Images without contrast beyond their noise are taken as dark.
    """
    sample = sample[np.isfinite(sample)] if not np.isfinite(sample).all() else sample
    if sample.size == 0:
        return False
    low, median, high = np.percentile(sample, (0.2, 50, 99.8))
    rows = sample if sample.ndim == 2 else sample[np.newaxis]
    if high - low <= 8 * estimate_noise(rows):
        return False
    counts, edges = np.histogram(sample, bins=64, range=(low, high))
    mode = edges[int(counts.argmax())]
    middle = (low + high) / 2
    return bool(mode > middle and median > middle)


def _colour_channel(source: ImageSource, index: tuple[int, ...], region: Region, invert: Invert) -> tuple[int, str]:
    """Choose the colour with the nuclei: on a dark background one colour, else the mean of all."""
    samples = np.stack([sample_pixels(source, index, colour, region) for colour in range(source.channels)])
    samples = samples[:, np.isfinite(samples).all(axis=0)]
    if samples.size == 0:
        return -1, "mean of all colours"
    mean = np.mean(samples, axis=0)
    spread = float(np.ptp(mean))
    grey = all(np.abs(sample - mean).mean() <= COLOURLESS * spread for sample in samples)
    bright = has_bright_background(mean) if invert == "auto" else invert == "yes"
    if grey or bright or source.channels < 3:
        return -1, "mean of all colours"
    signal = [float(np.subtract(*np.percentile(sample, (99.8, 1)))) for sample in samples]
    strongest = int(np.argmax(signal))
    chosen = BLUE if signal[BLUE] >= BLUE_SHARE * signal[strongest] else strongest
    return chosen, source.channel_name(chosen)
