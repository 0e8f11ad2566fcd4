"""Measure labelled nuclei: sizes, shapes and intensities, one row per nucleus, for any labels and images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_unet_nuclei.core.arguments import checked
from napari_unet_nuclei.core.arrays import as_array, as_label_array
from napari_unet_nuclei.core.errors import ImageShapeError
from napari_unet_nuclei.core.labels.measure.shapes import (
    PlaneNuclei,
    eccentricities,
    solidities,
    squared_radii,
    touching_edge,
)
from napari_unet_nuclei.core.labels.measure.spots import count_in
from napari_unet_nuclei.core.labels.measure.surroundings import (
    CELL,
    Match,
    Surroundings,
    draw_surroundings,
    spacing_in,
)
from napari_unet_nuclei.core.labels.numbering import as_ids
from napari_unet_nuclei.core.pieces import check_ids, check_no_mask, middle
from napari_unet_nuclei.core.progress import Advanced, Notice, Progress, Silent, with_shares
from napari_unet_nuclei.core.quantity import quantity
from napari_unet_nuclei.core.settings import CellSettings
from napari_unet_nuclei.core.types import AnyArray

Columns: TypeAlias = dict[str, NDArray[Any]]
"""Columns of a table by name, one value per nucleus."""


@checked
def measure(
    labels: AnyArray,
    images: Mapping[str, AnyArray] | AnyArray | None = None,
    *,
    means: Mapping[str, AnyArray] = {},
    axes: str = "",
    pixel_size_y: float = 0.0,
    pixel_size_x: float = 0.0,
    origin: tuple[int, ...] = (),
    world: NDArray[np.floating] | None = None,
    maps: NDArray[np.uint8] | None = None,
    around: CellSettings = CellSettings(),  # noqa: B008  # frozen
    cells: AnyArray | None = None,
    spots: Mapping[str, NDArray[np.floating]] = {},
    progress: Progress = Silent(),  # noqa: B008  # has no state
) -> pd.DataFrame:
    """Measure every nucleus, in any number of images.

    Parameters
    ----------
    labels : array_like, shape (..., Y, X)
        Ids of nuclei: whole numbers of any dtype, gaps allowed; 0, −1 and NaN are background. Read plane by plane.
    images : mapping of str to array_like, or array_like, shape (..., Y, X)
        Intensities, by the prefix of their columns: the shape of ``labels``, axes of length 1 aside; any real dtype. A
        single image needs no prefix; its columns begin with ``intensity``.
    means : mapping of str to array_like, shape (..., Y, X)
        Like ``images``, but only the mean is measured, for instance of stain densities.
    axes : str
        One letter per axis of ``labels``, "YX" last, e.g. "TZYX".
    pixel_size_y, pixel_size_x : float
        In µm; 0 if unknown, which leaves the columns in µm empty (NaN).
    origin : tuple of int
        Index in the whole image, along ``axes``, of the first pixel of ``labels``; added to all positions.
    world : ndarray, shape (axes + 1, axes + 1), optional
        Affine matrix from positions in the whole image, as in the table, to world coordinates.
    maps : ndarray, shape (planes, 3, Y, X), uint8, optional
        Quantised foreground, border and distance that ``labels`` were decoded from; planes in C order.
    around : CellSettings
        Cells that are grown from the nuclei, and rings around these, which are measured too.
    cells : array_like, shape (..., Y, X), optional
        Ids of cells of another origin, measured instead of grown ones: each nucleus belongs to the cell that holds more
        than half of it. What does not fit is told as a `Notice`.
    spots : mapping of str to ndarray, shape (spots, dimensions)
        Positions in the whole image along ``axes``, in pixels, by the prefix of their columns.
    progress : Progress

    Returns
    -------
    pandas.DataFrame
        One row per nucleus and plane, sorted by plane, then by id: a nucleus that extends through several planes of a
        stack has a row for each. Without nuclei there are no rows, but all columns:

        - ``label``, and for leading axes ``t``, ``z`` and so on (``axis_0`` if the letter is Q), the plane's index
        - ``area_px`` and ``area_um2``; ``diameter_px`` and ``diameter_um`` of the circle with that area
        - ``centroid_y`` and ``centroid_x`` in pixels; with ``world`` also ``world_t``, ..., ``world_y``, ``world_x``
        - ``<image>_mean``, ``_min``, ``_max`` and ``_sum`` for every image, over finite pixels (NaN if there are none)
        - ``<name>_mean`` for each of ``means``
        - ``eccentricity`` of the ellipse with the same second moments, 0 (circle) to 1; ``solidity``, the share of
          the convex hull that is filled; ``touches_edge``, whether it reaches the edge of ``labels``
        - with ``maps`` ``confidence``, 0 to 1: mean foreground probability × (1 − mean border probability, weighted
          by 1 at the centre of the ellipse, falling to 0 at its outline). A border across the middle of a nucleus
          suggests that it is two; at the outline, a border is expected.
        - with cells ``cell_area_px``, ``cell_area_um2``, the same of ``cytoplasm``, ``nucleus_to_cell``, the share of
          the cell's area that the nucleus takes; for every image and each of ``means`` ``<name>_mean_cell``,
          ``<name>_sum_cell``, ``<name>_mean_cytoplasm``, ``<name>_sum_cytoplasm`` and ``<name>_nucleus_to_cytoplasm``,
          the mean in the nucleus over that in the cytoplasm; with given ``cells`` also ``cell``, the cell's id or 0
        - with spots ``<name>_count`` in the nucleus, and with cells ``<name>_count_cell`` in the whole cell
        - with a ring ``ring_area_px``, ``ring_area_um2``, ``<name>_mean_ring`` and ``<name>_nucleus_to_ring``

    Raises
    ------
    ImageShapeError
        If shapes or axes do not match, or if values are not ids or intensities: labels and images may be swapped.
    SettingsError
        If cells or rings are to be drawn in µm and the pixel size is unknown.

    Examples
    --------
    >>> table = measure(np.array([[0, 7, 7], [0, 7, 7]]), {"GFP": np.array([[9, 1, 2], [9, 3, 4]])})
    >>> table[["label", "area_px", "centroid_x", "GFP_mean", "GFP_max"]].iloc[0].tolist()
    [7.0, 4.0, 1.5, 2.5, 4.0]
    """
    labels = as_label_array(labels)
    geometry = _Geometry(
        axes=axes or "Q" * (len(labels.shape) - 2) + "YX",
        origin=tuple(origin) or (0,) * len(labels.shape),
        pixel_area=pixel_size_y * pixel_size_x if min(pixel_size_y, pixel_size_x) > 0 else np.nan,
        world=world,
    )
    if not isinstance(images, Mapping):
        images = {} if images is None else {"intensity": images}
    images, means = _over(labels, images), _over(labels, means)
    cells = None if cells is None else _over(labels, {"": as_label_array(cells)})[""]
    _check(labels, {**images, **means}, maps, geometry)
    neighbourhood = _Around.of(around, cells, labels, geometry, (pixel_size_y, pixel_size_x))
    indices = list(np.ndindex(*labels.shape[:-2]))
    looked_at, _ = middle(tuple(labels.shape))
    empty = replace(_empty_plane(images, means, maps, geometry), spots=dict.fromkeys(spots, np.empty((0, 2))))
    parts = [_columns(replace(empty, around=neighbourhood.empty(empty.ids)), geometry, Silent())]
    match = Match()
    for number, (index, share) in enumerate(with_shares(indices, progress)):
        share.report(Advanced(0.0, f"plane {number + 1} of {len(indices)}"))
        plane_maps = None if maps is None else maps[number]
        stored = np.asarray(labels[index])
        check_no_mask(stored)
        ids = as_ids(stored)
        if index == looked_at:
            check_ids(ids)
        plane = _Plane(
            index,
            ids,
            {name: images[name][index] for name in images},
            {name: means[name][index] for name in means},
            plane_maps,
            neighbourhood.at(index, ids),
            {name: _in_plane(positions, index, geometry.origin) for name, positions in spots.items()},
        )
        match = match.plus(plane.around.match) if plane.around else match
        parts.append(_columns(plane, geometry, share))
    if match.text():
        progress.report(Notice(match.text()))
    progress.report(
        Advanced(1.0, f"{quantity(sum(len(part['label']) for part in parts), 'nucleus', 'nuclei')} measured")
    )
    return pd.DataFrame({name: np.concatenate([part[name] for part in parts]) for name in parts[0]})


def axis_columns(axes: str) -> tuple[str, ...]:
    """Return the columns that tell an index along axes: their letters, or ``axis_0`` and so on for unknown ones.

    Examples
    --------
    >>> axis_columns("QZ")
    ('axis_0', 'z')
    """
    return tuple(f"axis_{i}" if letter == "Q" else letter.lower() for i, letter in enumerate(axes))


@dataclass(frozen=True)
class _Geometry:
    """Where the labels lie: the arguments of `measure` with defaults filled in; ``pixel_area`` in µm² or NaN."""

    axes: str
    origin: tuple[int, ...]
    pixel_area: float
    world: NDArray[np.floating] | None

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the axes in columns."""
        return axis_columns(self.axes)


