"""Looks for what is worth a look: all candidates of a plane, or only nuclei that were just touched."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from itertools import product

from napari_unet_nuclei.core.errors import EditError
from napari_unet_nuclei.core.labels.doubt.doubt import Candidate, doubt
from napari_unet_nuclei.core.labels.edit.edit import find_box, read_patch
from napari_unet_nuclei.core.labels.regions import extent, grown, slices, united
from napari_unet_nuclei.core.progress import Advanced, Progress
from napari_unet_nuclei.core.types import AnyArray, Region
from napari_unet_nuclei.gui.viewer.corrected_layer import CorrectedLayer, Index

SURROUNDINGS = 128
"""Touched nuclei are compared with those that lie within this many pixels."""

LARGEST_WINDOW = 4 * 2**20
"""Pixels in which touched nuclei are looked at again; in larger ones this would be felt."""

JUST_CHANGED = "just changed"


def candidates_job(corrected: CorrectedLayer, index: Index) -> Callable[[Progress], tuple[Candidate, ...]]:
    """Return the job that lists all candidates of a plane; the plane is copied now, in the window's thread."""
    plane, maps, thresholds = corrected.view[index].copy(), corrected.maps(index), corrected.thresholds

    def job(progress: Progress) -> tuple[Candidate, ...]:
        progress.report(Advanced(0.0, "looking for doubtful nuclei"))
        return tuple(replace(candidate, plane=index) for candidate in doubt(plane, maps, thresholds))

    return job


def where(
    plane: AnyArray, nuclei: Iterable[int], region: Region, known: Mapping[int, Region] | None
) -> dict[int, Region]:
    """Find nuclei that were touched within a region; those that are gone are left out.

    Parameters
    ----------
    plane : array_like, shape (Y, X), int
    nuclei : iterable of int
    region : Region
    known : mapping of int to Region, or None
        Where all nuclei of the plane lay before: a brush may add pixels far from the others of a nucleus. None where
        that is not known, which makes a search of the whole plane necessary.
    """
    patch = read_patch(plane, region)
    found = {}
    for nucleus in nuclei:
        here = patch == nucleus
        hints = [extent(here, region)] if here.any() else []
        if known is not None and nucleus in known:
            hints.append(known[nucleus])
        if not hints and known is not None:
            continue
        try:
            found[nucleus] = find_box(plane, nucleus, united(hints) if known is not None else None)
        except EditError:
            continue
    return found


def look_again(corrected: CorrectedLayer, index: Index, boxes: Mapping[int, Region]) -> list[Candidate]:
    """Say how doubtful nuclei are now, beside those around them."""
    if not boxes:
        return []
    plane = corrected.view[index]
    window = grown(united(list(boxes.values())), SURROUNDINGS, plane.shape)
    y, x, maps = window[0], window[2], corrected.maps(index)
    if (window[1] - y) * (window[3] - x) > LARGEST_WINDOW:
        return [_changed(index, nucleus, box) for nucleus, box in boxes.items()]
    seen = None if maps is None else maps[:, *slices(window)]
    found = doubt(plane[slices(window)], seen, corrected.thresholds, with_missed=False)
    return [
        replace(
            one,
            plane=index,
            centre=(one.centre[0] + y, one.centre[1] + x),
            box=(one.box[0] + y, one.box[1] + y, one.box[2] + x, one.box[3] + x),
        )
        for one in found
        if one.id in boxes
    ]


def _changed(index: Index, nucleus: int, box: Region) -> Candidate:
    y0, y1, x0, x1 = box
    return Candidate(nucleus, "found", 0.0, JUST_CHANGED, ((y0 + y1 - 1) / 2, (x0 + x1 - 1) / 2), box, index)


def planes_of(box: tuple[slice, ...]) -> list[Index]:
    """List the planes that a box over all axes of the labels reaches into."""
    return list(product(*(range(part.start, part.stop) for part in box[:-2])))


def region_of(box: tuple[slice, ...]) -> Region:
    """Return the rectangle of a plane that a box over all axes covers."""
    y, x = box[-2:]
    return y.start, y.stop, x.start, x.stop
