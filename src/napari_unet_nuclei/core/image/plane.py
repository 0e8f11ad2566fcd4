"""Prepare one plane for the network: compute the signals in which nuclei are bright, and normalise them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from napari_unet_nuclei.core.image.axes import ImageSource
from napari_unet_nuclei.core.image.fill import is_fill
from napari_unet_nuclei.core.image.normalise import IntensityRange
from napari_unet_nuclei.core.image.stain import HAEMATOXYLIN, optical_density, stain_density
from napari_unet_nuclei.core.image.steps import FittedSteps
from napari_unet_nuclei.core.types import Image, Mask, Region

ImageKind = Literal["fluorescence", "brightfield"]
"""Bright nuclei on a dark background, or dark nuclei on a bright one (transmitted light, stained or not)."""

Transform = Literal["intensity", "negative", "density", "haematoxylin"]


@dataclass(frozen=True)
class Signal:
    """How one input of the network is computed from the image's channels, so that nuclei are bright in it.

    Attributes
    ----------
    transform : {"intensity", "negative", "density", "haematoxylin"}
        The mean of the channels, its negative, the mean of their optical densities, or the haematoxylin separated from
        red, green and blue.
    channels : tuple of int
        Channels of the image; red, green and blue, in this order, for haematoxylin.
    """

    transform: Transform
    channels: tuple[int, ...]

    def of(self, pixels: Sequence[NDArray[np.floating]], white: float) -> NDArray[np.floating]:
        """Compute the signal (Y, X) from the pixels (Y, X) of its channels; ``white`` is the unabsorbed intensity."""
        if self.transform == "haematoxylin":
            return stain_density(np.stack([optical_density(one, white) for one in pixels]), HAEMATOXYLIN)
        if self.transform == "density":
            return _mean([optical_density(one, white) for one in pixels])
        mean = _mean(pixels)
        return -mean if self.transform == "negative" else mean


@dataclass(frozen=True)
class PlaneLook:
    """One way to read an image."""

    kind: ImageKind
    signals: tuple[Signal, ...]  # one per input of the network
    name: str  # name of the signal, for people
    white: float = 1.0  # intensity of unabsorbed light

    @property
    def channels(self) -> tuple[int, ...]:
        """Channels of the image that are read, once each."""
        return tuple(dict.fromkeys(channel for signal in self.signals for channel in signal.channels))

    @property
    def stained(self) -> bool:
        """True if stains are separated."""
        return any(signal.transform == "haematoxylin" for signal in self.signals)

    def read(self, source: ImageSource, index: tuple[int, ...], region: Region) -> NDArray[np.floating]:
        """Read the pixels of `channels` in a rectangle of a plane, (channels, Y, X)."""
        return np.stack([source.read(index, channel, region) for channel in self.channels])

    def signals_of(self, pixels: NDArray[np.floating], fill: tuple[float, ...] = ()) -> NDArray[np.floating]:
        """Compute the signals (C, Y, X) from the pixels of `channels`; NaN where these are fill or not finite."""
        of_channel = dict(zip(self.channels, pixels, strict=True))
        # Several inputs may read the same signal: compute it once.
        made = {one: one.of([of_channel[channel] for channel in one.channels], self.white) for one in set(self.signals)}
        signals = np.stack([made[one] for one in self.signals])
        # Infinities too: one of them would make percentiles and means infinite.
        signals[~np.isfinite(signals)] = np.nan
        if fill:
            signals[:, is_fill(pixels, fill)] = np.nan
        return signals


@dataclass(frozen=True)
class PlaneReader:
    """Read normalised signals of one plane, rectangle by rectangle."""

    source: ImageSource
    index: tuple[int, ...]  # which plane
    region: Region  # the part of the plane that is segmented; rectangles are relative to it
    look: PlaneLook
    ranges: tuple[IntensityRange | FittedSteps, ...]  # intensities that become 0 and 1, per signal
    fill: tuple[float, ...] = ()  # values that are fill in this plane
    complete: bool = True  # False if the sample held pixels without a picture: NaN, infinities or fill

    @property
    def shape(self) -> tuple[int, int]:
        """(Y, X) of the region in pixels."""
        y0, y1, x0, x1 = self.region
        return y1 - y0, x1 - x0

    def read(self, rectangle: Region, step: int = 1) -> Image:
        """Read a rectangle (relative to the region) as (C, Y, X) float32; 0 where there is no picture.

        Only every ``step``-th row and column is kept.
        """
        signals = self._signals(rectangle, step)
        normalised = [found.normalise(signal) for found, signal in zip(self.ranges, signals, strict=True)]
        return np.nan_to_num(np.stack(normalised), copy=False)

    def pictured(self, rectangle: Region) -> Mask:
        """Return which pixels (Y, X) of a rectangle (relative to the region) hold a picture."""
        return np.asarray(np.isfinite(self._signals(rectangle)).all(axis=0))

    def _signals(self, rectangle: Region, step: int = 1) -> NDArray[np.floating]:
        top, left = self.region[0], self.region[2]
        y0, y1, x0, x1 = rectangle
        within_plane = (top + y0, top + y1, left + x0, left + x1)
        pixels = self.look.read(self.source, self.index, within_plane)
        # Subsampled before signals are computed, which takes longer than reading.
        return self.look.signals_of(pixels[:, ::step, ::step], self.fill)


def _mean(pixels: Sequence[NDArray[np.floating]]) -> NDArray[np.floating]:
    if len(pixels) == 1:
        return np.array(pixels[0])  # a copy: the caller marks missing pixels in it
    return np.asarray(np.mean(pixels, axis=0))