@dataclass(frozen=True)
class _Plane:
    """One plane: its leading index, ids, images and means by name (Y, X), maps (3, Y, X), what is around and in."""

    index: tuple[int, ...]
    ids: NDArray[np.int64]
    images: Mapping[str, AnyArray]
    means: Mapping[str, AnyArray]
    maps: NDArray[np.uint8] | None
    around: Surroundings | None = None
    spots: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)


@dataclass(frozen=True)
class _Around:
    """What is drawn around the nuclei, in every plane."""

    settings: CellSettings
    cells: AnyArray | None
    spacing: tuple[float, ...]

    @staticmethod
    def of(
        settings: CellSettings,
        cells: AnyArray | None,
        labels: AnyArray,
        geometry: _Geometry,
        pixel_sizes: tuple[float, float],
    ) -> _Around:
        """Check that it can be drawn."""
        if cells is not None:
            _check(labels, {"The cells": cells}, None, geometry)
        # Given cells need no distance, unless a ring is wanted too.
        return _Around(settings, cells, spacing_in(settings.distance_unit if settings.wanted else "px", pixel_sizes))

    def at(self, index: tuple[int, ...], ids: NDArray[np.int64]) -> Surroundings | None:
        """Draw around the nuclei of a plane; None where nothing is wanted."""
        if self.cells is None:
            return draw_surroundings(ids, self.settings, self.spacing) if self.settings.wanted else None
        return draw_surroundings(ids, self.settings, self.spacing, as_ids(self.cells[index]))

    def empty(self, ids: NDArray[np.int64]) -> Surroundings | None:
        """Draw around no nuclei, for the columns."""
        if self.cells is None and not self.settings.wanted:
            return None
        return draw_surroundings(ids, self.settings, self.spacing, None if self.cells is None else ids)


