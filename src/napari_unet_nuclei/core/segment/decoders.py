"""What a result keeps, so that other thresholds give other labels without the network."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from napari_unet_nuclei.core.labels.decode import Decoded, DecodeThresholds, PlaneDecoder
from napari_unet_nuclei.core.labels.decode_volume import VolumeDecoder, decode_section
from napari_unet_nuclei.core.labels.join_planes import join_planes
from napari_unet_nuclei.core.labels.numbering import whole_labels
from napari_unet_nuclei.core.labels.regions import grown, slices
from napari_unet_nuclei.core.types import Labels, QuantisedMaps, Region

GRAPHED_PIXELS = 16 * 2**20
"""What decoding finds on the way is kept, once a slider has moved, of planes of at most this many pixels in all: it
takes up to 25 bytes a pixel. Planes beyond are decoded from their maps every time."""


QUICK_VOXELS = 3 * 2**20
"""Working voxels that are decoded anew in 0.3 s of a processor."""

GRAPH_IS_FASTER = 30
"""How much faster a graph of basins that is known answers."""


class Decoder(Protocol):
    """Finds the nuclei of all planes again and again, from what the network said once."""

    def decode(self, thresholds: DecodeThresholds, checkpoint: Callable[[], None] = lambda: None) -> Decoded:
        """Return labels (planes, Y, X); ``checkpoint`` is called now and then, and raises `Cancelled` to stop."""

    def prepare(self, checkpoint: Callable[[], None]) -> None:
        """Get ready for other foreground thresholds, as far as that can be done beforehand."""


class StackDecoder:
    """Decodes maps (planes, 3, Y, X) again and again, caching what does not change for as many as memory allows."""

    def __init__(self, maps: NDArray[np.uint8], scale: float) -> None:
        self._maps = maps
        self._scale = scale
        self._kept = [PlaneDecoder(one, scale) for one in maps[: GRAPHED_PIXELS // max(math.prod(maps.shape[2:]), 1)]]

    def prepare(self, checkpoint: Callable[[], None]) -> None:
        """Prepare the planes of which anything is kept."""
        for decoder in self._kept:
            checkpoint()
            decoder.prepare()

    def decode(self, thresholds: DecodeThresholds, checkpoint: Callable[[], None] = lambda: None) -> Decoded:
        """Decode all planes into labels (planes, Y, X)."""

        def decoded_planes() -> Iterable[Decoded]:
            for number, maps in enumerate(self._maps):
                checkpoint()
                # A decoder caches in itself: planes beyond the limit are decoded by one that is dropped afterwards.
                decoder = self._kept[number] if number < len(self._kept) else PlaneDecoder(maps, self._scale)
                yield decoder.decode(thresholds)

        if len(self._maps) == 1:  # its ids and scores go on from nothing, so that there is nothing to copy
            (plane,) = decoded_planes()
            return Decoded(plane.labels[np.newaxis], plane.scores)
        return stack_planes(decoded_planes(), (self._maps.shape[0], *self._maps.shape[2:]))


class PartDecoder:
    """Decodes a rectangle of a plane with what lies around it, again and again: what is in view before all the rest.

    Of a whole plane only the usual size of its nuclei has a say in a part of it, so that a few labels may differ.

    Parameters
    ----------
    maps : ndarray, shape (3, Y, X), uint8
        Of the whole plane.
    region : Region
    margin : int
        Pixels around it that are decoded as well: nuclei cut by the end of what is decoded are not told well.
    scale : float
        As for `PlaneDecoder`.
    """

    def __init__(self, maps: QuantisedMaps, region: Region, margin: int, scale: float) -> None:
        self.region = region
        window = grown(region, margin, maps.shape[1:])
        self._decoder = PlaneDecoder(np.ascontiguousarray(maps[:, *slices(window)]), scale)
        self._is_known = False
        self._inside = slices((
            region[0] - window[0], region[1] - window[0], region[2] - window[2], region[3] - window[2]
        ))  # fmt: skip

    def decode(self, thresholds: DecodeThresholds) -> Labels:
        """Return the labels of the rectangle, ids 1..n without gaps."""
        if self._is_known:  # a slider that moves on passes many thresholds
            self._decoder.prepare()
        self._is_known = True
        return whole_labels(self._decoder.decode(thresholds).labels[self._inside])


class JoinedDecoder:
    """Decodes plane by plane, and joins what lies on top of each other.

    Parameters
    ----------
    planes : Decoder
    stacks : sequence of sequences of int
        Which planes lie on top of each other, in order.
    """

    def __init__(self, planes: Decoder, stacks: Sequence[Sequence[int]]) -> None:
        self._planes = planes
        self._stacks = stacks

    def prepare(self, checkpoint: Callable[[], None]) -> None:
        """Prepare all planes."""
        self._planes.prepare(checkpoint)

    def decode(self, thresholds: DecodeThresholds, checkpoint: Callable[[], None] = lambda: None) -> Decoded:
        """Decode all planes into labels (planes, Y, X)."""
        return joined(self._planes.decode(thresholds, checkpoint), self._stacks)


class VolumesDecoder:
    """Decodes the maps of volumes: of one, or of one for every time point; ``stacks`` as in `JoinedDecoder`."""

    def __init__(self, volumes: Sequence[VolumeDecoder], stacks: Sequence[Sequence[int]]) -> None:
        self.volumes = volumes
        self._stacks = stacks

    def prepare(self, checkpoint: Callable[[], None]) -> None:
        """Do nothing: heights in a volume depend on the threshold, so that each is found by itself."""

    def is_quick(self, thresholds: DecodeThresholds) -> bool:
        """Return whether all is decoded within the blink of an eye."""
        voxels = sum(volume.maps.foreground.size for volume in self.volumes)
        is_known = all(volume.has_graph(thresholds.foreground) for volume in self.volumes)
        return voxels <= QUICK_VOXELS * (GRAPH_IS_FASTER if is_known else 1)

    def decode_section(self, plane: int, region: Region, thresholds: DecodeThresholds) -> Labels:
        """Decode a rectangle of one plane, by its number among all; ids 1..n without gaps."""
        stack, volume = next(pair for pair in zip(self._stacks, self.volumes, strict=True) if plane in pair[0])
        return decode_section(volume.maps, list(stack).index(plane), region, thresholds)

    def decode(self, thresholds: DecodeThresholds, checkpoint: Callable[[], None] = lambda: None) -> Decoded:
        """Decode all volumes into labels (planes, Y, X)."""
        decoded = (volume.decode(thresholds, checkpoint) for volume in self.volumes)
        shape = self.volumes[0].maps.shape
        return into_planes(decoded, self._stacks, (sum(map(len, self._stacks)), *shape[1:]))


def stack_planes(planes: Iterable[Decoded], shape: tuple[int, ...]) -> Decoded:
    """Stack decoded planes into labels (planes, Y, X) whose ids, and scores, go on from plane to plane."""
    return into_planes(planes, [[number] for number in range(shape[0])], shape)


def into_planes(parts: Iterable[Decoded], stacks: Sequence[Sequence[int]], shape: tuple[int, ...]) -> Decoded:
    """Put what was decoded, a plane or a volume at a time, into the planes (planes, Y, X) where it belongs.

    Ids, and scores, go on from part to part.
    """
    labels = np.zeros(shape, np.int32)
    count, scores = 0, [np.zeros(0)]
    for stack, decoded in zip(stacks, parts, strict=True):
        found = decoded.labels.reshape(len(stack), *shape[1:])
        for number, section in zip(stack, found, strict=True):
            # In place and only where there are nuclei: background stays 0 whatever the ids have come to.
            np.add(section, count, out=labels[number], where=section > 0)
        count += len(decoded.scores)
        scores.append(decoded.scores)
    return Decoded(labels, np.concatenate(scores))


def joined(planes: Decoded, stacks: Sequence[Sequence[int]]) -> Decoded:
    """Join the nuclei of planes that lie on top of each other; a nucleus's score is the highest of its sections."""
    parts = []
    for stack in stacks:
        labels = planes.labels[list(stack)]
        sections = np.unique(labels)
        sections = sections[sections > 0]
        # Ids of one stack from 1, ascending from plane to plane as `join_planes` wants them.
        places = np.zeros(len(planes.scores) + 1, np.int32)
        places[sections] = np.arange(1, len(sections) + 1)
        nuclei = join_planes(places[labels])
        scores = np.zeros(int(nuclei.max(initial=0)))
        np.maximum.at(scores, nuclei[1:] - 1, planes.scores[sections - 1])
        parts.append(Decoded(nuclei[places[labels]], scores))
    return into_planes(parts, stacks, planes.labels.shape)
