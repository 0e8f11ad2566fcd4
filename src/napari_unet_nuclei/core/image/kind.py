"""List the possible readings of an image: its kind of light, and the channel or stain that shows the nuclei.

Most pictures have one reading, some two or three. Then the nuclei decide: as the network finds them
(`core.segment.evidence`), or as they are labelled (`core.train.reading`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_unet_nuclei.core.errors import ImageShapeError
from napari_unet_nuclei.core.image.axes import ImageSource
from napari_unet_nuclei.core.image.channels import channels_text, find_channel, named_channel, open_channel_text
from napari_unet_nuclei.core.image.normalise import resolution
from napari_unet_nuclei.core.image.plane import ImageKind, PlaneLook, Signal, Transform
from napari_unet_nuclei.core.image.sample import PlaneSample, SampledChannels
from napari_unet_nuclei.core.image.stain import DARKEST, optical_density
from napari_unet_nuclei.core.types import Labels, Mask, Region

ChosenKind: TypeAlias = Literal["auto"] | ImageKind
"""As chosen by the user."""

InputName = Literal["nuclei", "density"]
"""Content of a network input: the nuclear signal, or, in colour pictures of transmitted light, the density of all
stains together."""

COLOURLESS = 0.02
"""A picture is grey if its colours differ from their mean by less than this share of the range."""

DARK_BACKGROUND = 0.13
"""Share of white: the background of colour fluorescence is darker, that of transmitted light brighter. Measured as the
median over pixels of the brightest colour: in more than 800 pictures it was 0 to 0.11 for fluorescence, and 0.2 to 0.94
for stained tissue; the darkest of these were badly underexposed."""

DARK_SHARE = 0.4
"""The same median as a share of the brightest parts: larger for transmitted light than for fluorescence."""

BRIGHTEST = 99.5
"""Percentile that stands for the brightest parts: glare and hot pixels lie above it."""

ABSENT_COLOUR = 0.2
"""If the palest parts are darker than this in one of the colours, as a share of the brightest parts, that colour is
absent, which happens only in fluorescence: where transmitted light passes freely, it is bright in all colours. It was
0.30 to 1 in 639 pictures of tissue."""

PALEST = 90.0
"""Percentile of the darkest colour that stands for the palest parts: scale bars and time stamps lie above it."""

EIGHT_BITS = 255.0
"""White of 8-bit pictures, which have no significant camera offset."""

MOSTLY_PICTURE = 0.5
"""The background decides the kind of a colour picture if more than this share of the picture is not fill."""

BROWN, BROWN_DENSITY, BROWN_SHARE = 1.2, 0.15, 0.02
"""A pixel is brown if its optical density in blue exceeds `BROWN` times that in green, which exceeds `BROWN_DENSITY`;
pictures of immunohistochemistry have more than `BROWN_SHARE` of such pixels. The ratio of DAB itself is 1.37; synthetic
pictures have 0.13 to 0.15 brown pixels, 240 pictures of H&E and other purple stains 0 to 0.02."""

SIGNAL = (1.0, 99.8)
"""Percentiles whose difference is the signal of a colour in fluorescence: background and bright nuclei."""

DIM_COLOUR = 0.1
"""Share of the strongest signal; colours of a fluorescence picture with less signal are not read."""

GREY_PERCENTILES = (0.2, 50.0, 99.8)
"""Low, median and high of a grey picture, without hot and dead pixels."""

BINS = 64
"""Of the histogram of a grey picture; the fullest one is the background."""

SURELY_DARK, MIDDLE, SURELY_BRIGHT = 0.3, 0.5, 0.6
"""Shares of the range. Fullest bin and median both below the first, or above the last, leave no doubt about the kind of
a grey picture; otherwise both kinds are possible, and bright field is the likelier one if both lie above the middle."""

RING = 6
"""Pixels; labelled nuclei are compared with a ring of this width around them."""

CONTRAST = 8.0
"""A grey picture whose range is smaller, in standard deviations of its noise, is empty and counts as fluorescence."""


@dataclass(frozen=True)
class NetworkInputs:
    """Inputs of a network.

    Attributes
    ----------
    names : tuple of InputName
        One per input of a network that reads nuclear signals; empty for networks that read the image's own channels.
    channels : int
        Number of inputs of a network that reads channels; a single channel is repeated.
    """

    names: tuple[InputName, ...] = ("nuclei",)
    channels: int = 1


def possible_looks(
    plane: PlaneSample,
    channel: int | str | None = None,
    kind: ChosenKind = "auto",
    inputs: NetworkInputs | None = None,
) -> tuple[PlaneLook, ...]:
    """List the readings that an image leaves open, the most likely one first.

    ``channel`` is a number, or a text for `find_channel`; where not given, the one whose name says that it shows
    nuclei, or the one that shows most. Without ``inputs``, the network reads one nuclear signal.

    Raise ImageShapeError if there is no such channel, if there are several channels and none was chosen, or if the
    image has other channels than the network takes.
    """
    source, inputs = plane.source, inputs or NetworkInputs()
    if isinstance(channel, str):
        channel = find_channel(source, channel)
    if channel is not None and channel >= source.channels:
        raise ImageShapeError(f"There is no channel {channel}: the image has {channels_text(source)}.")
    if not inputs.names and inputs.channels > 1 and channel is None and source.channels > 1:
        return _looks_at_all(plane, kind, inputs.channels)
    if channel is None:
        # A clear name in the file is better evidence than the pixels.
        channel = named_channel(source)
    if channel is not None or source.channels == 1:
        sample = _Sample(plane.of((channel or 0,)))
        kinds = [kind] if kind != "auto" else _kinds_of_channel(plane, sample)
        return tuple(sample.grey_look(one, inputs, source.channel_name(channel or 0)) for one in kinds)
    if source.is_colour or source.rgb_channels:
        sample = _Sample(plane.of(source.rgb_channels or tuple(range(source.channels))))
        # Channels named red, green and blue may also be three dyes of a fluorescence image.
        if source.is_colour or sample.is_light(kind):
            return sample.colour_looks(kind, inputs, source)
    raise ImageShapeError(open_channel_text(source))


def _kinds_of_channel(plane: PlaneSample, sample: _Sample) -> list[ImageKind]:
    """Return the possible kinds of one channel, the likelier one first.

    One of a colour picture is of the picture's kind, which its colours together tell better: in one of them, dense
    stain may leave hardly any background.
    """
    colours = plane.source.rgb_channels
    if not set(sample.sampled.channels) <= set(colours):
        return sample.grey_kinds()
    whole = _Sample(plane.of(colours))
    if plane.source.is_colour and not whole.is_colourless:
        return whole.colour_kinds()
    return ["brightfield"] if not plane.source.is_colour and whole.is_light("auto") else sample.grey_kinds()


@dataclass(frozen=True)
class ColourLight:
    """A colour picture of transmitted light, whose stains can be separated."""

    channels: tuple[int, ...]  # red, green and blue
    white: float  # intensity of light that nothing has absorbed


def colour_light(plane: PlaneSample, kind: ChosenKind = "auto") -> ColourLight | None:
    """Return the colours of stains in transmitted light; None for fluorescence, and where there is no colour.

    ``kind`` is as the user says, or as it was found out. The plane is read only where there are three colours.
    """
    channels = plane.source.rgb_channels
    if not channels or kind == "fluorescence":
        return None
    sample = _Sample(plane.of(channels))
    shows_light = kind == "brightfield" or (
        sample.colour_kinds()[0] == "brightfield" if plane.source.is_colour else sample.is_light(kind)
    )
    if sample.is_colourless or not shows_light:
        return None
    return ColourLight(channels, sample.sampled.white)


def stained_signals(inputs: tuple[InputName, ...], channels: tuple[int, ...]) -> tuple[Signal, ...]:
    """Return the signals that a network reads from the red, green and blue channels of transmitted light."""
    transforms: dict[InputName, Transform] = {"nuclei": "haematoxylin", "density": "density"}
    return tuple(Signal(transforms[name], channels) for name in inputs)


@dataclass(frozen=True)
class LabelledLook:
    """A reading, and how much brighter labelled nuclei are in it than their surroundings."""

    look: PlaneLook
    contrast: float | None = None  # difference of the medians in standard deviations; None without nuclei


def looks_by_labels(
    plane: PlaneSample,
    labels: Labels,
    channel: int | str | None = None,
    kind: ChosenKind = "auto",
    inputs: NetworkInputs | None = None,
    window: Region | None = None,
) -> tuple[LabelledLook, ...]:
    """List the readings of an image, the one first in which labelled nuclei are brightest.

    ``labels`` (Y, X) are those of ``window``, which is the plane's region where not given; without nuclei the readings
    stay in the order of `possible_looks`, which explains the other arguments and errors.
    """
    likeliest = possible_looks(plane, channel, kind, inputs)
    inside = labels > 0
    if not inside.any():
        return tuple(LabelledLook(look) for look in likeliest)
    # The background of a colour picture is better evidence of its kind than a few vague nuclei; a histogram of grey
    # values is not.
    by_colour = any(look.stained for look in likeliest) or _in_colour(plane)
    plausible = {look.kind for look in likeliest} if by_colour else set(get_args(ImageKind))
    kinds = sorted(plausible) if kind == "auto" else [kind]
    looks = [look for one in kinds for look in possible_looks(plane, channel, one, inputs)]
    ring = ndimage.binary_dilation(inside, iterations=RING) & ~inside
    measured = []
    for look in looks:
        signal = look.signals_of(look.read(plane.source, plane.index, window or plane.region))[0]
        measured.append(LabelledLook(look, _contrast(signal, inside, ring)))
    return tuple(sorted(measured, key=lambda one: -(one.contrast or 0.0)))


def _in_colour(plane: PlaneSample) -> bool:
    """Tell whether the plane is a colour picture whose colours differ."""
    return plane.source.is_colour and not _Sample(plane.of(plane.source.rgb_channels)).is_colourless


def _contrast(signal: NDArray[np.floating], inside: Mask, outside: Mask) -> float:
    """Difference of the medians in pooled standard deviations: Cohen's d, with medians in place of means."""
    known = np.isfinite(signal)
    within, around = signal[inside & known], signal[outside & known]
    if not within.size or not around.size:
        return 0.0
    spread = np.sqrt((within.var() + around.var()) / 2)
    return float((np.median(within) - np.median(around)) / max(spread, np.finfo(np.float32).tiny))