@dataclass(frozen=True)
class _OtherSingles:
    """An image with other axes of length 1 than its labels, which programs add and drop; ``shape`` is the labels'."""

    image: AnyArray
    shape: tuple[int, ...]

    @property
    def dtype(self) -> np.dtype[Any]:
        dtype: np.dtype[Any] = np.dtype(self.image.dtype)
        return dtype

    def __getitem__(self, index: tuple[int, ...]) -> AnyArray:
        long = iter(i for i, length in zip(index, self.shape, strict=False) if length != 1)
        return self.image[tuple(0 if length == 1 else next(long) for length in self.image.shape[:-2])]


def _over(labels: AnyArray, images: Mapping[str, AnyArray]) -> dict[str, AnyArray]:
    """Return the images as the labels need them: those that differ in axes of length 1 alone, without these."""
    shape = tuple(labels.shape)

    def size(array_shape: tuple[int, ...]) -> list[int]:
        return [length for length in array_shape[:-2] if length != 1] + list(array_shape[-2:])

    taken = {name: as_array(image) for name, image in images.items()}
    return {
        name: _OtherSingles(image, shape) if image.shape != shape and size(image.shape) == size(shape) else image
        for name, image in taken.items()
    }


def _check(
    labels: AnyArray, images: Mapping[str, AnyArray], maps: NDArray[np.uint8] | None, geometry: _Geometry
) -> None:
    """Raise if shapes or axes do not match, before any pixels are read."""
    shape, axes = tuple(labels.shape), geometry.axes
    if len(shape) < 2 or len(axes) != len(shape) or not axes.endswith("YX"):
        raise ImageShapeError(
            f"Labels of shape {shape} cannot have the axes '{axes}': one letter per axis, Y and X last."
        )
    if len(geometry.origin) != len(shape):
        raise ImageShapeError(f"The origin {geometry.origin} needs one index for each axis of '{axes}'.")
    if geometry.world is not None and np.shape(geometry.world) != (len(shape) + 1, len(shape) + 1):
        raise ImageShapeError(f"The matrix to world coordinates must have {len(shape) + 1} rows and columns.")
    for name, image in images.items():
        if tuple(image.shape[:-1]) == shape:
            raise ImageShapeError(
                f"'{name}' has the shape {tuple(image.shape)}, the labels have {shape}: give colours or channels one "
                "by one, as in {'red': image[..., 0]}."
            )
        if tuple(image.shape) != shape:
            raise ImageShapeError(
                f"'{name}' has the shape {tuple(image.shape)}, the labels have {shape}: "
                "choose an image of the same size, or crop it to the part that was labelled."
            )
        if np.dtype(image.dtype).kind not in "buif":
            raise ImageShapeError(f"'{name}' has pixels of type {image.dtype}: convert them to real numbers.")
    planes = int(np.prod(shape[:-2]))
    if maps is not None and maps.shape != (planes, 3, *shape[-2:]):
        raise ImageShapeError(f"Maps of shape {maps.shape} do not belong to labels of shape {shape}.")


def _empty_plane(
    images: Mapping[str, AnyArray],
    means: Mapping[str, AnyArray],
    maps: NDArray[np.uint8] | None,
    geometry: _Geometry,
) -> _Plane:
    """Return a plane without pixels: it defines all columns even if the labels have no planes."""
    nothing = np.zeros((0, 0))
    index = (0,) * (len(geometry.axes) - 2)
    no_maps = None if maps is None else np.zeros((3, 0, 0), np.uint8)
    no_images, no_means = dict.fromkeys(images, nothing), dict.fromkeys(means, nothing)
    return _Plane(index, nothing.astype(np.int64), no_images, no_means, no_maps)


