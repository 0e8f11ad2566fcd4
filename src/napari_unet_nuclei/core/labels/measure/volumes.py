"""Measure nuclei in three dimensions: one row for each, whatever number of planes it lies in."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_unet_nuclei.core.errors import ImageShapeError, SettingsError
from napari_unet_nuclei.core.labels.measure.spots import count_in
from napari_unet_nuclei.core.labels.measure.surroundings import CELL, Match, draw_surroundings, spacing_in
from napari_unet_nuclei.core.labels.measure.volume_sums import Columns, VolumeGeometry, VolumeSums, sum_part
from napari_unet_nuclei.core.labels.numbering import as_ids
from napari_unet_nuclei.core.pieces import check_ids
from napari_unet_nuclei.core.progress import Advanced, Notice, Progress, Share, Silent, with_shares
from napari_unet_nuclei.core.quantity import quantity
from napari_unet_nuclei.core.settings import CellSettings
from napari_unet_nuclei.core.types import AnyArray, Index

LARGEST_SURROUNDED = 2**27
"""Voxels of a stack around whose nuclei something is drawn: that takes about 50 bytes for each."""


def measure_volumes(
    labels: AnyArray,
    images: Mapping[str, AnyArray] = {},
    *,
    axes: str = "ZYX",
    pixel_size_z: float = 0.0,
    pixel_size_y: float = 0.0,
    pixel_size_x: float = 0.0,
    spacing: float = 0.0,
    origin: tuple[int, ...] = (),
    world: NDArray[np.floating] | None = None,
    around: CellSettings = CellSettings(),  # noqa: B008  # frozen
    cells: AnyArray | None = None,
    spots: Mapping[str, NDArray[np.floating]] = {},
    progress: Progress = Silent(),  # noqa: B008  # has no state
) -> pd.DataFrame:
    """Measure every nucleus of stacks, in any number of images.

    Parameters
    ----------
    labels : array_like, shape (..., Y, X)
        Ids of nuclei: whole numbers of any dtype, gaps allowed; 0 and below is background. Read plane by plane.
    images : mapping of str to array_like, shape (..., Y, X)
        Intensities, by the prefix of their columns: the shape of ``labels``, any real dtype.
    axes : str
        One letter per axis of ``labels``, "YX" last, and Z among them; each index of the others is a stack of its own.
    pixel_size_z, pixel_size_y, pixel_size_x : float
        In µm; 0 if unknown, which leaves the columns in µm empty (NaN).
    spacing : float
        Distance of planes over that of pixels, where it is known without being known in µm; 0 for 1.
    origin : tuple of int
        Index in the whole image, along ``axes``, of the first pixel of ``labels``; added to all positions.
    world : ndarray, shape (axes + 1, axes + 1), optional
        Affine matrix from positions in the whole image, as in the table, to world coordinates.
    around, cells, spots
        As for `measure`, in three dimensions: columns of cells have ``voxels`` and ``volume_um3`` in place of areas.
    progress : Progress

    Returns
    -------
    pandas.DataFrame
        One row per nucleus and stack, sorted by stack, then by id; without nuclei no rows, but all columns:

        - ``label``, and for leading axes other than Z ``t`` and so on, the stack's index
        - ``voxels``, ``volume_um3``; ``diameter_px`` and ``diameter_um`` of the ball with that volume, in pixels of a
          plane and in µm
        - ``surface_um2`` by the Cauchy-Crofton formula; ``sphericity``, the surface of that ball over it, 1 for a ball
        - ``centroid_z``, ``centroid_y`` and ``centroid_x`` in pixels; with ``world`` also ``world_z`` and so on
        - ``z_first`` and ``z_last``, the first and the last of its planes, and how many ``planes`` it lies in
        - ``axis_major_um``, ``axis_middle_um``, ``axis_minor_um`` of the ellipsoid with the same second moments
        - ``<image>_mean``, ``_min``, ``_max`` and ``_sum`` for every image, over finite pixels (NaN if there are none)
        - ``touches_edge``, whether it reaches any of the six faces of ``labels``

    Raises
    ------
    ImageShapeError
        If shapes or axes do not match, or if values are not ids or intensities.
    SettingsError
        If cells or rings are to be drawn in µm and the size of voxels is unknown, or if a stack is too large for that.

    Examples
    --------
    >>> labels = np.zeros((3, 4, 4), int)
    >>> labels[1:, 1:3, 1:3] = 7
    >>> table = measure_volumes(labels, pixel_size_z=2, pixel_size_y=1, pixel_size_x=1)
    >>> table[["label", "voxels", "volume_um3", "centroid_z", "planes"]].iloc[0].tolist()
    [7.0, 8.0, 16.0, 1.5, 2.0]
    """
    _check(labels, images if cells is None else {**images, "The cells": cells}, axes)
    drawn = AroundVolumes(around, cells, spots)
    known = min(pixel_size_z, pixel_size_y, pixel_size_x) > 0
    sizes = (pixel_size_z, pixel_size_y, pixel_size_x)
    geometry = VolumeGeometry(
        axes, origin or (0,) * len(axes), sizes if known else (spacing or 1.0, 1.0, 1.0), known, world
    )
    others = [size for letter, size in zip(axes[:-2], labels.shape, strict=False) if letter != "Z"]
    none = VolumeSums.none(0, len(images))
    parts = [none.columns(np.zeros(0, np.int64), tuple(images), geometry, (0,) * len(others))]
    if drawn.wanted:
        drawn.spacing(geometry.sizes, known)  # raises before anything is read
        parts[0] |= _around(drawn, labels[..., :0, :0], images, [], (0,) * len(others), geometry, parts[0])[0]
    match = Match()
    stacks = list(np.ndindex(*others))
    for index, share in with_shares(stacks, progress):
        parts.append(_measure_stack(labels, images, index, geometry, share))
        if drawn.wanted:
            planes = _planes_of(labels, index, geometry)
            columns, fit = _around(drawn, labels, images, planes, index, geometry, parts[-1])
            parts[-1] |= columns
            match = match.plus(fit)
    if match.text():
        progress.report(Notice(match.text()))
    progress.report(
        Advanced(1.0, f"{quantity(sum(len(part['label']) for part in parts), 'nucleus', 'nuclei')} measured")
    )
    return pd.DataFrame({name: np.concatenate([part[name] for part in parts]) for name in parts[0]})


def hold_volumes(labels: AnyArray, axes: str) -> bool:
    """Tell whether ids mean nuclei in three dimensions: most that are in two neighbouring planes overlap there.

    Where every plane was numbered from 1, the same number lies anywhere; where ids go on from plane to plane, none is
    in two of them. Only the first stack is looked at.
    """
    if axes.count("Z") != 1:
        return False
    depth = axes.index("Z")
    others = (0,) * (len(axes) - 3)
    before, both, touching = np.zeros((0, 0), np.int64), 0, 0
    for z in range(labels.shape[depth] if 0 not in labels.shape else 0):
        plane = _ids(labels[(*others[:depth], z, *others[depth:])])
        if before.size:
            both += len(np.intersect1d(before[before > 0], plane[plane > 0]))
            touching += len(np.unique(plane[(plane == before) & (plane > 0)]))
        before = plane
    return 2 * touching > both > 0


def _check(labels: AnyArray, images: Mapping[str, AnyArray], axes: str) -> None:
    """Raise if shapes or axes do not match, before any pixels are read."""
    shape = tuple(labels.shape)
    if len(axes) != len(shape) or not axes.endswith("YX") or axes.count("Z") != 1:
        raise ImageShapeError(
            f"Labels of shape {shape} with the axes '{axes}' are no stack: one letter per axis, Y and X last, one Z."
        )
    for name, image in images.items():
        if tuple(image.shape) != shape:
            raise ImageShapeError(
                f"'{name}' has the shape {tuple(image.shape)}, the labels have {shape}: "
                "choose an image of the same size, or crop it to the part that was labelled."
            )
        if np.dtype(image.dtype).kind not in "buif":
            raise ImageShapeError(f"'{name}' has pixels of type {image.dtype}: convert them to real numbers.")


def _measure_stack(
    labels: AnyArray,
    images: Mapping[str, AnyArray],
    index: tuple[int, ...],
    geometry: VolumeGeometry,
    progress: Progress,
) -> Columns:
    """Measure one stack, reading its planes twice: for the ids, and for everything else."""
    planes = _planes_of(labels, index, geometry)
    ids = np.zeros(0, np.int64)
    for place, share in with_shares(planes, Share(progress, 0.0, 0.2)):
        share.report(Advanced(0.0, "looking for nuclei"))
        plane = _ids(labels[place])
        if place == planes[len(planes) // 2]:
            check_ids(plane)
        ids = np.union1d(ids, plane)
    ids = ids[ids > 0]
    shape = (len(planes), int(labels.shape[-2]), int(labels.shape[-1]))

    def numbered() -> Iterator[tuple[NDArray[np.int32], dict[str, NDArray[Any]]]]:
        for z, (place, share) in enumerate(with_shares(planes, Share(progress, 0.2, 1.0))):
            share.report(Advanced(0.0, f"plane {z + 1} of {len(planes)}"))
            plane = _ids(labels[place])
            numbers = np.where(plane > 0, np.searchsorted(ids, plane) + 1, 0).astype(np.int32)
            yield numbers, {name: np.asarray(image[place]) for name, image in images.items()}

    box = tuple(edge for size in shape for edge in (0, size))
    return sum_part(numbered(), len(ids), tuple(images), box, shape).columns(ids, tuple(images), geometry, index)


def _planes_of(labels: AnyArray, index: Index, geometry: VolumeGeometry) -> list[Index]:
    """Return the indices of the planes of a stack."""
    return [(*index[: geometry.depth], z, *index[geometry.depth :]) for z in range(labels.shape[geometry.depth])]


def _around(
    drawn: AroundVolumes,
    labels: AnyArray,
    images: Mapping[str, AnyArray],
    planes: list[Index],
    index: Index,
    geometry: VolumeGeometry,
    nuclei: Columns,
) -> tuple[Columns, Match]:
    """Measure what lies around and in the nuclei of one stack."""
    others = [axis for axis in range(len(geometry.axes) - 2) if axis != geometry.depth]
    places = {}
    for name, given in drawn.spots.items():
        local = np.asarray(given, np.float64).reshape(-1, len(geometry.axes)) - np.array(geometry.origin)
        here = (np.rint(local[:, others]) == np.array(index)).all(axis=1)
        places[name] = local[here][:, [geometry.depth, -2, -1]]
    voxel = math.prod(geometry.sizes) if geometry.known else np.nan
    spacing = drawn.spacing(geometry.sizes, geometry.known)
    return drawn.measure(labels, images, planes, spacing, voxel, places, nuclei)


def _ids(plane: AnyArray) -> NDArray[np.int64]:
    """Return a plane's ids; negative ones are background as well."""
    return as_ids(np.maximum(np.asarray(plane), 0))


