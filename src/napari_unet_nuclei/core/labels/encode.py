"""Turn labelled nuclei into the maps that the network learns to predict."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_unet_nuclei.core.types import Labels, Mask

BORDER_RADIUS = 2
"""A pixel is border if two nuclei lie within this many pixels of it, at the model's own scale."""

OUTLINE_WEIGHTS = {"fluorescence": 2.5, "brightfield": 1.0}
"""Weight of pixels next to an outline, by kind of image. One pixel of outline makes the difference between IoU 0.8 and
0.9; but outlines of stained nuclei are drawn roughly, and learning those spoils the others."""

OUTLINE_SIDE = 5
"""Pixels; side of the square around a boundary pixel that is next to the outline: two pixels on either side."""

SMALL_WEIGHT = 4.0
"""Largest weight of the pixels of small nuclei: scores count every nucleus once, regardless of its area."""


@dataclass(frozen=True)
class TargetMaps:
    """Training targets of one crop, every map float32 with axes (Y, X)."""

    foreground: NDArray[np.float32]  # 1 in nuclei, 0 elsewhere
    border: NDArray[np.float32]  # 1 between touching or nearly touching nuclei
    distance: NDArray[np.float32]  # distance to the nucleus's own outline, 1 at its largest, 0 outside nuclei
    size: NDArray[np.float32]  # log2 of the nucleus's diameter over the model's, 0 outside nuclei
    weight: NDArray[np.float32]  # weight of each pixel in the loss; 0 where the labels were not reviewed


def equivalent_diameters(labels: Labels) -> NDArray[np.float64]:
    """Diameter in pixels of the circle with each nucleus's area, indexed by id; 0 for ids that do not occur.

    Examples
    --------
    >>> equivalent_diameters(np.array([[0, 1, 1], [0, 1, 1]])).round(2)
    array([0.  , 2.26])
    """
    areas = np.bincount(labels.ravel()).astype(np.float64)
    areas[0] = 0
    return np.asarray(np.sqrt(4 * areas / np.pi))


def inner_boundary(labels: Labels) -> Mask:
    """Pixels of nuclei that touch another id or background by a side; the image's edge does not count."""
    boundary = np.zeros(labels.shape, bool)
    for before, after in (
        ((slice(1, None), slice(None)), (slice(None, -1), slice(None))),
        ((slice(None), slice(1, None)), (slice(None), slice(None, -1))),
    ):
        differs = labels[before] != labels[after]
        boundary[before] |= differs
        boundary[after] |= differs
    return boundary & (labels > 0)


def normalised_distance(labels: Labels) -> NDArray[np.float32]:
    """Euclidean distance to each nucleus's own outline, divided by its maximum in that nucleus.

    One transform serves all nuclei: the path from a pixel to another nucleus crosses the boundary of its own first.
    Values lie in (0, 1] inside nuclei and are 0 outside.
    """
    inside = labels > 0
    if not inside.any():
        return np.zeros(labels.shape, np.float32)
    boundary = inner_boundary(labels)
    # Plus 1: boundary pixels belong to the nucleus. A nucleus that fills the image has no boundary.
    distance = ndimage.distance_transform_edt(~boundary) + 1.0 if boundary.any() else np.ones(labels.shape)
    distance = np.where(inside, distance, 0.0)
    # From 1: ids that do not occur have no distance, and must not divide by 0.
    largest = np.ones(labels.max() + 1)
    np.maximum.at(largest, labels.ravel(), distance.ravel())
    return np.asarray(distance / largest[labels], np.float32)


def touching_border(labels: Labels, radius: int = BORDER_RADIUS) -> Mask:
    """Pixels whose square window of ``2 * radius + 1`` pixels contains two nuclei: lines between neighbours."""
    # Background must not count as the smaller of two ids: it is replaced by the largest number there is.
    side = 2 * radius + 1
    largest = ndimage.maximum_filter(labels, side)
    absent = np.iinfo(labels.dtype).max
    smallest = ndimage.minimum_filter(np.where(labels > 0, labels, absent), side)
    return np.asarray((largest != smallest) & (smallest != absent))


def encode_labels(
    labels: Labels,
    diameter: float,
    diameters: NDArray[np.float64] | None = None,
    reviewed: Mask | None = None,
    outline_weight: float = OUTLINE_WEIGHTS["fluorescence"],
) -> TargetMaps:
    """Make the training targets of one crop from nuclei without holes, at the model's own scale.

    ``diameter`` is what the model expects, in pixels. ``diameters`` gives those of the nuclei by id if they were
    measured before cropping, which cuts nuclei. The weight is 0 where ``reviewed`` (Y, X) is False.
    """
    inside = labels > 0
    diameters = equivalent_diameters(labels) if diameters is None else diameters
    size = np.zeros(labels.shape, np.float32)
    # Logarithmic, so that an error of a factor costs the same for small and large nuclei.
    size[inside] = np.log2(np.maximum(diameters[labels[inside]], 1.0) / diameter)
    boundary = inner_boundary(labels)
    # On both sides: whether a pixel just outside is background decides the outline as much.
    outline = ndimage.maximum_filter(boundary, OUTLINE_SIDE)
    weight = np.where(outline, outline_weight, 1.0)
    # In proportion to 1 / diameter, from the usual size down.
    weight[inside] *= np.clip(2.0 ** -size[inside], 1.0, SMALL_WEIGHT)
    if reviewed is not None:
        weight *= reviewed
    return TargetMaps(
        foreground=inside.astype(np.float32),
        border=touching_border(labels).astype(np.float32),
        distance=normalised_distance(labels),
        size=size,
        weight=weight.astype(np.float32),
    )
