"""Nuclei of a movie as points: where they are in every frame, and how large. All that linking needs to know."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from napari_unet_nuclei.core.image.pixel_size import PixelSize
from napari_unet_nuclei.core.progress import Advanced, Progress
from napari_unet_nuclei.core.tracking.drift import DriftMeter
from napari_unet_nuclei.core.tracking.movie import Movie


@dataclass(frozen=True, eq=False)
class Spots:
    """All nuclei of a movie, a row per nucleus and frame: in the order of the frames, and from top to bottom.

    Attributes
    ----------
    shape : tuple of int
        Of the movie, (T, Y, X) or (T, Z, Y, X).
    frame, label, size : ndarray, shape (n,), int64
        Frame, id in that frame, and number of pixels or voxels.
    centre : ndarray, shape (n, 2 or 3)
        Centroid in pixels: [z,] y, x.
    spacing : ndarray, shape (2 or 3,)
        Edges of a pixel relative to their geometric mean in the plane: [z,] y, x.
    drift : ndarray, shape (T, 2)
        How far the whole field has moved (y, x), in pixels, from each frame to the next.
    flat_share : float
        Share of the nuclei of a deep movie that lie in a single plane; 0 in a flat one.
    corrected : bool
        Positions are relative to the drifting field.
    """

    shape: tuple[int, ...]
    frame: NDArray[np.int64]
    label: NDArray[np.int64]
    size: NDArray[np.int64]
    centre: NDArray[np.float64]
    spacing: NDArray[np.float64]
    drift: NDArray[np.float64]
    flat_share: float = 0.0
    corrected: bool = False

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.frame)

    @property
    def frames(self) -> int:
        """Number of frames, empty ones included."""
        return self.shape[0]

    @cached_property
    def starts(self) -> NDArray[np.int64]:
        """First row of every frame, and at the end the number of rows."""
        return np.searchsorted(self.frame, np.arange(self.frames + 1))

    @cached_property
    def position(self) -> NDArray[np.float64]:
        """Centroids in units of an in-plane pixel, equal along all axes; drift is taken off where it is corrected."""
        still = self.centre.copy()
        if self.corrected:
            still[:, -2:] -= np.cumsum(self.drift, axis=0)[self.frame]
        return still * self.spacing

    @cached_property
    def diameter(self) -> float:
        """Diameter, in the same unit, of the circle or sphere of median size; 0.0 without nuclei."""
        if not len(self):
            return 0.0
        size = float(np.median(self.size)) * float(np.prod(self.spacing))
        return 2 * math.sqrt(size / math.pi) if self.centre.shape[1] == 2 else (6 * size / math.pi) ** (1 / 3)

    def rows(self, frame: int) -> NDArray[np.int64]:
        """Return the rows of a frame."""
        return np.arange(self.starts[frame], self.starts[frame + 1])


def find_spots(movie: Movie, pixel_size: PixelSize, progress: Progress) -> Spots:
    """Read a movie once, frame by frame; raise ImageShapeError if it holds no ids."""
    shape, parts, meter, flat = movie.shape, [], DriftMeter(), 0
    for time in range(shape[0]):
        progress.report(Advanced(time / shape[0], f"reading frame {time + 1} of {shape[0]}"))
        ids = movie.frame(time)
        meter.add(ids)
        label, size, centre = _nuclei(ids)
        flat += _count_flat(ids, label) if ids.ndim == 3 else 0
        down = np.lexsort(centre.T[::-1])
        parts.append((np.full(len(label), time), label[down], size[down], centre[down]))
    frame, label, size, centre = (np.concatenate(column) for column in zip(*parts, strict=True))
    spacing = relative_spacing(pixel_size, len(shape) - 1)
    return Spots(shape, frame, label, size, centre, spacing, meter.shifts, flat / max(len(frame), 1))


def relative_spacing(size: PixelSize, dimensions: int) -> NDArray[np.float64]:
    """Return the edges of a pixel relative to their geometric mean in the plane; what is unknown is 1.

    Examples
    --------
    >>> relative_spacing(PixelSize(y=0.5, x=0.5, z=2.0), 3)
    array([4., 1., 1.])
    """
    edge = math.sqrt(size.y * size.x)
    y, x, z = (size.y / edge, size.x / edge, size.z / edge) if size.known else (1.0, 1.0, 0.0)
    return np.array([z or 1.0, y, x][-dimensions:])


def _nuclei(ids: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Return ids, sizes and centroids of the nuclei of one frame."""
    flat = ids.ravel()
    pixels = np.flatnonzero(flat)
    if not len(pixels):
        return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros((0, ids.ndim))
    values = flat[pixels]
    # Ids of a frame mostly follow one another, so that a table from the lowest to the highest is short.
    lowest, span = int(values.min()), int(np.ptp(values)) + 1
    if span <= 4 * flat.size:
        counts = np.bincount(values - lowest, minlength=span)
        present = np.flatnonzero(counts)
        label, size, place = present + lowest, counts[present], (np.cumsum(counts > 0) - 1)[values - lowest]
    else:
        label, place, size = np.unique(values, return_inverse=True, return_counts=True)
    sums = [np.bincount(place, weights=axis) for axis in np.unravel_index(pixels, ids.shape)]
    return label, size, np.stack(sums, axis=1) / size[:, None]


def _count_flat(ids: NDArray[np.int64], label: NDArray[np.int64]) -> int:
    """Count the nuclei of a deep frame that lie in a single plane."""
    planes = np.concatenate([np.unique(plane[plane > 0]) for plane in ids])
    return len(label) - int(np.count_nonzero(np.unique(planes, return_counts=True)[1] > 1))