@dataclass(frozen=True, eq=False)
class AroundVolumes:
    """What is measured around and in the nuclei of stacks.

    Attributes
    ----------
    settings : CellSettings
    cells : array_like, shape (..., Y, X), optional
        Cells of another origin.
    spots : mapping of str to ndarray, shape (spots, axes)
        Positions in the whole image along all axes.
    """

    settings: CellSettings = field(default_factory=CellSettings)
    cells: AnyArray | None = None
    spots: Mapping[str, NDArray[np.floating]] = field(default_factory=dict)

    @property
    def wanted(self) -> bool:
        """True if there is anything to measure."""
        return self.settings.wanted or self.cells is not None or bool(self.spots)

    def spacing(self, sizes: tuple[float, float, float], known: bool) -> tuple[float, ...]:
        """Return the distance of voxels in the unit of the settings; raise `SettingsError` where it is unknown."""
        if self.settings.distance_unit == "µm" and self.settings.wanted:
            return spacing_in("µm", sizes if known else (0.0, 0.0, 0.0))
        pixel = math.sqrt(sizes[1] * sizes[2])
        return (sizes[0] / pixel, sizes[1] / pixel, sizes[2] / pixel)

    def measure(
        self,
        labels: AnyArray,
        images: Mapping[str, AnyArray],
        planes: Sequence[Index],
        spacing: tuple[float, ...],
        voxel: float,
        positions: Mapping[str, NDArray[np.float64]],
        nuclei: Columns,
    ) -> tuple[Columns, Match]:
        """Measure one stack.

        Parameters
        ----------
        labels, images
            As `measure_volumes` takes them.
        planes : sequence of Index
            Of the stack's planes, from the first.
        spacing : tuple of float
        voxel : float
            Volume in µm³; NaN if unknown.
        positions : mapping of str to ndarray, shape (spots, 3)
            Spots in the stack, in pixels: z, y, x.
        nuclei : dict
            Columns of the nuclei themselves.
        """
        shape = (len(planes), *labels.shape[-2:])
        if math.prod(shape) > LARGEST_SURROUNDED:
            raise SettingsError(
                "This stack is too large to draw cells, rings or spots in three dimensions: measure a part of it."
            )
        ids = _stacked(labels, planes, shape)
        cells = None if self.cells is None else _stacked(self.cells, planes, shape)
        drawn = draw_surroundings(ids, self.settings, spacing, cells)
        columns: Columns = {}
        for name, places in positions.items():
            columns[f"{name}_count"] = count_in(ids, drawn.nuclei, places)
            if CELL in drawn.regions:
                columns[f"{name}_count_cell"] = count_in(drawn.regions[CELL], drawn.owners, places)
        light = {name: np.stack([np.asarray(image[at]) for at in planes]) if planes else np.zeros(shape)
                 for name, image in images.items()}  # fmt: skip
        means = {name: nuclei[f"{name}_mean"] for name in images}
        sizes = {"voxels": 1.0, "volume_um3": voxel}
        return columns | drawn.columns(nuclei["voxels"], sizes, light, means), drawn.match


def _stacked(labels: AnyArray, planes: Sequence[Index], shape: tuple[int, ...]) -> NDArray[np.int64]:
    """Read the ids of a stack; negative ones are background."""
    if not planes:
        return np.zeros(shape, np.int64)
    return np.stack([_ids(labels[at]) for at in planes])
