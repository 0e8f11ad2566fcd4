"""Edits of nuclei that extend through the planes of a stack: delete, merge, split, cut between two planes, fill planes.

They are planned plane by plane, so that what undo keeps stays as small as the nucleus.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_unet_nuclei.core.errors import EditError
from napari_unet_nuclei.core.labels.basins import Heights, divided, two_summits
from napari_unet_nuclei.core.labels.edit.edit import Change, Edit, edit_of, read_patch
from napari_unet_nuclei.core.labels.edit.split_merge import CLEAR_NECK, NEIGHBOUR_GAP, SMALLEST_SHARE
from napari_unet_nuclei.core.labels.regions import extent, grown, pixel, slices, united
from napari_unet_nuclei.core.types import AnyArray, Labels, Mask, Region


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


def split_volume(stack: AnyArray, nucleus: int, next_id: int, spacing: float = 1.0) -> StackEdit:
    """Split a nucleus of a stack (Z, Y, X) at its clearest waist; the smaller half gets the id ``next_id``.

    ``spacing`` is the distance of planes in pixels. Raise EditError if there is no such nucleus, or it has no waist.
    """
    first, region, mask = _cut_out(stack, nucleus)
    heights = _outline_distance(mask, spacing)
    seeds = two_summits(heights, mask, CLEAR_NECK)
    parts = np.zeros(mask.shape, np.int32) if seeds is None else divided(heights, mask, seeds)
    sizes = np.bincount(parts.ravel(), minlength=3)[1:]
    if sizes.min() < SMALLEST_SHARE * np.count_nonzero(mask):
        raise EditError(f"Nucleus {nucleus} has no waist to split it at: click once in each part of it (T).")
    return _parts_edit(stack, nucleus, (first, region, parts), next_id)


def split_volume_by_points(
    stack: AnyArray, nucleus: int, points: Sequence[Sequence[float]], next_id: int, spacing: float = 1.0
) -> StackEdit:
    """Split a nucleus of a stack (Z, Y, X) into one part for each clicked point (z, y, x), numbered from ``next_id``.

    The largest part keeps the id of the nucleus. The cut runs through the waists between the points, or midway where
    there is none. ``spacing`` is the distance of planes in pixels. Raise EditError if there is no such nucleus, a point
    lies outside it, or fewer than two are distinct.
    """
    first, region, mask = _cut_out(stack, nucleus)
    y0, y1, x0, x1 = region
    seeds = np.zeros(mask.shape, np.int32)
    for number, (plane, *point) in enumerate(points, start=1):
        z, (y, x) = round(plane) - first, pixel(point, stack.shape[1:])
        inside = 0 <= z < len(mask) and y0 <= y < y1 and x0 <= x < x1 and mask[z, y - y0, x - x0]
        if not inside:
            raise EditError(f"Point {number} of {len(points)} lies outside nucleus {nucleus}: click inside it.")
        seeds[z, y - y0, x - x0] = number
    if np.count_nonzero(seeds) < 2:
        raise EditError(f"Click at least twice inside nucleus {nucleus}: once for each nucleus that it should become.")
    heights = _outline_distance(mask, spacing)
    # Two seeds on one hill have no waist between them.
    hills = divided(heights, mask)[seeds > 0]
    if len(np.unique(hills)) < len(hills):
        nearness = -ndimage.distance_transform_edt(seeds == 0, sampling=(spacing, 1.0, 1.0))
        heights = np.asarray(nearness, np.float32)
    return _parts_edit(stack, nucleus, (first, region, divided(heights, mask, seeds)), next_id)


def _cut_out(stack: AnyArray, nucleus: int) -> tuple[int, Region, Mask]:
    """Return the first plane of a nucleus, its box in all planes, and its mask (Z, Y, X) there."""
    boxes = sections(stack, nucleus)
    first, region = min(boxes), united(list(boxes.values()))
    return first, region, np.asarray(stack[(slice(first, max(boxes) + 1), *slices(region))]) == nucleus


def _outline_distance(mask: Mask, spacing: float) -> Heights:
    """Distance in pixels to the outline, smoothed over a pixel in all directions."""
    # With a rim of background, the edge of a cut-out counts as outline.
    framed = ndimage.distance_transform_edt(np.pad(mask, 1), sampling=(spacing, 1.0, 1.0))[1:-1, 1:-1, 1:-1]
    return np.asarray(ndimage.gaussian_filter(framed, (1.0 / spacing, 1.0, 1.0)), np.float32)


def _parts_edit(stack: AnyArray, nucleus: int, parts: tuple[int, Region, Labels], next_id: int) -> StackEdit:
    """Make the edit; ``parts`` are the first plane, the box, and numbers from 1 in it, 0 for what stays as it is."""
    first, region, numbers = parts
    sizes = np.bincount(numbers.ravel())
    sizes[0] = 0
    moved = np.setdiff1d(np.flatnonzero(sizes), sizes.argmax())
    if not moved.size:
        raise EditError(f"The points lie too close together, or nucleus {nucleus} is too small to split.")
    ids: NDArray[np.int64] = np.full(len(sizes), nucleus, np.int64)
    ids[moved] = next_id + np.arange(len(moved))
    title = f"Split nucleus {nucleus}"
    edits = {}
    for number, plane in enumerate(numbers):
        if np.isin(plane, moved).any():
            edits[first + number] = edit_of(stack[first + number], [Change(region, plane > 0, ids[plane])], title)
    return StackEdit(edits, title)


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
