"""What is summed over the voxels of nuclei to measure them: sums of the parts of a volume add up to those of it all."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from napari_unet_nuclei.core.types import Box

Columns: TypeAlias = dict[str, NDArray[Any]]

AXES_UM = ("axis_major_um", "axis_middle_um", "axis_minor_um")

_PRODUCTS = ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2))
"""Pairs of axes whose products are summed."""

SHIFTS: tuple[tuple[int, int, int], ...] = (
    (0, 0, 1),
    (0, 1, -1),
    (0, 1, 0),
    (0, 1, 1),
    *((1, y, x) for y in (-1, 0, 1) for x in (-1, 0, 1)),
)
"""Steps (z, y, x) to half of the 26 neighbours; the other half is opposite."""

PADDED = 2
"""Voxels at the side of a padded plane that are not of its part, where the volume goes on."""

_POINTS = 20_000
"""Of a sphere, evenly spread, by which solid angles are measured."""


@dataclass(frozen=True)
class VolumeGeometry:
    """Where the labels lie; ``sizes`` of voxels along z, y, x are in µm where they are known, else in pixels."""

    axes: str
    origin: tuple[int, ...]
    sizes: tuple[float, float, float]
    known: bool
    world: NDArray[np.floating] | None = None

    @property
    def depth(self) -> int:
        """Place of Z among the axes."""
        return self.axes.index("Z")

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the axes in columns."""
        return tuple(f"axis_{i}" if letter == "Q" else letter.lower() for i, letter in enumerate(self.axes))


