"""Prepare intensities step by step, as a network from elsewhere wants them: the processing steps of BioImage.IO.

Steps that measure an image (percentiles, mean) are first fitted to a sample of it. What comes of that is pointwise, so
that a plane can be read rectangle by rectangle.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, RootModel

Finite = Annotated[float, Field(allow_inf_nan=False)]
Percentile = Annotated[float, Field(ge=0, le=100)]
Epsilon = Annotated[float, Field(gt=0, le=0.1)]
Pixels: TypeAlias = NDArray[np.float64]
PerChannel = Annotated[tuple[Finite, ...], Field(min_length=1, max_length=64)]
"""One value for all channels, or one for each."""


class _Step(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Linear(_Step):
    """Subtract, then divide: large offsets cost no precision so."""

    step: Literal["linear"] = "linear"
    subtracted: PerChannel
    divisor: PerChannel

    def apply(self, pixels: Pixels, channel: int = 0) -> Pixels:
        """Return the pixels of a channel, scaled."""
        return (pixels - _of(self.subtracted, channel)) / _of(self.divisor, channel)


class Clip(_Step):
    """Limit values."""

    step: Literal["clip"] = "clip"
    low: PerChannel | None = None
    high: PerChannel | None = None

    def apply(self, pixels: Pixels, channel: int = 0) -> Pixels:
        """Return the pixels of a channel, none below or above its limits."""
        low, high = (None if limits is None else _of(limits, channel) for limits in (self.low, self.high))
        return pixels if low is None and high is None else np.clip(pixels, low, high)


class Threshold(_Step):
    """1 above a value, else 0."""

    step: Literal["threshold"] = "threshold"
    values: PerChannel

    def apply(self, pixels: Pixels, channel: int = 0) -> Pixels:
        """Return which pixels of a channel lie above its threshold; NaN stays."""
        return np.where(np.isnan(pixels), pixels, pixels > _of(self.values, channel))


class Sigmoid(_Step):
    """The logistic function."""

    step: Literal["sigmoid"] = "sigmoid"

    def apply(self, pixels: Pixels, channel: int = 0) -> Pixels:
        """Return 1 / (1 + exp(-x))."""
        return np.asarray((1 + np.tanh(pixels / 2)) / 2)  # which never overflows


class Whole(_Step):
    """Whole numbers of a type: towards zero, and within its limits."""

    step: Literal["whole"] = "whole"
    dtype: Literal["uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64"]

    def apply(self, pixels: Pixels, channel: int = 0) -> Pixels:
        """Return the pixels without their fractions."""
        limits = np.iinfo(self.dtype)
        return np.clip(np.trunc(pixels), limits.min, limits.max)


Pointwise = Annotated[Linear | Clip | Threshold | Sigmoid | Whole, Field(discriminator="step")]


class Range(_Step):
    """Percentiles of the image become 0 and 1."""

    step: Literal["range"] = "range"
    low: Percentile = 0.0
    high: Percentile = 100.0
    eps: Epsilon = 1e-6
    together: bool = Field(False, description="Measure all channels as one.")

    def fit(self, sample: Pixels) -> Linear:
        """Measure a sample (C, pixels); NaN is left out."""
        low, high = _percentiles(sample, (self.low, self.high), "linear", self.together)
        return Linear(subtracted=tuple(low), divisor=tuple(high - low + self.eps))


class Standard(_Step):
    """Mean 0, standard deviation 1."""

    step: Literal["standard"] = "standard"
    eps: Epsilon = 1e-6
    together: bool = Field(False, description="Measure all channels as one.")

    def fit(self, sample: Pixels) -> Linear:
        """Measure a sample (C, pixels); NaN is left out."""
        parts = _known(sample, self.together)
        return Linear(
            subtracted=tuple(float(one.mean()) for one in parts),
            divisor=tuple(float(one.std()) + self.eps for one in parts),
        )


class ClipRange(_Step):
    """Limit values to percentiles of the image."""

    step: Literal["clip range"] = "clip range"
    low: Percentile = 0.0
    high: Percentile = 100.0
    together: bool = Field(True, description="Measure all channels as one.")

    def fit(self, sample: Pixels) -> Clip:
        """Measure a sample (C, pixels); NaN is left out."""
        low, high = _percentiles(sample, (self.low, self.high), "inverted_cdf", self.together)
        return Clip(low=tuple(low), high=tuple(high))


Step = Annotated[
    Linear | Clip | Threshold | Sigmoid | Whole | Range | Standard | ClipRange, Field(discriminator="step")
]


class FittedSteps(_Step):
    """Pointwise steps of one channel, in place of an `IntensityRange`."""

    steps: tuple[Pointwise, ...]
    channel: int = Field(0, ge=0)

    def normalise(self, pixels: NDArray[np.floating]) -> NDArray[np.float32]:
        """Take all steps (float32, same shape)."""
        # In 64 bits: a network may want what is left of large numbers.
        taken = pixels.astype(np.float64)
        for step in self.steps:
            taken = step.apply(taken, self.channel)
        return taken.astype(np.float32)


class Steps(RootModel[tuple[Step, ...]]):
    """Steps in the order in which they are taken."""

    model_config = ConfigDict(frozen=True)

    def fit(self, sample: Sequence[NDArray[np.floating]]) -> tuple[FittedSteps, ...]:
        """Fit the steps to a sample of an image, channel by channel of any shape, NaN where there is no picture."""
        pixels = np.stack([np.ravel(one) for one in sample]).astype(np.float64)
        fitted: list[Linear | Clip | Threshold | Sigmoid | Whole] = []
        for step in self.root:
            made = step.fit(pixels) if isinstance(step, Range | Standard | ClipRange) else step
            pixels = np.stack([made.apply(one, channel) for channel, one in enumerate(pixels)])
            fitted.append(made)
        return tuple(FittedSteps(steps=tuple(fitted), channel=channel) for channel in range(len(pixels)))


def _of(values: tuple[float, ...], channel: int) -> float:
    return values[channel] if len(values) > 1 else values[0]


def _known(sample: Pixels, together: bool) -> list[Pixels]:
    """Return the known pixels of every channel, or of all; a single 0 where there are none."""
    parts = [sample.ravel()] if together else list(sample)
    known = (one[np.isfinite(one)] for one in parts)
    return [one if one.size else np.zeros(1) for one in known]


def _percentiles(
    sample: Pixels, percentiles: tuple[float, float], method: Literal["linear", "inverted_cdf"], together: bool
) -> tuple[Pixels, Pixels]:
    """Return the lower and the upper percentile of every channel, or of all."""
    found = np.array([np.percentile(one, percentiles, method=method) for one in _known(sample, together)])
    return found[:, 0], found[:, 1]
