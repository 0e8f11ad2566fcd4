"""Pictures for people: an image for display, with labels as outlines or as coloured areas."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.color import hsv2rgb
from skimage.segmentation import find_boundaries

from napari_unet_nuclei.core.image.fill import find_fill, near_fill
from napari_unet_nuclei.core.types import AnyArray

Picture = NDArray[np.uint8]
"""Axes (Y, X, 3): red, green and blue."""


def for_screen(image: AnyArray) -> Picture:
    """Convert an image plane (Y, X) or (Y, X, S) for display.

    8-bit colours are not changed; anything else is stretched from the 1st to the 99.8th percentile, ignoring fill. An
    alpha channel is dropped.
    """
    image = np.asarray(image)
    if image.dtype == np.bool_:
        image = image * np.uint8(255)  # of truth values there are neither percentiles nor differences
    if image.ndim == 3 and image.dtype == np.uint8:
        return np.array(image[..., :3])
    shown = _picture_values(image)
    low, high = np.percentile(shown, (1, 99.8)) if shown.size else (0.0, 1.0)
    # Values beyond float32 become infinite, and are clipped below like all others.
    with np.errstate(over="ignore", invalid="ignore"):
        stretched = (image.astype(np.float32) - np.float32(low)) / np.float32(max(high - low, 1e-30))
    grey = (255 * np.clip(np.nan_to_num(stretched), 0, 1)).astype(np.uint8)
    return np.array(grey[..., :3]) if grey.ndim == 3 else np.repeat(grey[..., None], 3, axis=-1)


def _picture_values(image: NDArray[Any]) -> NDArray[Any]:
    """Return the values that are finite and not fill."""
    colours = np.moveaxis(image, -1, 0) if image.ndim == 3 else image[None]
    pixels = colours.astype(np.float64)
    known = np.isfinite(pixels) & ~near_fill(pixels, find_fill(pixels, image.dtype))
    return np.asarray(colours[known])


def outlined(picture: Picture, labels: NDArray[np.integer[Any]]) -> Picture:
    """Return a copy of the picture with every nucleus of labels (Y, X) outlined in a different colour."""
    drawn = picture.copy()
    # Inner boundaries: touching nuclei keep one outline each.
    outline = find_boundaries(labels, mode="inner")
    drawn[outline] = label_colours()[labels[outline] % 256]
    return drawn


def filled(labels: NDArray[np.integer[Any]]) -> Picture:
    """Return labels (Y, X) as coloured areas on black."""
    return np.asarray(np.where(labels[..., None] > 0, label_colours()[labels % 256], np.uint8(0)))


def label_colours() -> NDArray[np.uint8]:
    """Return 256 bright colours, consecutive ones very different: axes (id, S)."""
    hue = np.arange(256) * 0.618034 % 1  # steps of the golden ratio spread any number of hues evenly
    colours = hsv2rgb(np.stack([hue, np.full(256, 0.85), np.ones(256)], axis=-1))
    return np.asarray(255 * colours, np.uint8)
