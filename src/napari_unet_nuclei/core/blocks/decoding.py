"""What blocks must know of how maps become nuclei: in planes, and in volumes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from napari_unet_nuclei.core.labels.basins import Heights
from napari_unet_nuclei.core.labels.decode import DecodeThresholds, foreground_mask, stays
from napari_unet_nuclei.core.labels.decode_volume import (
    cubes_at,
    heights_of,
    least_voxels,
    mask_of,
    reach_of_heights,
    volume_scores,
)
from napari_unet_nuclei.core.labels.heights import heights_of as heights_of_plane
from napari_unet_nuclei.core.labels.heights import smoothing_reach
from napari_unet_nuclei.core.labels.regions import slices
from napari_unet_nuclei.core.labels.score import PEAKS, TOTALS, Evidence, scores_of
from napari_unet_nuclei.core.types import Box, Mask, QuantisedMaps

Judged = tuple[NDArray[np.float64], NDArray[np.bool_]]
"""Score of each nucleus, and whether it is kept."""


class Decoding(Protocol):
    """How the maps of a block are decoded, exactly as those of the undivided plane or volume."""

    @property
    def reach(self) -> int:
        """Pixels beyond a pixel that its height depends on."""

    @property
    def split(self) -> float:
        """Depth of the notch between two nuclei, in the unit of heights."""

    @property
    def usual_from(self) -> int:
        """Pixels of the smallest nucleus that counts where the usual size is asked for."""

    def landscape(self, maps: QuantisedMaps) -> tuple[Heights, Mask]:
        """Return the heights, and the pixels that are foreground."""

    def shown(self, maps: QuantisedMaps, box: Box) -> QuantisedMaps:
        """Return what evidence is gathered of: three maps of a box."""

    def judged(self, evidence: Evidence, shape: tuple[int, ...], usual: float) -> Judged:
        """Score whole nuclei of a plane or volume of a shape, whose usual nucleus is so large, and choose."""


@dataclass(frozen=True)
class PlaneDecoding:
    """As `PlaneDecoder` does it."""

    thresholds: DecodeThresholds

    @property
    def reach(self) -> int:
        """As far as smoothing mixes."""
        return smoothing_reach(self.thresholds.scale)

    @property
    def split(self) -> float:
        """As the thresholds say."""
        return self.thresholds.split

    @property
    def usual_from(self) -> int:
        """As the thresholds say."""
        return self.thresholds.min_size

    def landscape(self, maps: QuantisedMaps) -> tuple[Heights, Mask]:
        """Return distance less border, and the foreground."""
        return heights_of_plane(maps, self.thresholds.scale), foreground_mask(maps, self.thresholds.foreground)

    def shown(self, maps: QuantisedMaps, box: Box) -> QuantisedMaps:
        """Return the maps themselves."""
        return maps

    def judged(self, evidence: Evidence, shape: tuple[int, ...], usual: float) -> Judged:
        """Judge by the model's score and by area."""
        scores = scores_of(evidence, shape, self.thresholds.scale, usual, self.thresholds.scoring)
        return scores, stays(evidence.areas, scores, self.thresholds)


@dataclass(frozen=True)
class VolumeDecoding:
    """As `VolumeDecoder` does it, on the working grid.

    Attributes
    ----------
    unit, scale : float
        As in `VolumeMaps`.
    cubes, pixels : tuple of int
        Shapes (Z, Y, X) of the working grid and of the image.
    """

    thresholds: DecodeThresholds
    unit: float
    scale: float
    cubes: tuple[int, ...]
    pixels: tuple[int, ...]

    @property
    def reach(self) -> int:
        """As far as distances are measured and smoothed."""
        return reach_of_heights(self.unit)

    @property
    def split(self) -> float:
        """In working voxels."""
        return self.thresholds.split * self.unit

    @property
    def usual_from(self) -> int:
        """Any: volumes are not compared with the usual one."""
        return 1

    def landscape(self, maps: QuantisedMaps) -> tuple[Heights, Mask]:
        """Return distances to the outline, and the foreground less border."""
        mask = mask_of(maps[0], maps[1], self.thresholds.foreground)
        return heights_of(mask, self.unit), mask

    def shown(self, maps: QuantisedMaps, box: Box) -> QuantisedMaps:
        """Return foreground, border and, where planes have a distance map, which cubes the image has a voxel in."""
        shown = np.zeros((3, *maps.shape[1:]), np.uint8)
        shown[:2] = maps
        seen = []
        for cubes, pixels, part in zip(self.cubes, self.pixels, slices(box), strict=True):
            there = np.zeros(cubes, bool)
            there[cubes_at(pixels, cubes)] = True
            seen.append(np.flatnonzero(there[part]))
        shown[2][np.ix_(*seen)] = 255
        return shown

    def judged(self, evidence: Evidence, shape: tuple[int, ...], usual: float) -> Judged:
        """Judge by foreground less border and by volume, and leave out what lies between the planes."""
        foreground, border = (evidence.totals[TOTALS.index(name)] for name in ("foreground", "border"))
        scores = volume_scores(evidence.areas, foreground, border)
        large = evidence.areas >= least_voxels(self.thresholds.min_size, self.scale)
        seen = evidence.peaks[PEAKS.index("distance")] > 0
        return scores, large & (scores >= self.thresholds.score) & seen
