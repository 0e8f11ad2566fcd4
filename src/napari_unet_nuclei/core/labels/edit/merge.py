"""Edits that make one nucleus of two."""

from __future__ import annotations

import numpy as np
from scipy import ndimage
from skimage import draw

from napari_unet_nuclei.core.errors import EditError
from napari_unet_nuclei.core.labels.components import largest_piece
from napari_unet_nuclei.core.labels.decode import label_components
from napari_unet_nuclei.core.labels.edit.edit import (
    NO_HINTS,
    Change,
    Edit,
    Hints,
    cut_out,
    edit_of,
    find_box,
    read_patch,
)
from napari_unet_nuclei.core.labels.regions import grown, united
from napari_unet_nuclei.core.types import AnyArray, Mask

WIDEST_GAP = 10
"""Nuclei are merged over at most this many pixels of background."""

NEIGHBOUR_GAP = 2
"""Nuclei within this many pixels of each other are neighbours."""


def merge(labels: AnyArray, first: int, second: int, *, hints: Hints = NO_HINTS) -> Edit:
    """Make one nucleus of two that touch or nearly touch; the gap between them is closed, other nuclei stay.

    Parameters
    ----------
    labels : array_like, shape (Y, X), int
    first, second : int
        Ids; the merged nucleus keeps the first.
    hints : mapping of int to Region
        Where they lie.

    Raises
    ------
    EditError
        If one is not there, both are the same, they lie too far apart, or another nucleus lies between them.
    """
    if first == second:
        raise EditError(f"Both are nucleus {first}: choose two different nuclei.")
    boxes = [find_box(labels, nucleus, hints.get(nucleus)) for nucleus in (first, second)]
    region = grown(united(boxes), WIDEST_GAP, labels.shape)
    ids = read_patch(labels, region)
    title = f"Merge nuclei {first} and {second}"
    parts = (ids == first, ids == second)
    bridge = _bridge(*parts, free=ids == 0)
    if not _joined(*parts, bridge):
        raise EditError(
            f"{title}: another nucleus or more than {WIDEST_GAP} pixels lie between them. "
            "Paint what connects them first."
        )
    return edit_of(labels, [Change(region, parts[1] | bridge, first)], title)


def merge_with_neighbour(labels: AnyArray, nucleus: int, *, hints: Hints = NO_HINTS) -> Edit:
    """Merge a nucleus with the neighbour that it shares most of its border with; its id stays.

    Parameters as for `retouch.delete`.

    Raises
    ------
    EditError
        If there is no such nucleus, or none within 2 pixels of it.
    """
    region, mask = cut_out(labels, nucleus, hints, margin=NEIGHBOUR_GAP + 1)
    near = (ndimage.distance_transform_edt(~mask) <= NEIGHBOUR_GAP + 1) & ~mask
    ids = read_patch(labels, region)
    neighbours, border = np.unique(ids[near & (ids > 0)], return_counts=True)
    if not neighbours.size:
        raise EditError(f"Nucleus {nucleus} touches no other: there is nothing to merge it with.")
    neighbour = int(neighbours[border.argmax()])
    y, x = np.argwhere(near & (ids == neighbour))[0] + (region[0], region[2])
    near_hints = {neighbour: (int(y), int(y) + 1, int(x), int(x) + 1), nucleus: region}
    return merge(labels, nucleus, neighbour, hints={**near_hints, **hints})


def _bridge(one: Mask, other: Mask, free: Mask) -> Mask:
    """Free pixels between two nuclei: the notch that a disc of the gap's size does not enter, or at least a path."""
    from_other = ndimage.distance_transform_edt(~other)
    from_one, nearest = ndimage.distance_transform_edt(~one, return_indices=True)
    y, x = divmod(int(np.where(other, from_one, np.inf).argmin()), one.shape[1])
    steps = float(from_one[y, x])
    path = np.zeros_like(one)
    if steps > WIDEST_GAP + 1:
        return path
    path[draw.line(y, x, *nearest[:, y, x])] = True
    radius = steps + 1.5
    widened = np.minimum(from_one, from_other) <= radius
    closed = ndimage.distance_transform_edt(widened) > radius if not widened.all() else widened
    between = np.maximum(from_one, from_other) <= steps + 1
    # Pixels hang together by their sides, which a slanting line of single pixels does not.
    return np.asarray((closed & between | ndimage.binary_dilation(path)) & free)


def _joined(one: Mask, other: Mask, bridge: Mask) -> bool:
    """Tell whether the main pieces of two nuclei hang together."""
    pieces, _ = label_components(one | other | bridge)
    return bool(pieces[largest_piece(one)][0] == pieces[largest_piece(other)][0])