@dataclass(frozen=True)
class _Sample:
    """Decisions based on a sample of some channels."""

    sampled: SampledChannels

    def look(self, kind: ImageKind, signals: tuple[Signal, ...], name: str) -> PlaneLook:
        return PlaneLook(kind, signals, name, self.sampled.white)

    def grey_kinds(self) -> list[ImageKind]:
        """Return the possible kinds of a grey picture, the likelier one first.

        The background is what most pixels share: where the fullest bin of the histogram and the median both lie high in
        the range, objects are dark on a bright background; where both lie low, bright on a dark one. Images without
        contrast beyond their noise count as fluorescence.
        """
        known = self.sampled.grey[np.isfinite(self.sampled.grey)]
        if known.size == 0:
            return ["fluorescence"]
        low, median, high = np.percentile(known, GREY_PERCENTILES)
        if high - low <= max(CONTRAST * self.sampled.noise, resolution(low, high, known.dtype)):
            return ["fluorescence"]
        counts, edges = np.histogram(known, bins=BINS, range=(low, high))
        mode = (edges[int(counts.argmax())] - low) / (high - low)
        middle = (median - low) / (high - low)
        # Mode and median together: a large bright object moves one of them, seldom both.
        if max(mode, middle) < SURELY_DARK:
            return ["fluorescence"]
        if min(mode, middle) > SURELY_BRIGHT:
            return ["brightfield"]
        return ["brightfield", "fluorescence"] if min(mode, middle) > MIDDLE else ["fluorescence", "brightfield"]

    def grey_look(self, kind: ImageKind, inputs: NetworkInputs, name: str, channels: tuple[int, ...] = ()) -> PlaneLook:
        """Read the given channels, or the mean of all, which show the same."""
        # Only light has an optical density. Values below 0 are the result of arithmetic, and 0 and 1 of a mask are both
        # below the darkest density: such images are inverted instead.
        darkest = np.nanmin(self.sampled.picture, initial=np.inf)
        brightest = np.nanmax(self.sampled.picture, initial=-np.inf)
        is_light = bool(inputs.names) and not darkest < 0 and not brightest <= DARKEST * self.sampled.white
        bright: Transform = "density" if is_light else "negative"
        one = Signal(bright if kind == "brightfield" else "intensity", channels or self.sampled.channels)
        # A network with several inputs gets the same signal in each.
        return self.look(kind, (one,) * (len(inputs.names) or inputs.channels), name)

    def colour_looks(self, kind: ChosenKind, inputs: NetworkInputs, source: ImageSource) -> tuple[PlaneLook, ...]:
        if self.is_colourless or len(self.sampled.channels) < 3:
            kinds = [kind] if kind != "auto" else self.grey_kinds()
            return tuple(self.grey_look(one, inputs, "mean of all colours") for one in kinds)
        kinds = [kind] if kind != "auto" else self.colour_kinds()
        looks: list[PlaneLook] = []
        for one in kinds:
            if one == "brightfield":
                looks += self.stained_looks(inputs)
            else:
                looks += [
                    self.grey_look(one, inputs, source.channel_name(channel), (channel,))
                    for channel in self.lit_colours()
                ]
        return tuple(looks)

    def stained_looks(self, inputs: NetworkInputs) -> list[PlaneLook]:
        """Read haematoxylin, and the density of all stains if the network has an input for it.

        With DAB there are two readings, between which the nuclei decide. DAB in nuclei hides the haematoxylin, so that
        only all stains together show them; DAB around nuclei would be taken for a part of them.
        """
        if not inputs.names:
            return [self.grey_look("brightfield", inputs, "mean of all colours")]
        usual = stained_signals(inputs.names, self.sampled.channels)
        if not self.holds_dab:
            return [self.look("brightfield", usual, "haematoxylin")]
        alone = (Signal("haematoxylin", self.sampled.channels),) * len(usual)
        # A network with a density input sees DAB there; any other gets all stains in place of haematoxylin.
        together = usual if usual != alone else (Signal("density", self.sampled.channels),) * len(usual)
        return [
            self.look("brightfield", alone, "haematoxylin"),
            self.look("brightfield", together, "haematoxylin and DAB"),
        ]

    @property
    def holds_dab(self) -> bool:
        """True if many pixels are brown: dense, and far denser in blue than in green, unlike any other stain."""
        green, blue = (optical_density(one, self.sampled.white) for one in self.sampled.picture[1:])
        return bool(np.mean((blue > BROWN * green) & (green > BROWN_DENSITY)) > BROWN_SHARE)

    @property
    def is_colourless(self) -> bool:
        """True if all colours show the same."""
        mean = self.sampled.grey
        if not np.isfinite(mean).any():
            return True
        spread = float(np.nanmax(mean) - np.nanmin(mean))
        return all(float(np.nanmean(np.abs(one - mean))) <= COLOURLESS * spread for one in self.sampled.picture)

    def colour_kinds(self) -> list[ImageKind]:
        """Return the possible kinds of a colour picture by its background, the likelier one first."""
        brightest = self.sampled.picture.max(axis=0)
        known = np.isfinite(brightest)
        if not known.any():
            return ["fluorescence"]
        middle, top = np.percentile(brightest[known] / self.sampled.white, (50, BRIGHTEST))
        # A second dye all over the field makes a background as bright as that of transmitted light, but in its colour.
        palest = np.percentile(self.sampled.picture.min(axis=0)[known] / self.sampled.white, PALEST)
        if palest < ABSENT_COLOUR * top:
            return ["fluorescence"]
        dark = middle < DARK_BACKGROUND
        # Both measures must agree. If most of the picture was set to black, the rest may be tissue or a few nuclei, and
        # has no background to judge by.
        if dark == (middle < DARK_SHARE * top) and known.mean() > MOSTLY_PICTURE:
            return ["fluorescence"] if dark else ["brightfield"]
        return ["fluorescence", "brightfield"] if dark else ["brightfield", "fluorescence"]

    def is_light(self, kind: ChosenKind) -> bool:
        """Tell whether three channels are the colours of one picture of transmitted light.

        Its background is bright in every colour. Fluorescence channels of more than 8 bits have the camera's offset as
        background. Nuclei in one channel or another hide it in the brightest of the colours, but neither in the darkest
        nor in the mean.
        """
        if kind != "auto":
            return kind == "brightfield"
        if self.sampled.white == EIGHT_BITS:
            return self.colour_kinds() == ["brightfield"]
        darkest = self.sampled.picture.min(axis=0)
        darkest = darkest[np.isfinite(darkest)] / self.sampled.white
        if not darkest.size or self.colour_kinds()[0] == "fluorescence":
            return False
        is_bright = bool(np.median(darkest) >= DARK_BACKGROUND)
        return is_bright and self.grey_kinds() != ["fluorescence"]

    def lit_colours(self) -> list[int]:
        """Return the channels with signal, the strongest first."""
        known = [one[np.isfinite(one)] for one in self.sampled.picture]
        signal = np.array([float(np.ptp(np.percentile(one, SIGNAL))) if one.size else 0.0 for one in known])
        order = np.argsort(-signal, kind="stable")
        return [self.sampled.channels[i] for i in order if signal[i] >= DIM_COLOUR * signal.max()]


def _looks_at_all(plane: PlaneSample, kind: ChosenKind, inputs: int) -> tuple[PlaneLook, ...]:
    """Give the network all channels; either all are inverted, or none."""
    source = plane.source
    if source.channels != inputs:
        raise ImageShapeError(f"The image has {source.channels} channels, and the model takes {inputs} at once.")
    sample = _Sample(plane.of(tuple(range(inputs))))
    name = "all colours" if source.is_colour else "all channels"
    if kind == "auto":
        kinds = sample.colour_kinds() if source.is_colour and not sample.is_colourless else sample.grey_kinds()
    else:
        kinds = [kind]
    transforms = {"brightfield": "negative", "fluorescence": "intensity"}
    return tuple(
        sample.look(one, tuple(Signal(transforms[one], (channel,)) for channel in sample.sampled.channels), name)  # type: ignore[arg-type]
        for one in kinds
    )
