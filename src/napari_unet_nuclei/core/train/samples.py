"""Labelled images as the trainer sees them, and crops of them at the size the network learns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from napari_unet_nuclei.core.image.plane import ImageKind
from napari_unet_nuclei.core.labels.encode import equivalent_diameters
from napari_unet_nuclei.core.types import Image, Labels, Mask


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
        Name of the data set that it belongs to; thresholds are fitted so that each set weighs alike.
    reviewed : ndarray of bool, shape (Y, X), or None
        Where the labels can be trusted; None means everywhere.
    importance : float
        How many times more often than others the sample is learnt from.
    turned : bool
        Nuclei were dark on a bright background, and were turned bright.
    """

    name: str
    image: Image
    labels: Labels
    group: str
    dataset: str = ""
    reviewed: Mask | None = None
    importance: float = 1.0
    turned: bool = False

    @property
    def kind(self) -> ImageKind:
        """Kind of image, by its background."""
        return "stained" if self.turned else "fluorescence"

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
    """

    image: Image
    labels: Labels
    reviewed: Mask
    diameters: NDArray[np.float64]


def sampling_weights(samples: Sequence[Sample]) -> NDArray[np.float64]:
    """Probability of each sample: a group of n images counts √n times one image, so tiles of one field do not rule."""
    tiles = Counter(sample.group for sample in samples)
    weights = np.array([sample.importance / np.sqrt(tiles[sample.group]) for sample in samples])
    return np.asarray(weights / weights.sum())


def draw_scale(sample: Sample, diameter: float, rng: np.random.Generator) -> float:
    """Draw crop pixels per image pixel.

    Mostly so that the median nucleus is within a factor 1.7 of the model's diameter, sometimes anything from 6 to
    120 px, because the size head must recognise them all, and sometimes as the image is.
    """
    kind = rng.random()
    if sample.median_diameter == 0 or kind < 0.15:
        return float(np.clip(np.exp(rng.normal(0, 0.3)), 0.4, 2.5))
    low, high = (diameter / 1.7, diameter * 1.7) if kind < 0.8 else (6.0, 120.0)
    return float(np.exp(rng.uniform(np.log(low), np.log(high))) / sample.median_diameter)


def blank_crop(channels: int, side: int, rng: np.random.Generator) -> Crop:
    """Draw a field without nuclei: noise of any strength and grain, so that empty planes stay empty."""
    grain = int(rng.integers(1, 8))
    noise = rng.normal(0, rng.uniform(0, 0.25), (1, channels, side // grain + 1, side // grain + 1)).astype(np.float32)
    image = F.interpolate(torch.from_numpy(noise), (side, side), mode="bicubic")[0].numpy() + np.float32(0.3)
    return Crop(image, np.zeros((side, side), np.int32), np.ones((side, side), bool), np.zeros(1))


def cut_crop(sample: Sample, side: int, scale: float, rng: np.random.Generator) -> Crop:
    """Cut a random square of ``side`` crop pixels; what lies beyond the image is mirrored and not reviewed.

    Parameters
    ----------
    sample : Sample
    side : int
        Height and width of the crop in its own pixels.
    scale : float
        Crop pixels per image pixel.
    rng : numpy.random.Generator
    """
    height, width = sample.labels.shape
    needed = max(round(side / scale), 1)
    y, x = (int(rng.integers(0, max(size - needed, 0) + 1)) for size in (height, width))
    window = (slice(y, y + needed), slice(x, x + needed))
    image, labels = sample.image[:, *window], sample.labels[window]
    reviewed = np.ones(labels.shape, bool) if sample.reviewed is None else sample.reviewed[window]
    shape = tuple(min(side, max(round(size * scale), 1)) for size in labels.shape)
    image_pixels = F.interpolate(
        torch.from_numpy(np.ascontiguousarray(image))[None], shape, mode="bilinear", antialias=True
    )[0].numpy()
    rows, columns = (
        np.minimum(((np.arange(new) + 0.5) * old / new).astype(int), old - 1)
        for new, old in zip(shape, labels.shape, strict=True)
    )
    padding = tuple((0, side - size) for size in shape)
    return Crop(
        image=np.pad(image_pixels, ((0, 0), *padding), mode="symmetric"),
        labels=np.pad(labels[np.ix_(rows, columns)], padding),
        reviewed=np.pad(reviewed[np.ix_(rows, columns)], padding),
        diameters=sample.diameters * scale,
    )
