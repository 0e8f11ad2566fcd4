"""A sample of a plane, read once, from which its kind, its fill and its intensities are determined."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from napari_unet_nuclei.core.image.axes import ImageSource
from napari_unet_nuclei.core.image.fill import find_fill, is_fill, near_fill
from napari_unet_nuclei.core.image.normalise import (
    SAMPLE_PIXELS,
    IntensityRange,
    estimate_noise,
    intensity_range,
    resolution,
)
from napari_unet_nuclei.core.image.plane import PlaneLook, PlaneReader, Signal
from napari_unet_nuclei.core.image.stain import full_scale
from napari_unet_nuclei.core.image.steps import FittedSteps, Steps
from napari_unet_nuclei.core.types import Region

Scaling: TypeAlias = tuple[float, float] | Steps
"""How a network wants intensities: percentiles that become 0 and 1, or steps to be taken."""

BLOCK_ROWS = 4
"""Neighbouring rows read at a time for a sample: fewer reads of storage, which is chunked, than single rows."""


@dataclass(frozen=True, eq=False)
class SampledChannels:
    """Some channels of a plane, in some of its rows; what follows from them is computed once, when first needed."""

    pixels: NDArray[np.floating]  # as stored, shape (C, rows, X)
    channels: tuple[int, ...]
    dtype: np.dtype[np.generic]  # of the image as stored
    _ranges: dict[tuple[Signal, float, tuple[float, float]], IntensityRange] = field(default_factory=dict)

    @cached_property
    def fill(self) -> tuple[float, ...]:
        """Values that mean "no picture" where all of these channels have them."""
        return find_fill(self.pixels, self.dtype)

    @cached_property
    def complete(self) -> bool:
        """False if some pixels hold no picture: NaN, infinities or fill."""
        return bool(np.isfinite(self.pixels).all()) and not is_fill(self.pixels, self.fill).any()

    @property
    def shows_something(self) -> bool:
        """False if all pixels are equal up to rounding, as in a plane that was never acquired."""
        known = self.pixels[np.isfinite(self.pixels)]
        if not known.size:
            return False
        low, high = float(known.min()), float(known.max())
        return high - low > resolution(low, high, known.dtype)

    @cached_property
    def picture(self) -> NDArray[np.floating]:
        """The pixels; NaN if they hold no picture, or are blended with fill."""
        picture = self.pixels
        if not self.complete:
            picture = np.where(np.isfinite(picture), picture, np.nan)
            picture[:, near_fill(self.pixels, self.fill)] = np.nan
        return picture

    @cached_property
    def white(self) -> float:
        """Intensity of white, estimated from the brightest pixel of these channels."""
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
        """Return the values of a signal of these channels that become 0 and 1."""
        key = signal, white, percentiles
        if key not in self._ranges:
            one = signal.of([self.picture[self.channels.index(channel)] for channel in signal.channels], white)
            # The noise of their mean is known already; its sign changes nothing, any other transform does.
            is_grey = signal.channels == self.channels and signal.transform in ("intensity", "negative")
            self._ranges[key] = intensity_range(one, percentiles, self.noise if is_grey else None)
        return self._ranges[key]


@dataclass(frozen=True, eq=False)
class PlaneSample:
    """A plane, or a region of it, and the samples of its channels."""

    source: ImageSource
    index: tuple[int, ...]  # which plane: one index per leading axis
    region: Region
    _read: dict[int, NDArray[np.floating]] = field(default_factory=dict)
    _sampled: dict[tuple[int, ...], SampledChannels] = field(default_factory=dict)

    @staticmethod
    def whole(source: ImageSource, index: tuple[int, ...] = ()) -> PlaneSample:
        """Return a sample of a whole plane."""
        height, width = source.plane_shape
        return PlaneSample(source, index, (0, height, 0, width))

    def of(self, channels: Sequence[int]) -> SampledChannels:
        """Return all rows of a small region, or regularly spaced ones of a large one; they are read once."""
        chosen = tuple(channels)
        if chosen not in self._sampled:
            # Channels are kept one by one, because several choices of them share the same.
            pixels = np.stack([self._rows_of(channel) for channel in chosen])
            self._sampled[chosen] = SampledChannels(pixels, chosen, np.dtype(self.source.array.dtype))
        return self._sampled[chosen]

    def _rows_of(self, channel: int) -> NDArray[np.floating]:
        if channel not in self._read:
            rows = sampled_rows(self.region)
            self._read[channel] = np.concatenate([self.source.read(self.index, channel, one) for one in rows])
        return self._read[channel]

    def open(self, look: PlaneLook, scaling: Scaling) -> PlaneReader:
        """Return a reader of the plane's signals, scaled by what this sample of them shows."""
        sampled = self.of(look.channels)
        ranges: tuple[IntensityRange | FittedSteps, ...]
        if isinstance(scaling, Steps):
            ranges = scaling.fit(signals_of(dict(zip(look.channels, sampled.picture, strict=True)), look))
        else:
            ranges = tuple(sampled.range_of(signal, look.white, scaling) for signal in look.signals)
        return PlaneReader(self.source, self.index, self.region, look, ranges, sampled.fill, sampled.complete)


def signals_of(pictures: Mapping[int, NDArray[np.floating]], look: PlaneLook) -> list[NDArray[np.floating]]:
    """Return the signals of a look in samples of its channels."""
    return [signal.of([pictures[channel] for channel in signal.channels], look.white) for signal in look.signals]


def sampled_rows(region: Region) -> tuple[Region, ...]:
    """Return the rectangles of a region that make up a sample of at most about `SAMPLE_PIXELS` pixels.

    Whole rows, because noise is estimated from neighbouring pixels, several at a time, because storage is chunked.
    """
    y0, y1, x0, x1 = region
    step = max(1, -(-(y1 - y0) * (x1 - x0) // SAMPLE_PIXELS))
    if step == 1:
        return (region,)
    # A plane of few, very long rows has room for one block, in its middle.
    middle = max((y0 + y1 - BLOCK_ROWS) // 2, y0)
    # Half a step from the top, so that the sample is centred.
    starts = range(y0 + step * BLOCK_ROWS // 2, y1 - BLOCK_ROWS, step * BLOCK_ROWS) or (middle,)
    return tuple((y, min(y + BLOCK_ROWS, y1), x0, x1) for y in starts)
