"""Labelled images as the trainer sees them, and crops of them at the scale that the network learns.

The constants of this module decide what share of the crops shows what. They were set by judgement with the first model
and not searched for; `benchmarks.cross_validation` measures what another value does to average precision.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from napari_unet_nuclei.core.image.plane import ImageKind
from napari_unet_nuclei.core.labels.encode import equivalent_diameters
from napari_unet_nuclei.core.train.stains import StainVariation, restained, sampled_picture_rows
from napari_unet_nuclei.core.types import Image, Labels, Mask

NEAR_SHARE, NEAR_FACTOR = 0.65, 1.7
"""Share of crops in which the median nucleus is within this factor of the model's diameter, leaving room for errors of
the size estimate."""

FAR_SHARE, FAR_DIAMETERS = 0.2, (5.0, 140.0)
"""Share of crops in which the median nucleus has any diameter in px of this range, that of microscopes from 4x to 100x:
the size head must recognise them all."""

OWN_SCALE_SPREAD, OWN_SCALE_RANGE = 0.3, (0.4, 2.5)
"""All other crops, and those without nuclei, are near the image's own scale: standard deviation of the logarithm of
their scale, and its limits."""

BLANK_GRAINS, BLANK_NOISE, BLANK_LEVEL = (1, 8), (0.0, 0.25), 0.3
"""Crops without nuclei: range of the noise's grain in px (end excluded) and of its standard deviation, and its mean."""

FILL_STRAIGHT_SHARE, FILL_DISTANCES = 0.5, (0.1, 0.48)
"""Crops cut off by fill: share with an edge along rows or columns, and distance of the edge from the crop's centre, as
a share of its side."""


@dataclass(frozen=True)
class Sample:
    """One labelled image."""

    name: str  # used in messages and reports
    image: Image  # (C, Y, X), float32, normalised with bright nuclei; for classes, with the brightness of the file
    labels: Labels  # (Y, X), int32: 0 background, nuclei 1..n; or the class of every pixel, from 0
    group: str  # images of one group (one microscope field) are never split between training and validation
    dataset: str = ""  # empty if it has none; data sets count equally when thresholds are fitted
    reviewed: Mask | None = None  # (Y, X), where the labels can be trusted; None means everywhere
    importance: float = 1.0  # how often the sample is drawn, relative to others
    kind: ImageKind = "fluorescence"
    # (3, Y, X), RGB of a stained image with 255 as white; crops are re-stained from it
    picture: NDArray[np.uint8] | None = None
    doubt: str = ""  # why labels and image may not match, or the image may be misread; empty if nothing is wrong

    def cut(self, window: tuple[slice, slice], reviewed: Mask | None) -> Sample:
        """Return a rectangle of the sample with a new reviewed region."""
        picture = None if self.picture is None else self.picture[:, *window]
        image, labels = self.image[:, *window], self.labels[window]
        return replace(self, image=image, labels=labels, reviewed=reviewed, picture=picture)

    @cached_property
    def diameters(self) -> NDArray[np.float64]:
        """Diameter in pixels of each nucleus, indexed by id."""
        return equivalent_diameters(self.labels)

    @cached_property
    def median_diameter(self) -> float:
        """Median diameter of the reviewed nuclei in pixels; 0 without nuclei."""
        diameters = self.diameters
        if self.reviewed is not None:
            diameters = diameters[np.unique(self.labels[self.reviewed])]
        present = diameters[diameters > 0]
        return float(np.median(present)) if present.size else 0.0


@dataclass(frozen=True)
class Crop:
    """A square piece of a sample at the scale that the network learns."""

    image: Image  # (C, S, S), float32
    labels: Labels  # (S, S), int32, ids of the sample
    reviewed: Mask  # (S, S), False beyond the image or the reviewed region
    diameters: NDArray[np.float64]  # by id, in crop pixels; of the whole nucleus, even where the crop cuts it
    kind: ImageKind = "fluorescence"


def sampling_weights(samples: Sequence[Sample]) -> NDArray[np.float64]:
    """Return the probability of drawing each sample: n tiles of one field together count √n times a single image."""
    tiles = Counter(sample.group for sample in samples)
    # Tiles of one field repeat its stain, exposure and cells, yet show different nuclei: √n lies midway between
    # counting the field once and counting every tile.
    weights = np.array([sample.importance / np.sqrt(tiles[sample.group]) for sample in samples])
    return np.asarray(weights / weights.sum())


def draw_scale(sample: Sample, diameter: float, rng: np.random.Generator) -> float:
    """Draw the scale of a crop, in crop pixels per image pixel, for a model with a nucleus diameter in px."""
    draw = rng.random()
    # One number decides between the three cases, so that their shares add up to 1.
    if sample.median_diameter == 0 or draw < 1 - NEAR_SHARE - FAR_SHARE:
        return float(np.clip(np.exp(rng.normal(0, OWN_SCALE_SPREAD)), *OWN_SCALE_RANGE))
    near = diameter / NEAR_FACTOR, diameter * NEAR_FACTOR
    low, high = near if draw < 1 - FAR_SHARE else FAR_DIAMETERS
    # Uniform in the logarithm: halving and doubling a nucleus are equally likely.
    return float(np.exp(rng.uniform(np.log(low), np.log(high))) / sample.median_diameter)


