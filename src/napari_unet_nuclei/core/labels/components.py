"""What hangs together: pixels do by their sides, and a few alone are no nucleus."""

from __future__ import annotations

import numpy as np
from skimage.segmentation import watershed

from napari_unet_nuclei.core.labels.decode import label_components
from napari_unet_nuclei.core.types import Labels, Mask

FEWEST_PIXELS = 5
"""A piece of fewer px² is none."""


def largest_piece(mask: Mask) -> Mask:
    """Return the largest edge-connected piece of a mask, nothing of an empty one."""
    pieces, count = label_components(mask)
    if count < 2:
        return mask
    areas = np.bincount(pieces.ravel())
    areas[0] = 0
    return np.asarray(pieces == areas.argmax())


def tidy(parts: Labels, mask: Mask) -> Labels:
    """Give every part one piece, and every pixel of the mask that lies beside one to a part, numbered without gaps."""
    kept = np.zeros(mask.shape, np.int32)
    count = 0
    for part in range(1, int(parts.max()) + 1):
        pieces, _ = label_components(parts == part)
        areas = np.bincount(pieces.ravel(), minlength=2)
        areas[0] = 0
        if areas.max() >= FEWEST_PIXELS:
            count += 1
            kept[pieces == areas.argmax()] = count
    return np.asarray(watershed(np.zeros(mask.shape, np.uint8), kept, mask=mask), np.int32)
