"""Fill the planes between the painted sections of a nucleus."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_unet_nuclei.core.errors import EditError
from napari_unet_nuclei.core.labels.edit.edit import Change, Edit, edit_of, read_patch
from napari_unet_nuclei.core.labels.edit.volume import StackEdit, sections
from napari_unet_nuclei.core.labels.regions import grown, united
from napari_unet_nuclei.core.types import AnyArray, Mask


def fill_between(stack: AnyArray, nucleus: int) -> StackEdit:
    """Fill the planes of a stack (Z, Y, X) that lie between planes of a nucleus and have none of it.

    The outline goes over from one section to the next by linear interpolation of the signed distance to it. Other
    nuclei stay as they are.

    Raise EditError if there is no such nucleus, it leaves no plane out, or a plane would get nothing.
    """
    boxes = sections(stack, nucleus)
    title = f"Fill nucleus {nucleus} between planes"
    edits: dict[int, Edit] = {}
    for below, above in pairwise(sorted(boxes)):
        # A rim of background around both: distances need an outside.
        region = grown(united([boxes[below], boxes[above]]), 1, stack.shape[1:])
        start, end = (_depth(read_patch(stack[z], region) == nucleus) for z in (below, above))
        for z in range(below + 1, above):
            share = (z - below) / (above - below)
            filled = ((1 - share) * start + share * end > 0) & (read_patch(stack[z], region) == 0)
            if not filled.any():
                raise EditError(
                    f"{title}: plane {z} would stay empty, since the sections in planes {below} and {above} lie too "
                    "far apart or another nucleus between them. Paint one in between."
                )
            edits[z] = edit_of(stack[z], [Change(region, filled, nucleus)], title)
    if not edits:
        raise EditError(f"Nucleus {nucleus} leaves no plane out: paint its first and its last section, then fill.")
    return StackEdit(edits, title)


def _depth(mask: Mask) -> NDArray[np.float64]:
    """Signed distance to the outline of a mask, positive inside."""
    framed = np.pad(mask, 1)
    inside, outside = ndimage.distance_transform_edt(framed), ndimage.distance_transform_edt(~framed)
    return np.asarray(inside - outside)[1:-1, 1:-1]