def blank_crop(channels: int, side: int, rng: np.random.Generator) -> Crop:
    """Draw a crop of noise of any strength and grain, without nuclei, so that empty planes stay empty."""
    # Interpolated from a coarser grid: haze and background are correlated over several pixels, unlike the noise that
    # the augmentation adds.
    grain = int(rng.integers(*BLANK_GRAINS))
    shape = (1, channels, side // grain + 1, side // grain + 1)
    noise = rng.normal(0, rng.uniform(*BLANK_NOISE), shape).astype(np.float32)
    image = F.interpolate(torch.from_numpy(noise), (side, side), mode="bicubic")[0].numpy() + np.float32(BLANK_LEVEL)
    return Crop(image, np.zeros((side, side), np.int32), np.ones((side, side), bool), np.zeros(1))


def cut_crop(
    sample: Sample, side: int, scale: float, rng: np.random.Generator, stains: StainVariation | None = None
) -> Crop:
    """Cut a random square out of a sample; beyond the image, mirror its pixels and mark them as not reviewed.

    ``side`` is in crop pixels, ``scale`` in crop pixels per image pixel. ``stains`` applies to stained tissue only.
    """
    height, width = sample.labels.shape
    # Cut before resizing, so that the cost depends on the side of the crop and not on that of the image.
    needed = max(round(side / scale), 1)
    # The end of `integers` is excluded, so + 1 lets a crop end at the last pixel.
    y, x = (int(rng.integers(0, max(size - needed, 0) + 1)) for size in (height, width))
    window = (slice(y, y + needed), slice(x, x + needed))
    labels = sample.labels[window]
    reviewed = np.ones(labels.shape, bool) if sample.reviewed is None else sample.reviewed[window]
    # An image smaller than the square gives a smaller piece, padded below; rounding must not exceed the square.
    shape = (min(side, max(round(labels.shape[0] * scale), 1)), min(side, max(round(labels.shape[1] * scale), 1)))
    # Nearest pixel, by the centres of pixels as `interpolate` takes them, so that labels stay on their nuclei.
    rows, columns = (
        np.minimum(((np.arange(new) + 0.5) * old / new).astype(int), old - 1)
        for new, old in zip(shape, labels.shape, strict=True)
    )
    labels, reviewed = labels[np.ix_(rows, columns)], reviewed[np.ix_(rows, columns)]
    if sample.picture is None or stains is None:
        pixels = _resized(sample.image[:, *window], shape)
    else:
        # Re-stained after resizing: resizing is linear in transmitted light, as a coarser objective is, whereas
        # unmixing takes logarithms.
        picture = _resized(sample.picture[:, *window] * np.float32(1 / 255), shape)
        pixels = restained(picture, labels, sampled_picture_rows(sample.picture, rng), stains, rng)
    padding = tuple((0, side - size) for size in shape)
    return Crop(
        # Mirrored tissue gives the batch statistics and the receptive field something natural; zeros in labels and
        # reviewed keep it out of the loss.
        image=np.pad(pixels, ((0, 0), *padding), mode="symmetric"),
        labels=np.pad(labels, padding),
        reviewed=np.pad(reviewed, padding),
        # Nuclei cut by the edge keep their whole diameter, which the size head must tell from what is visible.
        diameters=sample.diameters * scale,
        kind=sample.kind,
    )


def _resized(image: Image, shape: tuple[int, int]) -> Image:
    """Resize an image (C, Y, X), with antialiasing."""
    tensor = torch.from_numpy(np.ascontiguousarray(image, np.float32))[None]
    return F.interpolate(tensor, shape, mode="bilinear", antialias=True)[0].numpy()


def add_fill(crop: Crop, rng: np.random.Generator) -> Crop:
    """Cut off a side of a crop along a straight line, as rotation and registration do; the cut-off part is 0."""
    side = crop.labels.shape[0]
    straight = rng.random() < FILL_STRAIGHT_SHARE
    angle = rng.choice([0, np.pi / 2, np.pi, 1.5 * np.pi]) if straight else rng.uniform(0, 2 * np.pi)
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    # The half-plane beyond a line at a random distance from the centre: as dark as background, but with an edge as
    # sharp as that of a nucleus.
    fill = y * np.sin(angle) + x * np.cos(angle) > side * rng.uniform(*FILL_DISTANCES)
    return replace(crop, image=np.where(fill, np.float32(0), crop.image), labels=np.where(fill, 0, crop.labels))
