"""Connected components of masks: pixels are connected by their sides, and a few alone are no nucleus."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.segmentation import watershed

from napari_unet_nuclei.core.types import Labels, Mask

FEWEST_PIXELS = 5
"""Smaller components (px²) are fragments, not parts of a nucleus."""


def label_components(mask: Mask) -> tuple[NDArray[np.int32], int]:
    """Number the components of a mask that are connected by sides, from 1; return (labels, count)."""
    labels = np.empty(mask.shape, np.int32)
    count = ndimage.label(mask, output=labels)
    return labels, int(count)


def largest_piece(mask: Mask) -> Mask:
    """Return the largest connected component of a mask; an empty mask stays empty."""
    pieces, count = label_components(mask)
    if count < 2:
        return mask
    areas = np.bincount(pieces.ravel())
    areas[0] = 0
    return np.asarray(pieces == areas.argmax())


def tidy(parts: Labels, mask: Mask) -> Labels:
    """Reduce every part to its largest component, give what is left to the nearest part, and number without gaps."""
    kept = np.zeros(mask.shape, np.int32)
    count = 0
    for part in range(1, int(parts.max()) + 1):
        # A cut can leave crumbs of a part behind: its largest piece is the part, and the watershed below deals out the
        # rest.
        pieces, _ = label_components(parts == part)
        areas = np.bincount(pieces.ravel(), minlength=2)
        areas[0] = 0
        if areas.max() >= FEWEST_PIXELS:
            count += 1
            kept[pieces == areas.argmax()] = count
    # On flat ground a watershed grows all parts at the same speed.
    return np.asarray(watershed(np.zeros(mask.shape, np.uint8), kept, mask=mask), np.int32)
