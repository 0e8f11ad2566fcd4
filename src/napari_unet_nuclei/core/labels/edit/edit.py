"""Reversible changes of labelled nuclei, whose cost depends on the size of the nuclei, not of the image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from napari_unet_nuclei.core.errors import EditError
from napari_unet_nuclei.core.labels.regions import extent, grown, shared, slices, united
from napari_unet_nuclei.core.types import AnyArray, Mask, Region

Hints: TypeAlias = Mapping[int, Region]
"""Where nuclei lie, by id: a bounding box, or the box of one pixel. A hint saves a search of the whole plane; a wrong
or outdated one costs time, not correctness. Parts of a nucleus that lie far from the hint are then left alone."""

Patch2D: TypeAlias = NDArray[np.integer[Any]]
"""Ids in a rectangle of a plane (Y, X), in the dtype of the labels."""

NO_HINTS: Hints = MappingProxyType({})
"""For callers that do not know where nuclei lie."""

FIRST_REACH = 16
"""Pixels around a hint at which the outward search starts; the reach then doubles."""

STRIP_ROWS = 1024
"""Rows of a plane searched at once, so that no mask of a whole slide is needed."""


@dataclass(frozen=True, eq=False)
class Patch:
    """One rectangle of an edit; ids in the dtype of the labels."""

    region: Region
    before: Patch2D
    after: Patch2D


@dataclass(frozen=True, eq=False)
class Edit:
    """A planned change of one plane of labels: nothing is modified until `PlaneEdit` applies it.

    There is usually one patch; one per nucleus where they lie along a line or an edge. Patches that overlap agree, so
    their order does not matter. They contain every touched nucleus completely, before and after.
    """

    patches: tuple[Patch, ...]
    touched: tuple[int, ...]  # ids that appear, vanish or change their pixels, ascending
    title: str  # name of the change for menus and messages ("Split nucleus 7")

    @property
    def region(self) -> Region:
        """Bounding box of all patches."""
        return united([patch.region for patch in self.patches])

    def boxes(self) -> dict[int, Region]:
        """Bounding boxes of the touched nuclei after the change, by id; deleted ones are left out."""
        found: dict[int, list[Region]] = {}
        for patch in self.patches:
            for nucleus in set(np.unique(patch.after).tolist()) & set(self.touched):
                found.setdefault(nucleus, []).append(extent(patch.after == nucleus, patch.region))
        return {nucleus: united(boxes) for nucleus, boxes in found.items()}


class Change(NamedTuple):
    """New ids for some pixels of a rectangle."""

    region: Region  # contains the changed nuclei completely
    mask: Mask  # the pixels that change, shape (y1 - y0, x1 - x0)
    ids: int | Patch2D  # their new ids


def trimmed(region: Region, mask: Mask, nucleus: int) -> Change:
    """Return the change that turns a non-empty mask into a nucleus, cropped to its bounding box."""
    box = extent(mask, region)
    (y, _, x, _), (y0, y1, x0, x1) = region, box
    return Change(box, mask[y0 - y : y1 - y, x0 - x : x1 - x], nucleus)


def edit_of(labels: AnyArray, changes: Sequence[Change], title: str) -> Edit:
    """Combine changes of disjoint pixels into one edit.

    Raise EditError if nothing would change, or the labels' dtype cannot hold an id.
    """
    regions = np.array([change.region for change in changes])
    before = [read_patch(labels, change.region) for change in changes]
    after = [patch.copy() for patch in before]
    for change in changes:
        _check_capacity(labels, int(np.max(change.ids)))
        # Rectangles may overlap although their pixels do not: every patch must show all changes, else the patch that
        # is applied last would take the others back.
        y0, y1, x0, x1 = change.region
        meeting = (regions[:, 0] < y1) & (regions[:, 1] > y0) & (regions[:, 2] < x1) & (regions[:, 3] > x0)
        for number in np.flatnonzero(meeting).tolist():
            ours, theirs = shared(change.region, changes[number].region)
            ids = change.ids if isinstance(change.ids, int) else change.ids[ours]
            after[number][theirs] = np.where(change.mask[ours], ids, after[number][theirs])
    touched: set[int] = set()
    for old, new in zip(before, after, strict=True):
        differs = old != new
        touched.update(np.unique(old[differs]).tolist(), np.unique(new[differs]).tolist())
    if not touched:
        raise EditError(f"{title}: nothing would change.")
    patches = tuple(Patch(change.region, *pair) for change, *pair in zip(changes, before, after, strict=True))
    return Edit(patches, tuple(sorted(touched - {0})), title)


def hints_at(ids: Patch2D, rows: NDArray[np.integer[Any]], columns: NDArray[np.integer[Any]]) -> dict[int, Region]:
    """Return one pixel of each nucleus as a hint, given the ids of some pixels and where these lie."""
    nuclei, first = np.unique(ids, return_index=True)
    places = zip(nuclei.tolist(), rows[first].tolist(), columns[first].tolist(), strict=True)
    return {nucleus: (y, y + 1, x, x + 1) for nucleus, y, x in places if nucleus > 0}


def find_box(labels: AnyArray, nucleus: int, hint: Region | None = None) -> Region:
    """Find the bounding box of a nucleus, growing outward from the hint until the nucleus ends.

    Without a hint, or with a wrong one, the whole plane is searched, which takes about a second for 20,000 × 20,000
    pixels. Raise EditError if there is no such nucleus.
    """
    check_plane(labels)
    box = None
    if nucleus > 0:
        box = _outward(labels, nucleus, hint) if hint is not None else None
        # A wrong hint costs time, not the nucleus.
        box = box or _searched(labels, nucleus)
    if box is None:
        raise EditError(f"There is no nucleus {nucleus} in this plane: choose one that is there.")
    return box


def cut_out(labels: AnyArray, nucleus: int, hints: Hints, margin: int = 1) -> tuple[Region, Mask]:
    """Return the box of a nucleus, grown by ``margin`` pixels and clipped to the plane, and its mask in that box.

    Raise EditError if there is no such nucleus.
    """
    region = grown(find_box(labels, nucleus, hints.get(nucleus)), margin, labels.shape)
    return region, read_patch(labels, region) == nucleus


def check_plane(labels: AnyArray) -> None:
    """Raise EditError if labels are not one plane of ids: a non-empty 2-D integer array."""
    if len(labels.shape) != 2 or 0 in labels.shape or np.dtype(labels.dtype).kind not in "ui":
        raise EditError(
            f"Only one plane of integer labels can be corrected, not {labels.dtype} of shape {tuple(labels.shape)}."
        )


def read_patch(labels: AnyArray, region: Region) -> Patch2D:
    """Return a copy of a rectangle of a plane."""
    return np.array(labels[slices(region)])


def _check_capacity(labels: AnyArray, nucleus: int) -> None:
    # NumPy would store a larger id modulo 2**bits: as another nucleus.
    largest = np.iinfo(labels.dtype).max
    if nucleus > largest:
        raise EditError(
            f"Labels of type {labels.dtype} hold ids up to {largest}, and id {nucleus} is needed: "
            "convert the layer to int32 (right click on it, Convert data type)."
        )


def _outward(labels: AnyArray, nucleus: int, hint: Region) -> Region | None:
    """Widen a window around the hint until it contains the nucleus; None where the nucleus is not there."""
    reach = FIRST_REACH
    while True:
        window = grown(hint, reach, labels.shape)
        here = np.asarray(labels[slices(window)]) == nucleus
        if not here.any():
            return None
        box = extent(here, window)
        # Done once no side of the box touches the window, except where the plane itself ends.
        sides = zip(box, window, (0, labels.shape[0], 0, labels.shape[1]), strict=True)
        if all(side != rim or side == end for side, rim, end in sides):
            return box
        # Doubled, so that even a very large nucleus takes few reads.
        reach *= 2


def _searched(labels: AnyArray, nucleus: int) -> Region | None:
    """Search the whole plane, strip by strip; None where the nucleus is not there."""
    height, width = labels.shape
    boxes = []
    for start in range(0, height, STRIP_ROWS):
        strip = (start, min(start + STRIP_ROWS, height), 0, width)
        here = np.asarray(labels[slices(strip)]) == nucleus
        if here.any():
            boxes.append(extent(here, strip))
    return united(boxes) if boxes else None
