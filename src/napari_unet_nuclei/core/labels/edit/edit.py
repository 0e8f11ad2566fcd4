"""One change of labelled nuclei that can be made and taken back at a cost that depends on the nuclei, not the image."""

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
"""Where nuclei lie, by id: a box, or only one pixel of each. It saves a search of the whole plane; one that is wrong
or out of date costs time, not correctness. Pieces of a nucleus far apart from the hinted one are then left alone."""

Patch2D: TypeAlias = NDArray[np.integer[Any]]
"""Ids in a rectangle of a plane (Y, X), in the dtype of the labels."""

NO_HINTS: Hints = MappingProxyType({})
"""Nothing is known of where nuclei lie."""

FIRST_REACH = 16
"""A search outward begins this many pixels round the hint, and doubles."""

STRIP_ROWS = 1024
"""Rows of a plane that are searched at once, so that no mask of a whole slide is made."""


@dataclass(frozen=True, eq=False)
class Patch:
    """One rectangle of an edit.

    Attributes
    ----------
    region : Region
        (y0, y1, x0, x1), in pixels of the plane.
    before, after : ndarray, shape (y1 - y0, x1 - x0), int
        Ids, in the dtype of the labels.
    """

    region: Region
    before: Patch2D
    after: Patch2D


@dataclass(frozen=True, eq=False)
class Edit:
    """A change of one plane of labels, not made yet: nothing is modified until `apply`.

    Attributes
    ----------
    patches : tuple of Patch
        Mostly one; as many as nuclei where they lie along a line or an edge. Where patches overlap they agree, so
        that their order does not matter. Every touched nucleus lies wholly in them, before and after.
    touched : tuple of int
        Ids that appear, vanish or change their pixels, in rising order.
    title : str
        What is done, for menus and messages ("Split nucleus 7").
    """

    patches: tuple[Patch, ...]
    touched: tuple[int, ...]
    title: str

    def apply(self, labels: AnyArray) -> None:
        """Make the change in labels (Y, X)."""
        for patch in self.patches:
            labels[slices(patch.region)] = patch.after

    def revert(self, labels: AnyArray) -> None:
        """Take the change back in labels (Y, X) that are as `apply` left them."""
        for patch in self.patches:
            labels[slices(patch.region)] = patch.before

    @property
    def region(self) -> Region:
        """Smallest rectangle that holds all patches."""
        return united([patch.region for patch in self.patches])

    def boxes(self) -> dict[int, Region]:
        """Where the touched nuclei lie afterwards, by id; those that are gone are left out."""
        found: dict[int, list[Region]] = {}
        for patch in self.patches:
            for nucleus in set(np.unique(patch.after).tolist()) & set(self.touched):
                found.setdefault(nucleus, []).append(extent(patch.after == nucleus, patch.region))
        return {nucleus: united(boxes) for nucleus, boxes in found.items()}


class Change(NamedTuple):
    """Ids that pixels of a rectangle get.

    Attributes
    ----------
    region : Region
        Holds the nuclei that change as a whole.
    mask : ndarray of bool, shape (y1 - y0, x1 - x0)
        The pixels.
    ids : int, or ndarray of int of the mask's shape
        Their new ids.
    """

    region: Region
    mask: Mask
    ids: int | Patch2D


def trimmed(region: Region, mask: Mask, nucleus: int) -> Change:
    """Return the change that makes a nucleus of a mask, which is not empty, with no more round it than needed."""
    box = extent(mask, region)
    (y, _, x, _), (y0, y1, x0, x1) = region, box
    return Change(box, mask[y0 - y : y1 - y, x0 - x : x1 - x], nucleus)


def edit_of(labels: AnyArray, changes: Sequence[Change], title: str) -> Edit:
    """Make an edit of changes that concern different pixels.

    Raises
    ------
    EditError
        If nothing would change, or the labels' dtype cannot hold an id.
    """
    regions = np.array([change.region for change in changes])
    before = [read_patch(labels, change.region) for change in changes]
    after = [patch.copy() for patch in before]
    for change in changes:
        _check_capacity(labels, int(np.max(change.ids)))
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


def find_box(labels: AnyArray, nucleus: int, hint: Region | None = None) -> Region:
    """Find the smallest rectangle that holds a nucleus.

    Parameters
    ----------
    labels : array_like, shape (Y, X), int
    nucleus : int
        Its id.
    hint : Region, optional
        Where to begin; from there the search goes outward until the nucleus ends. The whole plane is searched where
        it is not given or wrong, which takes about a second for 20,000 × 20,000 pixels.

    Raises
    ------
    EditError
        If there is no such nucleus.
    """
    check_plane(labels)
    box = None
    if nucleus > 0:
        box = _outward(labels, nucleus, hint) if hint is not None else None
        box = box or _searched(labels, nucleus)
    if box is None:
        raise EditError(f"There is no nucleus {nucleus} in this plane: choose one that is there.")
    return box


def cut_out(labels: AnyArray, nucleus: int, hints: Hints, margin: int = 1) -> tuple[Region, Mask]:
    """Find a nucleus with some pixels round it, as far as the plane reaches.

    Returns
    -------
    region : Region
        Its box, grown by ``margin`` pixels.
    mask : ndarray of bool, shape (y1 - y0, x1 - x0)
        Its pixels.

    Raises
    ------
    EditError
        If there is no such nucleus.
    """
    region = grown(find_box(labels, nucleus, hints.get(nucleus)), margin, labels.shape)
    return region, read_patch(labels, region) == nucleus


def check_plane(labels: AnyArray) -> None:
    """Turn away what is no plane of ids.

    Raises
    ------
    EditError
        If the labels are no array (Y, X) of integers with pixels in it.
    """
    if len(labels.shape) != 2 or 0 in labels.shape or np.dtype(labels.dtype).kind not in "ui":
        raise EditError(
            f"Nuclei are corrected in one plane of whole numbers, not in {labels.dtype} of shape {tuple(labels.shape)}."
        )


def read_patch(labels: AnyArray, region: Region) -> Patch2D:
    """Copy a rectangle of a plane."""
    return np.array(labels[slices(region)])


def _check_capacity(labels: AnyArray, nucleus: int) -> None:
    largest = np.iinfo(labels.dtype).max
    if nucleus > largest:
        raise EditError(
            f"Labels of type {labels.dtype} cannot hold more ids than {largest}, and {nucleus} is needed: "
            "convert the layer to int32 (right click on it, Convert data type)."
        )


def _outward(labels: AnyArray, nucleus: int, hint: Region) -> Region | None:
    """Widen a window round the hint until the nucleus ends in it; None where it is not there."""
    reach = FIRST_REACH
    while True:
        window = grown(hint, reach, labels.shape)
        here = np.asarray(labels[slices(window)]) == nucleus
        if not here.any():
            return None
        box = extent(here, window)
        sides = zip(box, window, (0, labels.shape[0], 0, labels.shape[1]), strict=True)
        if all(side != rim or side == end for side, rim, end in sides):
            return box
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