@dataclass(frozen=True, eq=False)
class VolumeSums:
    """Sums over the voxels of each of n nuclei.

    Attributes
    ----------
    totals : ndarray, shape (10, n), float64
        Voxels; sums of z, y and x; sums of their products.
    crossings : ndarray, shape (13, n), int64
        As `SurfaceCount` counts them.
    sections : ndarray, shape (2, M), int64
        In which planes nuclei lie: index of the nucleus, and plane.
    edge : ndarray, shape (n,), bool
        Whether they reach any of the six faces of the volume.
    light : ndarray, shape (images, 4, n), float64
        Of each image: number of finite pixels, their sum, minimum and maximum, NaN where there are none.
    """

    totals: NDArray[np.float64]
    crossings: NDArray[np.int64]
    sections: NDArray[np.int64]
    edge: NDArray[np.bool_]
    light: NDArray[np.float64]

    @staticmethod
    def none(count: int, images: int) -> VolumeSums:
        """Return the sums of nuclei that have no voxels yet."""
        light = np.zeros((images, 4, count))
        light[:, 2:] = np.nan
        return VolumeSums(
            np.zeros((4 + len(_PRODUCTS), count)),
            np.zeros((len(SHIFTS), count), np.int64),
            np.zeros((2, 0), np.int64),
            np.zeros(count, bool),
            light,
        )

    @staticmethod
    def of_parts(parts: Iterable[tuple[NDArray[np.integer], VolumeSums]], count: int, images: int) -> VolumeSums:
        """Add up the sums of parts, each with the indices of its nuclei among all."""
        sums = VolumeSums.none(count, images)
        sections = [sums.sections]
        for places, part in parts:
            sums.totals[:, places] += part.totals
            sums.crossings[:, places] += part.crossings
            sums.edge[places] |= part.edge
            sums.light[:, :2, places] += part.light[:, :2]
            # fmin and fmax skip NaN.
            sums.light[:, 2, places] = np.fmin(sums.light[:, 2, places], part.light[:, 2])
            sums.light[:, 3, places] = np.fmax(sums.light[:, 3, places], part.light[:, 3])
            sections.append(np.stack([places[part.sections[0]], part.sections[1]]))
        return replace(sums, sections=np.concatenate(sections, axis=1))

    def chosen(self, places: NDArray[np.integer]) -> VolumeSums:
        """Select some of the nuclei, by their indices, ascending."""
        number = np.full(self.edge.size, -1)
        number[places] = np.arange(len(places))
        sections = np.stack([number[self.sections[0]], self.sections[1]])[:, number[self.sections[0]] >= 0]
        return VolumeSums(
            self.totals[:, places], self.crossings[:, places], sections, self.edge[places], self.light[:, :, places]
        )

    def columns(
        self, ids: NDArray[np.int64], names: tuple[str, ...], geometry: VolumeGeometry, index: tuple[int, ...]
    ) -> Columns:
        """Return the columns of the table for nuclei of one stack: ``names`` of the images, ``index`` of the stack."""
        depth = geometry.depth
        counts = self.totals[0]
        voxels = np.maximum(counts, 1)
        middles = self.totals[1:4] / voxels
        positions = np.empty((len(geometry.axes), len(ids)))
        leading = (*index[:depth], 0, *index[depth:])
        positions[:-2] = np.reshape(leading, (-1, 1))
        positions[[depth, -2, -1]] = middles
        positions += np.reshape(geometry.origin, (-1, 1))
        columns: Columns = {"label": ids}
        others = [axis for axis in range(len(geometry.axes) - 2) if axis != depth]
        columns |= {geometry.names[axis]: positions[axis].astype(np.int64) for axis in others}
        in_um = 1.0 if geometry.known else np.nan
        volumes, pixel = counts * math.prod(geometry.sizes), math.sqrt(geometry.sizes[1] * geometry.sizes[2])
        spreads = self._spreads(middles, geometry)
        diameters, surfaces = np.cbrt(6 / np.pi * volumes), areas_of(self.crossings, spreads, geometry.sizes)
        columns |= {"voxels": counts.astype(np.int64), "volume_um3": volumes * in_um}
        columns |= {"diameter_px": diameters / pixel, "diameter_um": diameters * in_um}
        columns |= {"surface_um2": surfaces * in_um, "sphericity": np.pi * diameters**2 / np.maximum(surfaces, 1e-12)}
        columns |= {f"centroid_{name}": positions[axis] for name, axis in zip("zyx", (depth, -2, -1), strict=True)}
        if geometry.world is not None:
            world = geometry.world[:-1, :-1] @ positions + geometry.world[:-1, -1:]
            columns |= {f"world_{name}": values for name, values in zip(geometry.names, world, strict=True)}
        first, last, planes = self._extents()
        begin = geometry.origin[depth]
        columns |= {"z_first": first + begin, "z_last": last + begin, "planes": planes}
        columns |= dict(zip(AXES_UM, _axes(spreads) * in_um, strict=True))
        for name, (finite, total, least, most) in zip(names, self.light, strict=True):
            known = np.where(finite > 0, finite, np.nan)
            values = (total / known, least, most, total * (known / known))
            columns |= {f"{name}_{what}": one for what, one in zip(("mean", "min", "max", "sum"), values, strict=True)}
        return columns | {"touches_edge": self.edge}

    def _extents(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Return the first and the last plane of each nucleus, and in how many planes it lies."""
        # Once each: parts beside each other have both seen a nucleus in the same plane.
        nuclei, planes = np.unique(self.sections, axis=1)
        count = self.edge.size
        first, last = np.full(count, np.iinfo(np.int64).max), np.zeros(count, np.int64)
        np.minimum.at(first, nuclei, planes)
        np.maximum.at(last, nuclei, planes)
        return np.minimum(first, last), last, np.bincount(nuclei, minlength=count)

    def _spreads(self, middles: NDArray[np.float64], geometry: VolumeGeometry) -> NDArray[np.float64]:
        """Return the covariance of the voxels of each nucleus along z, y and x, in the unit of sizes; (n, 3, 3)."""
        products = np.empty((3, 3, middles.shape[1]))
        for (one, other), sums in zip(_PRODUCTS, self.totals[4:], strict=True):
            products[one, other] = products[other, one] = sums
        spread = products / np.maximum(self.totals[0], 1) - middles[:, None] * middles[None]
        spread[range(3), range(3)] += 1 / 12  # of a voxel itself
        sizes = np.array(geometry.sizes)
        return np.moveaxis(spread * (sizes[:, None] * sizes[None])[..., None], -1, 0)


def _axes(spreads: NDArray[np.float64]) -> NDArray[np.float64]:
    """Lengths of the three axes of the ellipsoid with the same second moments, longest first, shape (3, n)."""
    variances = np.linalg.eigvalsh(spreads)[:, ::-1]
    # The variance along an ellipsoid's axis is a fifth of the square of half of it.
    return np.asarray(2 * np.sqrt(5 * np.maximum(variances, 0)).T)


def sum_part(
    planes: Iterable[tuple[NDArray[np.int32], Mapping[str, NDArray[Any]]]],
    count: int,
    names: tuple[str, ...],
    box: Box,
    shape: tuple[int, int, int],
) -> VolumeSums:
    """Sum up a part of a volume, plane by plane.

    Parameters
    ----------
    planes : iterable of tuple
        For each plane of the part, the numbers (Y, X) of the nuclei, from 1, 0 for background, and the images (Y, X) by
        name. Where the volume goes on, numbers have one voxel more on that side, also beyond the last plane, which
        needs no images.
    count : int
        Number of nuclei.
    names : tuple of str
        Of the images.
    box : tuple of int
        Where in the volume of ``shape`` the part lies.
    """
    sums = VolumeSums.none(count, len(names))
    sections = [sums.sections]
    z0, z1, y0, y1, x0, x1 = box
    ends = tuple((first == 0, end == size) for first, end, size in zip(box[::2], box[1::2], shape, strict=True))
    surface = SurfaceCount(count, ends)
    rows, columns = (slice(int(first > 0), int(first > 0) + end - first) for first, end in ((y0, y1), (x0, x1)))
    beyond = None
    for z, (view, images) in enumerate(planes, start=z0):
        if z == z1:
            beyond = view
            break
        surface.add(view)
        there = _add(sums, (z, y0, x0), view[rows, columns], [images[name] for name in names])
        sections.append(np.stack([there, np.full(there.size, z)]))
        _mark_edge(sums.edge, view[rows, columns], ends[1:], everything=z in (0, shape[0] - 1))
    surface.end(beyond)
    sums.crossings[...] = surface.crossings[:, 1:]
    return replace(sums, sections=np.concatenate(sections, axis=1))


def _add(
    sums: VolumeSums, first: tuple[int, int, int], plane: NDArray[np.int32], images: list[NDArray[Any]]
) -> NDArray[np.int64]:
    """Add a plane (Y, X), given where its first pixel lies; return the indices of the nuclei in it."""
    pixels = np.flatnonzero(plane)
    pixels = pixels[np.argsort(plane.ravel()[pixels], kind="stable")]
    there, starts, areas = np.unique(plane.ravel()[pixels] - 1, return_index=True, return_counts=True)
    if not there.size:
        return there.astype(np.int64)
    z = first[0]
    y, x = (along.astype(np.float64) for along in np.divmod(pixels, plane.shape[1]))
    y += first[1]
    x += first[2]
    rows, columns, yy, yx, xx = (np.add.reduceat(values, starts) for values in (y, x, y * y, y * x, x * x))
    sums.totals[:, there] += np.array(
        [areas, z * areas, rows, columns, z * z * areas, z * rows, z * columns, yy, yx, xx]
    )
    for light, image in zip(sums.light, images, strict=True):
        _add_light(light, image.ravel()[pixels].astype(np.float64), there, starts)
    return there.astype(np.int64)


def _mark_edge(
    edge: NDArray[np.bool_], plane: NDArray[np.int32], ends: tuple[tuple[bool, bool], ...], *, everything: bool
) -> None:
    """Mark the nuclei of a plane that touch the edges of it at which the volume ends, or all of them."""
    if everything:
        edge[np.unique(plane[plane > 0]) - 1] = True
        return
    for axis, (begins, stops) in enumerate(ends):
        for place, is_end in ((0, begins), (-1, stops)):
            if is_end:
                line = np.take(plane, place, axis)
                edge[line[line > 0] - 1] = True


def _add_light(
    light: NDArray[np.float64], values: NDArray[np.float64], there: NDArray[np.integer], starts: NDArray[np.integer]
) -> None:
    """Add the finite ones of a plane's pixels, sorted by nucleus, to what is known of them."""
    finite = np.isfinite(values)
    light[0, there] += np.add.reduceat(finite, starts, dtype=np.float64)
    light[1, there] += np.add.reduceat(np.where(finite, values, 0.0), starts)
    values = np.where(finite, values, np.nan)
    # fmin and fmax skip NaN.
    light[2, there] = np.fmin(light[2, there], np.fmin.reduceat(values, starts))
    light[3, there] = np.fmax(light[3, there], np.fmax.reduceat(values, starts))


class SurfaceCount:
    """Surfaces of nuclei 1..n, whose planes are added one after the other; of parts of a volume, counts add up.

    By the Cauchy-Crofton formula (Lehmann and Legland 2012, *Efficient N-dimensional surface estimation using Crofton
    formula and run-length encoding*, Insight Journal): lines in thirteen directions, those between neighbouring voxels,
    are counted where they enter or leave a nucleus; the area is their mean, weighted by the solid angle that each
    direction stands for. Where planes are far apart, a line may enter and leave a nucleus between two of its voxels:
    what is missed so is made up for, as it would be missed of the ellipsoid with the same second moments.

    Parameters
    ----------
    count : int
        Number of nuclei.
    part : tuple of tuple of bool, shape (3, 2)
        Along z, y and x, whether the planes begin and end with the volume. Where it goes on, they hold one voxel more
        there, which belongs to the next part: only of steps that begin in this part are crossings counted.

    Attributes
    ----------
    crossings : ndarray, shape (13, n + 1), int64
        Of each direction and nucleus.
    """

    def __init__(self, count: int, part: Sequence[tuple[bool, bool]] = ((True, True),) * 3) -> None:
        self.crossings = np.zeros((len(SHIFTS), count + 1), np.int64)
        self._part = part
        self._before: NDArray[np.int32] | None = None

    def add(self, plane: NDArray[np.int32]) -> None:
        """Count the crossings within the next plane (Y, X), and between it and the one before."""
        # A rim of background: a nucleus cut by the edge ends there.
        plane = np.pad(plane, 1)
        (begins, _), *_ = self._part
        if self._before is not None or begins:
            self._count(self._before if self._before is not None else np.zeros_like(plane), plane, across=True)
        self._count(plane, plane, across=False)
        self._before = plane

    def end(self, beyond: NDArray[np.int32] | None = None) -> None:
        """Count the crossings between the last plane and the one beyond it, which is empty where the volume ends."""
        if self._before is not None:
            last = self._before
            self._count(last, np.zeros_like(last) if beyond is None else np.pad(beyond, 1), across=True)

    def _count(self, one: NDArray[np.int32], other: NDArray[np.int32], *, across: bool) -> None:
        """Count the crossings from a plane to another one, or to itself."""
        for number, (z, *shift) in enumerate(SHIFTS):
            if bool(z) != across:
                continue
            here, there = [], []
            for step, size, (begins, ends) in zip(shift, one.shape, self._part[1:], strict=True):
                # The padding belongs to the part at the edge of the volume; elsewhere the voxel within it to the next.
                first = max(0 if begins else PADDED, -step)
                end = min(size if ends else size - PADDED, size - step)
                here.append(slice(first, end))
                there.append(slice(first + step, end + step))
            from_, to = one[tuple(here)], other[tuple(there)]
            crossing = from_ != to
            for side in (from_, to):
                self.crossings[number] += np.bincount(side[crossing], minlength=self.crossings.shape[1])


def areas_of(
    crossings: NDArray[np.int64], spreads: NDArray[np.float64], spacing: tuple[float, float, float]
) -> NDArray[np.float64]:
    """Return the surface areas (n,) of nuclei.

    Parameters
    ----------
    crossings : ndarray, shape (13, n)
    spreads : ndarray, shape (n, 3, 3)
        Covariance of the voxels of each nucleus along z, y and x, in the unit of ``spacing``.
    spacing : tuple of float
        Distances of voxels along z, y and x.
    """
    steps = np.array(SHIFTS) * np.array(spacing)
    # Of an ellipsoid with this covariance, the longest chord along each direction, in steps; shape (13, n).
    inverse = np.linalg.inv(5 * spreads)
    longest = 2 / np.sqrt(np.einsum("ki,nij,kj->kn", steps, inverse, steps))
    return np.asarray(np.array(crossing_areas(spacing)) @ (crossings / _seen_share(longest)))


def _seen_share(longest: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the share of the chords of an ellipsoid that hold a voxel, given its longest ones in steps of the voxels.

    A chord of c steps, if shorter than one, does so with the probability c; a share of 1 - u² of all chords is longer
    than u times the longest.
    """
    return np.where(longest >= 1, 1 - 1 / (3 * np.maximum(longest, 1) ** 2), 2 / 3 * longest)


@lru_cache(maxsize=16)
def crossing_areas(spacing: tuple[float, float, float]) -> tuple[float, ...]:
    """Return the surface that one crossing stands for, in each of the directions of `SHIFTS`.

    Examples
    --------
    >>> [round(area, 2) for area in crossing_areas((1.0, 1.0, 1.0))[:3]]
    [0.18, 0.1, 0.18]
    """
    steps = np.array(SHIFTS) * np.array(spacing)
    lengths = np.linalg.norm(steps, axis=1)
    # A spiral from pole to pole whose turns are as far apart as its points (Fibonacci sphere).
    places = np.arange(_POINTS) + 0.5
    height, turn = 1 - 2 * places / _POINTS, np.pi * (1 + 5**0.5) * places
    ring = np.sqrt(1 - height**2)
    points = np.stack([height, ring * np.sin(turn), ring * np.cos(turn)], axis=1)
    nearest = np.abs(points @ (steps / lengths[:, None]).T).argmax(axis=1)
    share = np.bincount(nearest, minlength=len(SHIFTS)) / _POINTS
    return tuple((2 * share * np.prod(spacing) / lengths).tolist())
