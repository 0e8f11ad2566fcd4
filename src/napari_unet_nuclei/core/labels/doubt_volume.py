"""Which nuclei of a volume to look at first: each once, whatever the number of planes that it lies in.

Nuclei are compared by their middle sections, laid side by side: a plane of the stack holds middles of some and caps of
others, which are small by nature. Sections that narrow and widen again along the depth hint at two nuclei on top of
each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from napari_unet_nuclei.core.labels.doubt import JUST_CHANGED, REASONS, Candidate, Ramp, doubt
from napari_unet_nuclei.core.labels.measure.shapes import PlaneNuclei
from napari_unet_nuclei.core.labels.regions import slices, united
from napari_unet_nuclei.core.types import AnyArray, Region

WAIST = Ramp(0.85, 0.4, 0.6)
"""Of the narrowest section between two wider ones, over the smaller of these. Weighted as notched outlines
are, for both are waists."""

WAIST_REASON = "its sections narrow and widen again along z: may be two nuclei"

GAP = 3
"""Pixels between sections that are laid side by side, so that none are neighbours."""


@dataclass(frozen=True)
class Sections:
    """Where a nucleus lies in a stack, plane by plane."""

    boxes: dict[int, Region] = field(default_factory=dict)
    areas: dict[int, int] = field(default_factory=dict)

    @property
    def middle(self) -> int:
        """The plane in the middle of those that it lies in."""
        planes = sorted(self.boxes)
        return planes[len(planes) // 2]

    @property
    def waist(self) -> float:
        """The narrowest section between two wider ones, over the smaller of these; 1 where there is none."""
        areas = np.array([self.areas[z] for z in sorted(self.areas)], float)
        before, after = np.maximum.accumulate(areas), np.maximum.accumulate(areas[::-1])[::-1]
        return float((areas / np.minimum(before, after)).min())

    def candidate(self, nucleus: int, chance: float, reason: str) -> Candidate:
        """Return the candidate of the whole nucleus: its box over all planes, shown in its middle."""
        y0, y1, x0, x1 = box = united(list(self.boxes.values()))
        # Boxes end behind their last pixel, so the middle is half a pixel before theirs.
        return Candidate(nucleus, "found", chance, reason, ((y0 + y1 - 1) / 2, (x0 + x1 - 1) / 2), box, (self.middle,))


def doubt_of_volumes(stack: AnyArray) -> tuple[Candidate, ...]:
    """List the nuclei of a stack (Z, Y, X), most doubtful first; the ``plane`` of each is the middle one of its own."""
    nuclei = sections_of(stack)
    shapes = {one.id: one for one in doubt(_laid_out(stack, nuclei))} if nuclei else {}
    found = []
    for nucleus, sections in nuclei.items():
        of_shape, of_waist = shapes[nucleus], float(WAIST.of(np.array([sections.waist]))[0])
        # Cut by the edge of the image, which the sections beside each other do not show, it is small by nature.
        is_cut = of_shape.reason == REASONS["small"] and _touches_edge(sections, stack.shape)
        by_shape = 0.0 if is_cut else of_shape.doubt
        reason = WAIST_REASON if of_waist > by_shape else REASONS[""] if is_cut else of_shape.reason
        found.append(sections.candidate(nucleus, 1 - (1 - by_shape) * (1 - of_waist), reason))
    return tuple(sorted(found, key=lambda candidate: -candidate.doubt))


def changed_volume(nucleus: int, boxes: Mapping[int, Region]) -> Candidate:
    """Return the candidate of a nucleus that was just changed, given its boxes in all planes: without doubt."""
    return Sections(dict(boxes)).candidate(nucleus, 0.0, JUST_CHANGED)


def sections_of(stack: AnyArray) -> Mapping[int, Sections]:
    """Return where every nucleus of a stack (Z, Y, X) lies, by id."""
    found: dict[int, Sections] = {}
    for z in range(stack.shape[0]):
        nuclei = PlaneNuclei(np.asarray(stack[z]))
        if not len(nuclei.ids):
            continue
        sides = []
        for places in np.divmod(nuclei.pixels, nuclei.shape[1]):
            sides += [np.minimum.reduceat(places, nuclei.starts), np.maximum.reduceat(places, nuclei.starts) + 1]
        boxes = np.stack(sides, axis=1).tolist()
        for nucleus, (y0, y1, x0, x1), area in zip(nuclei.ids.tolist(), boxes, nuclei.areas.tolist(), strict=True):
            sections = found.setdefault(nucleus, Sections())
            sections.boxes[z], sections.areas[z] = (y0, y1, x0, x1), area
    return found


def _laid_out(stack: AnyArray, nuclei: Mapping[int, Sections]) -> AnyArray:
    """Return a plane in which the middle sections of all nuclei lie in rows beside each other."""
    boxes = {nucleus: sections.boxes[sections.middle] for nucleus, sections in nuclei.items()}
    sizes = {nucleus: (y1 - y0 + GAP, x1 - x0 + GAP) for nucleus, (y0, y1, x0, x1) in boxes.items()}
    # About a square, but no narrower than the widest.
    width = max(int(np.sqrt(sum(y * x for y, x in sizes.values()))), *(x for _, x in sizes.values())) + GAP
    top = left = GAP
    height, corners = 0, {}
    for nucleus in sorted(sizes, key=lambda one: sizes[one]):
        if left + sizes[nucleus][1] > width:
            top, left, height = top + height, GAP, 0
        corners[nucleus] = (top, left)
        left, height = left + sizes[nucleus][1], max(height, sizes[nucleus][0])
    plane = np.zeros((top + height, width), np.asarray(stack[0]).dtype)
    for nucleus, (y, x) in corners.items():
        section = np.asarray(stack[nuclei[nucleus].middle][slices(boxes[nucleus])]) == nucleus
        plane[y : y + section.shape[0], x : x + section.shape[1]][section] = nucleus
    return plane


def _touches_edge(sections: Sections, shape: tuple[int, ...]) -> bool:
    y0, y1, x0, x1 = united(list(sections.boxes.values()))
    planes = sections.boxes.keys()
    return min(y0, x0, min(planes)) == 0 or y1 == shape[1] or x1 == shape[2] or max(planes) == shape[0] - 1
