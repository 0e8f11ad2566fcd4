"""Labelled images as the trainer sees them, and crops of them at the size the network learns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from napari_unet_nuclei.core.image.kind import InputName, stained_signals
from napari_unet_nuclei.core.image.plane import ImageKind, Signal
from napari_unet_nuclei.core.labels.encode import equivalent_diameters
from napari_unet_nuclei.core.train.stains import restained, sampled_picture_rows
from napari_unet_nuclei.core.types import Image, Labels, Mask

SIZES = (5.0, 140.0)
"""Nucleus diameters in px between which some crops are scaled: what microscopes show, from 4x to 100x."""


@dataclass(frozen=True)
class Sample:
    """One labelled image.

    Attributes
    ----------
    name : str
        For messages and reports.
    image : ndarray, shape (C, Y, X), float32
        Normalised intensities, nuclei bright; for classes as bright as they are.
    labels : ndarray, shape (Y, X), int32
        0 background, nuclei 1..n; or the class of every pixel, from 0.
    group : str
        Images of one group (one field of the microscope) are never split between training and validation.
    dataset : str
        Name of the data set that the image belongs to, empty where it belongs to none; each set weighs alike where
        thresholds are fitted.
    reviewed : ndarray of bool, shape (Y, X), or None
        Where the labels can be trusted; None means everywhere.
    importance : float
        How many times more often than others the sample is learnt from.
    kind : {"fluorescence", "brightfield"}
    picture : ndarray, shape (3, Y, X), uint8, or None
        Red, green and blue of a stained image, 255 for white, from which crops get other stains.
    doubt : str
        Why labels and image may not belong together, or the image may be read wrongly; empty where all is well.
    """

    name: str
    image: Image
    labels: Labels
    group: str
    dataset: str = ""
    reviewed: Mask | None = None
    importance: float = 1.0
    kind: ImageKind = "fluorescence"
    picture: NDArray[np.uint8] | None = None
    doubt: str = ""

    def cut(self, window: tuple[slice, slice], reviewed: Mask | None) -> Sample:
        """Return a rectangle of the sample, reviewed as said there: image, labels and picture stay together."""
        picture = None if self.picture is None else self.picture[:, *window]
        image, labels = self.image[:, *window], self.labels[window]
        return replace(self, image=image, labels=labels, reviewed=reviewed, picture=picture)

    @cached_property
    def diameters(self) -> NDArray[np.float64]:
        """Diameter in pixels of each nucleus, indexed by id."""
        return equivalent_diameters(self.labels)

    @cached_property
    def median_diameter(self) -> float:
        """Median diameter of the reviewed nuclei in pixels; 0 where there are none."""
        diameters = self.diameters
        if self.reviewed is not None:
            diameters = diameters[np.unique(self.labels[self.reviewed])]
        present = diameters[diameters > 0]
        return float(np.median(present)) if present.size else 0.0


@dataclass(frozen=True)
class Crop:
    """A square piece of a sample at the scale the network learns.

    Attributes
    ----------
    image : ndarray, shape (C, S, S), float32
    labels : ndarray, shape (S, S), int32
        Ids of the sample.
    reviewed : ndarray, shape (S, S), bool
        False where the crop reaches beyond the image or the reviewed region.
    diameters : ndarray, shape (ids + 1,), float64
        Diameter of each nucleus in crop pixels, from the whole sample.
    kind : {"fluorescence", "brightfield"}
        Of the sample.
    """

    image: Image
    labels: Labels
    reviewed: Mask
    diameters: NDArray[np.float64]
    kind: ImageKind = "fluorescence"


@dataclass(frozen=True)
class StainForm:
    """How stained crops are shown as other laboratories would, and read.

    Attributes
    ----------
    inputs : tuple of InputName
        Of the network.
    percentiles : tuple of float
        Of the signals, that become 0 and 1.
    strength : float
        0 to 1.
    """

    inputs: tuple[InputName, ...]
    percentiles: tuple[float, float]
    strength: float

    @property
    def signals(self) -> tuple[Signal, ...]:
        """What the network reads of red, green and blue."""
        return stained_signals(self.inputs, (0, 1, 2))


def sampling_weights(samples: Sequence[Sample]) -> NDArray[np.float64]:
    """Probability of each sample: a group of n images counts √n times one image, so tiles of one field do not rule."""
    tiles = Counter(sample.group for sample in samples)
    weights = np.array([sample.importance / np.sqrt(tiles[sample.group]) for sample in samples])
    return np.asarray(weights / weights.sum())


def draw_scale(sample: Sample, diameter: float, rng: np.random.Generator) -> float:
    """Draw crop pixels per image pixel.

    Mostly so that the median nucleus is within a factor 1.7 of the model's diameter, sometimes anything from 5 to
    140 px, because the size head must recognise them all, and sometimes as the image is.
    """
    kind = rng.random()
    if sample.median_diameter == 0 or kind < 0.15:
        return float(np.clip(np.exp(rng.normal(0, 0.3)), 0.4, 2.5))
    low, high = (diameter / 1.7, diameter * 1.7) if kind < 0.8 else SIZES
    return float(np.exp(rng.uniform(np.log(low), np.log(high))) / sample.median_diameter)


def blank_crop(channels: int, side: int, rng: np.random.Generator) -> Crop:
    """Draw a field without nuclei: noise of any strength and grain, so that empty planes stay empty."""
    grain = int(rng.integers(1, 8))
    noise = rng.normal(0, rng.uniform(0, 0.25), (1, channels, side // grain + 1, side // grain + 1)).astype(np.float32)
    image = F.interpolate(torch.from_numpy(noise), (side, side), mode="bicubic")[0].numpy() + np.float32(0.3)
    return Crop(image, np.zeros((side, side), np.int32), np.ones((side, side), bool), np.zeros(1))


def cut_crop(
    sample: Sample, side: int, scale: float, rng: np.random.Generator, stains: StainForm | None = None
) -> Crop:
    """Cut a random square of ``side`` crop pixels; what lies beyond the image is mirrored and not reviewed.

    Parameters
    ----------
    sample : Sample
    side : int
        Height and width of the crop in its own pixels.
    scale : float
        Crop pixels per image pixel.
    rng : numpy.random.Generator
    stains : StainForm, optional
        How a crop of stained tissue is shown as another laboratory would; as it is where not given.
    """
    height, width = sample.labels.shape
    needed = max(round(side / scale), 1)
    y, x = (int(rng.integers(0, max(size - needed, 0) + 1)) for size in (height, width))
    window = (slice(y, y + needed), slice(x, x + needed))
    labels = sample.labels[window]
    reviewed = np.ones(labels.shape, bool) if sample.reviewed is None else sample.reviewed[window]
    shape = (min(side, max(round(labels.shape[0] * scale), 1)), min(side, max(round(labels.shape[1] * scale), 1)))
    rows, columns = (
        np.minimum(((np.arange(new) + 0.5) * old / new).astype(int), old - 1)
        for new, old in zip(shape, labels.shape, strict=True)
    )
    labels, reviewed = labels[np.ix_(rows, columns)], reviewed[np.ix_(rows, columns)]
    if sample.picture is None or stains is None:
        pixels = _resized(sample.image[:, *window], shape)
    else:
        picture = _resized(sample.picture[:, *window] * np.float32(1 / 255), shape)
        whole = sampled_picture_rows(sample.picture, rng)
        pixels = restained(picture, labels, whole, stains.signals, stains.percentiles, stains.strength, rng)
    padding = tuple((0, side - size) for size in shape)
    return Crop(
        image=np.pad(pixels, ((0, 0), *padding), mode="symmetric"),
        labels=np.pad(labels, padding),
        reviewed=np.pad(reviewed, padding),
        diameters=sample.diameters * scale,
        kind=sample.kind,
    )


def _resized(image: Image, shape: tuple[int, int]) -> Image:
    """Resize an image (C, Y, X), smoothing where it shrinks."""
    tensor = torch.from_numpy(np.ascontiguousarray(image, np.float32))[None]
    return F.interpolate(tensor, shape, mode="bilinear", antialias=True)[0].numpy()


def add_fill(crop: Crop, rng: np.random.Generator) -> Crop:
    """Cut a straight piece off a crop, as rotation and registration do: 0, as the engine reads fill, and no nuclei."""
    side = crop.labels.shape[0]
    angle = rng.choice([0, np.pi / 2, np.pi, 1.5 * np.pi]) if rng.random() < 0.5 else rng.uniform(0, 2 * np.pi)
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    fill = y * np.sin(angle) + x * np.cos(angle) > side * rng.uniform(0.1, 0.48)
    return replace(crop, image=np.where(fill, np.float32(0), crop.image), labels=np.where(fill, 0, crop.labels))