def _columns(plane: _Plane, geometry: _Geometry, progress: Progress) -> Columns:
    """Measure one plane."""
    nuclei = PlaneNuclei(plane.ids)
    positions = np.empty((len(geometry.axes), len(nuclei.ids)))
    positions[:-2] = np.reshape(plane.index, (-1, 1))
    positions[-2:] = nuclei.centroids
    positions += np.reshape(geometry.origin, (-1, 1))
    physical_areas = nuclei.areas * geometry.pixel_area
    columns: Columns = {"label": nuclei.ids}
    # Only leading axes: y and x are left over, since centroids have columns of their own.
    columns |= dict(zip(geometry.names, positions[:-2].astype(np.int64), strict=False))
    columns |= {"area_px": nuclei.areas, "area_um2": physical_areas}
    columns |= {"diameter_px": _diameters(nuclei.areas), "diameter_um": _diameters(physical_areas)}
    columns |= {"centroid_y": positions[-2], "centroid_x": positions[-1]}
    if geometry.world is not None:
        # Affine: the linear part, then the translation in the last column.
        world = geometry.world[:-1, :-1] @ positions + geometry.world[:-1, -1:]
        columns |= {f"world_{name}": values for name, values in zip(geometry.names, world, strict=True)}
    for name, image in plane.images.items():
        columns |= _intensities(nuclei, name, image)
    for name, image in plane.means.items():
        columns[f"{name}_mean"] = _intensities(nuclei, name, image)[f"{name}_mean"]
    columns |= {"eccentricity": eccentricities(nuclei), "solidity": solidities(nuclei, progress)}
    columns["touches_edge"] = touching_edge(nuclei)
    if plane.maps is not None:
        columns["confidence"] = _confidences(nuclei, plane.maps)
    for name, spots in plane.spots.items():
        columns[f"{name}_count"] = count_in(plane.ids, nuclei.ids, spots)
        if plane.around is not None and CELL in plane.around.regions:
            columns[f"{name}_count_cell"] = count_in(plane.around.regions[CELL], plane.around.owners, spots)
    if plane.around is not None:
        sizes = {"area_px": 1.0, "area_um2": geometry.pixel_area}
        images = {**plane.images, **plane.means}
        columns |= plane.around.columns(nuclei.areas, sizes, images, {name: columns[f"{name}_mean"] for name in images})
    return columns


def _in_plane(positions: NDArray[np.floating], index: tuple[int, ...], origin: tuple[int, ...]) -> NDArray[np.float64]:
    """Return row and column, in the labels, of the spots that lie in a plane."""
    try:
        local = np.asarray(positions, np.float64).reshape(-1, len(origin)) - np.array(origin)
    except (TypeError, ValueError) as error:
        raise ImageShapeError(f"Positions of spots are {len(origin)} numbers each, as the labels have axes.") from error
    return np.asarray(local[(np.rint(local[:, :-2]) == np.array(index)).all(axis=1), -2:])


def _diameters(areas: NDArray[Any]) -> NDArray[np.float64]:
    """Diameters of circles with these areas."""
    return np.asarray(np.sqrt(4 / np.pi * areas), np.float64)


def _intensities(nuclei: PlaneNuclei, name: str, image: AnyArray) -> Columns:
    """Summarise the finite pixels of an image (Y, X) within each nucleus."""
    values = np.asarray(image).ravel()[nuclei.pixels].astype(np.float64)
    finite = np.isfinite(values)
    count = np.add.reduceat(finite, nuclei.starts, dtype=np.float64)
    count[count == 0] = np.nan  # a sum over no pixels is unknown, not 0
    values[~finite] = np.nan
    # count / count is 1, or NaN where no pixel is finite.
    total = np.add.reduceat(np.where(finite, values, 0.0), nuclei.starts) * (count / count)
    return {
        f"{name}_mean": total / count,
        # fmin and fmax skip NaN.
        f"{name}_min": np.fmin.reduceat(values, nuclei.starts),
        f"{name}_max": np.fmax.reduceat(values, nuclei.starts),
        f"{name}_sum": total,
    }


def _confidences(nuclei: PlaneNuclei, maps: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Mean foreground × (1 − mean border, weighted towards the middle); see `measure`."""
    foreground, border = (maps[head].ravel()[nuclei.pixels] / 255.0 for head in (0, 1))
    weights = np.maximum(1 - squared_radii(nuclei), 0)
    return nuclei.mean(foreground) * (1 - nuclei.mean(weights * border) / nuclei.mean(weights))
