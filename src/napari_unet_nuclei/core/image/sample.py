"""A sample of a plane, read once for all that is told by it: its kind, its fill, and its intensities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from napari_unet_nuclei.core.image.axes import ImageSource
from napari_unet_nuclei.core.image.fill import find_fill, is_fill, near_fill
from napari_unet_nuclei.core.image.normalise import SAMPLE_PIXELS, IntensityRange, estimate_noise, intensity_range
from napari_unet_nuclei.core.image.plane import PlaneLook, PlaneReader, Signal
from napari_unet_nuclei.core.image.stain import full_scale
from napari_unet_nuclei.core.types import Region


@dataclass(frozen=True, eq=False)
class SampledChannels:
    """Some channels of a plane, in rows of it; what is told by them is found out once, when it is asked for."""

    pixels: NDArray[np.floating]  # as they are in the image, shape (C, rows, X)
    channels: tuple[int, ...]
    dtype: np.dtype[np.generic]  # of the image as stored
    _ranges: dict[tuple[Signal, float, tuple[float, float]], IntensityRange] = field(default_factory=dict)

    @cached_property
    def fill(self) -> tuple[float, ...]:
        """Values that stand for no picture where all of these channels have them."""
        return find_fill(self.pixels, self.dtype)

    @cached_property
    def complete(self) -> bool:
        """False where pixels hold no picture: NaN, infinities or fill."""
        return bool(np.isfinite(self.pixels).all()) and not is_fill(self.pixels, self.fill).any()

    @property
    def shows_something(self) -> bool:
        """False where all pixels have one value, as of a plane that was never taken."""
        known = self.pixels[np.isfinite(self.pixels)]
        return bool(known.size and known.min() < known.max())

    @cached_property
    def picture(self) -> NDArray[np.floating]:
        """The pixels; NaN where they hold no picture, or are blended with fill."""
        picture = self.pixels
        if not self.complete:
            picture = np.where(np.isfinite(picture), picture, np.nan)
            picture[:, near_fill(self.pixels, self.fill)] = np.nan
        return picture

    @cached_property
    def white(self) -> float:
        """Intensity that stands for white, as far as these channels tell."""
        known = np.isfinite(self.picture)
        return full_scale(self.dtype, float(self.picture.max(initial=0.0, where=known)) if known.any() else 1.0)

    @cached_property
    def grey(self) -> NDArray[np.floating]:
        """Mean of the channels, (rows, X)."""
        return np.asarray(np.mean(self.picture, axis=0))

    @cached_property
    def noise(self) -> float:
        """Standard deviation of the noise of `grey`."""
        return estimate_noise(self.grey)

    def range_of(self, signal: Signal, white: float, percentiles: tuple[float, float]) -> IntensityRange:
        """Tell which values of a signal of these channels become 0 and 1."""
        key = signal, white, percentiles
        if key not in self._ranges:
            one = signal.of([self.picture[self.channels.index(channel)] for channel in signal.channels], white)
            is_grey = signal.channels == self.channels and signal.transform in ("intensity", "negative")
            self._ranges[key] = intensity_range(one, percentiles, self.noise if is_grey else None)
        return self._ranges[key]


@dataclass(frozen=True, eq=False)
class PlaneSample:
    """A plane, or a region of it, of which a sample is kept."""

    source: ImageSource
    index: tuple[int, ...]  # which plane: one index per leading axis
    region: Region
    _read: dict[int, NDArray[np.floating]] = field(default_factory=dict)
    _sampled: dict[tuple[int, ...], SampledChannels] = field(default_factory=dict)

    @staticmethod
    def whole(source: ImageSource, index: tuple[int, ...] = ()) -> PlaneSample:
        """Return all of a plane."""
        height, width = source.plane_shape
        return PlaneSample(source, index, (0, height, 0, width))

    def of(self, channels: Sequence[int]) -> SampledChannels:
        """Read all rows of a small region, or regularly spaced ones of a large one, unless that was done before."""
        chosen = tuple(channels)
        if chosen not in self._sampled:
            pixels = np.stack([self._rows_of(channel) for channel in chosen])
            self._sampled[chosen] = SampledChannels(pixels, chosen, np.dtype(self.source.array.dtype))
        return self._sampled[chosen]

    def _rows_of(self, channel: int) -> NDArray[np.floating]:
        if channel not in self._read:
            rows = sampled_rows(self.region)
            self._read[channel] = np.concatenate([self.source.read(self.index, channel, one) for one in rows])
        return self._read[channel]

    def open(self, look: PlaneLook, percentiles: tuple[float, float]) -> PlaneReader:
        """Return a reader of the plane's signals, of which the percentiles become 0 and 1."""
        sampled = self.of(look.channels)
        ranges = tuple(sampled.range_of(signal, look.white, percentiles) for signal in look.signals)
        return PlaneReader(self.source, self.index, self.region, look, ranges, sampled.fill, sampled.complete)


def sampled_rows(region: Region) -> tuple[Region, ...]:
    """Divide a region into rectangles to be read for a sample of at most about `SAMPLE_PIXELS` pixels.

    Whole rows, because the noise is told from neighbouring pixels, and some at a time, because storage is chunked.
    """
    y0, y1, x0, x1 = region
    step = max(1, -(-(y1 - y0) * (x1 - x0) // SAMPLE_PIXELS))
    if step == 1:
        return (region,)
    block = 4
    middle = max((y0 + y1 - block) // 2, y0)  # all there is of a plane of few, very long rows
    starts = range(y0 + step * block // 2, y1 - block, step * block) or (middle,)
    return tuple((y, min(y + block, y1), x0, x1) for y in starts)
