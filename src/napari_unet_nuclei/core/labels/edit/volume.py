"""Edits of nuclei that extend through the planes of a stack: delete, merge, and cut between two planes.

They are planned plane by plane, so that what undo keeps stays as small as the nucleus.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from napari_unet_nuclei.core.errors import EditError
from napari_unet_nuclei.core.labels.edit.edit import Change, Edit, edit_of, read_patch
from napari_unet_nuclei.core.labels.edit.split_merge import NEIGHBOUR_GAP
from napari_unet_nuclei.core.labels.regions import extent, grown, united
from napari_unet_nuclei.core.types import AnyArray, Region


@dataclass(frozen=True, eq=False)
class StackEdit:
    """A planned change of the planes of a stack, by their number; it is one step for the user."""

    planes: Mapping[int, Edit]
    title: str

    @property
    def touched(self) -> tuple[int, ...]:
        """Ids that appear, vanish or change their voxels, ascending."""
        return tuple(sorted({nucleus for edit in self.planes.values() for nucleus in edit.touched}))


def sections(stack: AnyArray, nucleus: int) -> dict[int, Region]:
    """Return the bounding box of a nucleus in every plane of a stack (Z, Y, X) that it lies in.

    Raise EditError if there is no such nucleus.
    """
    found = {}
    if nucleus > 0:
        # All planes are searched: painted or joined nuclei may leave planes out.
        for z in range(stack.shape[0]):
            here = np.asarray(stack[z]) == nucleus
            if here.any():
                found[z] = extent(here, (0, here.shape[0], 0, here.shape[1]))
    if not found:
        raise EditError(f"There is no nucleus {nucleus} in this stack: choose one that is there.")
    return found


def delete_volume(stack: AnyArray, nucleus: int) -> StackEdit:
    """Remove a nucleus from all planes; raise EditError if it does not exist."""
    return _renamed(stack, sections(stack, nucleus), nucleus, 0, f"Delete nucleus {nucleus}")


def merge_volumes(stack: AnyArray, first: int, second: int) -> StackEdit:
    """Give two nuclei the first one's id in all planes; they need not touch.

    Raise EditError if a nucleus does not exist, or both are the same.
    """
    if first == second:
        raise EditError(f"Both are nucleus {first}: choose two different nuclei.")
    stays, boxes = sections(stack, first), sections(stack, second)
    # Both within one rectangle, as an edit contains every nucleus that it changes completely.
    together = {z: united([box, stays.get(z, box)]) for z, box in boxes.items()}
    return _renamed(stack, together, second, first, f"Merge nuclei {first} and {second}")


def merge_with_touching(stack: AnyArray, nucleus: int) -> StackEdit:
    """Merge a nucleus with the neighbour that most of its surface touches, in and across planes; it keeps its id.

    Raise EditError if there is no such nucleus, or none within `NEIGHBOUR_GAP` pixels of it or in the next plane.
    """
    boxes = sections(stack, nucleus)
    window = grown(united(list(boxes.values())), NEIGHBOUR_GAP + 1, stack.shape[1:])
    y0, y1, x0, x1 = window
    first, last = max(min(boxes) - 1, 0), min(max(boxes) + 2, stack.shape[0])
    ids = np.asarray(stack[first:last, y0:y1, x0:x1])
    mask = ids == nucleus
    # Wider in planes than across them: background between planes that are far apart is no small gap.
    near = ndimage.binary_dilation(mask, np.ones((1, 3, 3), bool), iterations=NEIGHBOUR_GAP + 1)
    near |= ndimage.binary_dilation(mask, np.ones((3, 1, 1), bool))
    neighbours, contact = np.unique(ids[near & ~mask & (ids > 0)], return_counts=True)
    if not neighbours.size:
        raise EditError(f"Nucleus {nucleus} touches no other: there is nothing to merge it with.")
    return merge_volumes(stack, nucleus, int(neighbours[contact.argmax()]))


def cut_from(stack: AnyArray, nucleus: int, z: int, next_id: int) -> StackEdit:
    """Give a nucleus the id ``next_id`` from a plane on: what was one becomes two that lie on top of each other.

    Raise EditError if there is no such nucleus, or the plane does not divide it.
    """
    boxes = sections(stack, nucleus)
    upper = {plane: box for plane, box in boxes.items() if plane >= z}
    if not upper or len(upper) == len(boxes):
        raise EditError(
            f"Nucleus {nucleus} lies in planes {min(boxes)} to {max(boxes)}: "
            "go to the plane in which the second nucleus begins, which is not the first plane."
        )
    return _renamed(stack, upper, nucleus, next_id, f"Cut nucleus {nucleus} at plane {z}")


def _renamed(stack: AnyArray, boxes: Mapping[int, Region], nucleus: int, new: int, title: str) -> StackEdit:
    """Give a nucleus another id in some planes; each rectangle contains it."""
    edits = {}
    for z, box in boxes.items():
        plane = stack[z]
        edits[z] = edit_of(plane, [Change(box, read_patch(plane, box) == nucleus, new)], title)
    return StackEdit(edits, title)
