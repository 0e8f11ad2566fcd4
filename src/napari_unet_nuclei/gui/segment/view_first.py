"""What is in view of a large image comes before the rest of it, in a run and when a slider moves."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_unet_nuclei.core.labels.decode import DecodeThresholds
from napari_unet_nuclei.core.labels.kept_ids import KeptIds, keep_ids
from napari_unet_nuclei.core.labels.numbering import whole_labels
from napari_unet_nuclei.core.labels.regions import slices
from napari_unet_nuclei.core.progress import Advanced, Progress
from napari_unet_nuclei.core.segment.decoders import PartDecoder, VolumesDecoder
from napari_unet_nuclei.core.segment.result import SegmentResult
from napari_unet_nuclei.core.types import Labels, Region
from napari_unet_nuclei.gui.segment.written_labels import LONGEST_SIDE, Section
from napari_unet_nuclei.gui.viewer.layers import LayerImage
from napari_unet_nuclei.gui.viewer.view import (
    current_plane,
    middle_part,
    part_in_view,
    shows_planes,
    units_factors,
    visible_region,
)

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Image
    from napari.layers import Labels as LabelsLayer

LARGE = 1 << 22
"""Pixels of a plane from which on what is in view is segmented before the whole."""

IN_VIEW = 1 << 20
"""Pixels of a large plane that come first."""

AROUND = 2.0
"""Typical diameters around what is in view that are decoded with it."""


@dataclass(frozen=True)
class ViewFirst:
    """A part of a large image that is segmented before the whole."""

    plane: tuple[int, ...]  # index along the leading axes
    region: Region
    where: str  # "in view", or what of it
    joins: bool  # the whole can be written into the same layer, piece by piece


def view_first(viewer: Viewer, layer: Image, image: LayerImage) -> ViewFirst | None:
    """Return what of an image is segmented before the whole; None for small ones, several planes, and out of view."""
    is_large = math.prod(image.source.plane_shape) >= LARGE and math.prod(image.source.leading_shape) == 1
    if not is_large or layer not in viewer.layers or not shows_planes(viewer.dims, image):
        return None
    seen = visible_region(layer, image)
    if seen[0] >= seen[1] or seen[2] >= seen[3]:
        return None
    region = middle_part(seen, IN_VIEW)
    joins = is_plain(image) and max(image.source.plane_shape) <= LONGEST_SIDE
    return ViewFirst(current_plane(viewer.dims, layer, image), region, _where(is_all=region == seen), joins)


def is_plain(image: LayerImage) -> bool:
    """Return whether the labels of an image are one plane with rows along Y."""
    return image.letters.replace("C", "") == "YX"


def in_its_plane(part: SegmentResult, shape: tuple[int, int]) -> SegmentResult:
    """Return a result of a part of a plane as one of all of it, without nuclei in the rest."""
    (y, x), (height, width) = part.origin, part.labels.shape
    here = slices((y, y + height, x, x + width))
    labels = np.zeros(shape, part.labels.dtype)
    labels[here] = part.labels
    maps = None
    if part.maps is not None:
        maps = np.zeros((*part.maps.shape[:2], *shape), part.maps.dtype)
        maps[:, :, *here] = part.maps
    return replace(part, labels=labels, maps=maps, decoder=None, origin=(0, 0))


@dataclass(frozen=True)
class Part:
    """What is in view from other thresholds than those of the result, and how many nuclei that are."""

    result: SegmentResult
    region: Region
    shown: Labels
    count: str
    copy: Labels  # as `WrittenLabels.write` needs it


class ViewDecoder:
    """Decodes what is in view of the labels of a large plane, and keeps what serves the next move of a slider."""

    def __init__(self) -> None:
        self._part: PartDecoder | None = None
        self._maps: NDArray[np.uint8] | None = None

    def job(
        self,
        layer: LabelsLayer,
        result: SegmentResult,
        thresholds: DecodeThresholds,
        known: tuple[NDArray[np.int32], int],
        own_copy: Callable[[], Labels],
    ) -> Callable[[Progress], Part]:
        """Return the job; ``known`` are the ids of the nuclei in the layer, by those in the result, and a free id."""
        assert result.maps is not None, "asked for results with maps"
        ids, free = known
        region = part_in_view(layer, IN_VIEW)
        if self._part is None or self._part.region != region or self._maps is not result.maps:
            margin = round(AROUND * result.diameter)
            self._part, self._maps = PartDecoder(result.maps[0], region, margin, thresholds.scale), result.maps
        part, where = self._part, _where(is_all=region == part_in_view(layer, result.labels.size))

        def decode(progress: Progress) -> Part:
            labels = part.decode(thresholds)
            progress.report(Advanced(0.0, ""))
            kept = _kept_here(labels, result.labels[slices(region)], ids, free)
            return Part(result, region, kept.ids[labels], f"{len(kept.ids) - 1:,} {where}", own_copy())

        return decode


@dataclass(frozen=True)
class ShownSection:
    """What is in view of a large volume from other thresholds than those of the result, with its number of nuclei."""

    result: SegmentResult
    section: Section
    count: str
    untouched: bool  # nobody had edited the labels that it replaces


def section_job(
    viewer: Viewer,
    layer: LabelsLayer,
    result: SegmentResult,
    thresholds: DecodeThresholds,
    known: tuple[NDArray[np.int32], int],
    is_untouched: Callable[[], bool],
) -> Callable[[Progress], ShownSection] | None:
    """Return the job that decodes the plane of a volume that is in view; None where all is decoded as soon.

    ``known`` as for `ViewDecoder.job`, ``is_untouched`` as `WrittenLabels.comparison` gives it.
    """
    decoder, dims = result.decoder, viewer.dims
    above = dims.ndisplay == 2 and list(dims.displayed) == [dims.ndim - 2, dims.ndim - 1]
    as_decoded = layer.data.shape == result.labels.shape and layer.visible
    if not isinstance(decoder, VolumesDecoder) or not (above and as_decoded) or decoder.is_quick(thresholds):
        return None
    leading = result.labels.shape[:-2]
    point = np.array(dims.point[-layer.ndim :], float) / units_factors(layer, dims)
    index = np.rint(np.array(layer.world_to_data(point))[:-2]).astype(int)
    plane = tuple(int(np.clip(place, 0, length - 1)) for place, length in zip(index, leading, strict=True))
    region, number = part_in_view(layer, IN_VIEW), int(np.ravel_multi_index(plane, leading))
    ids, free = known

    def decode(progress: Progress) -> ShownSection:
        labels = decoder.decode_section(number, region, thresholds)
        progress.report(Advanced(0.0, ""))
        kept = _kept_here(labels, result.labels[plane][slices(region)], ids, free)
        section = Section(plane, region, kept.ids[labels])
        return ShownSection(result, section, f"{len(kept.ids) - 1:,} in this plane", is_untouched())

    return decode


def _kept_here(labels: Labels, before: Labels, ids: NDArray[np.int32], free: int) -> KeptIds:
    """Give the nuclei of a part of a plane the ids that they had; ``ids`` are those shown, by those in ``before``."""
    occurs = np.bincount(before.ravel(), minlength=1) > 0
    occurs[0] = True
    former = whole_labels(before)
    return keep_ids(labels, former, ids[np.flatnonzero(occurs)], former, free)


def _where(*, is_all: bool) -> str:
    return "in view" if is_all else "in the middle of the view"
