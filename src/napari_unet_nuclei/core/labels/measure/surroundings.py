"""The surroundings of nuclei: cells, their cytoplasm, and rings, with what images show in them.

Everything here works on one plane (Y, X) or one volume (Z, Y, X) alike: distances are given per axis.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from napari_unet_nuclei.core.errors import SettingsError
from napari_unet_nuclei.core.labels.numbering import as_ids
from napari_unet_nuclei.core.quantity import quantity
from napari_unet_nuclei.core.settings import CellSettings
from napari_unet_nuclei.core.types import AnyArray

CELL, CYTOPLASM, RING = "cell", "cytoplasm", "ring"
"""What the regions are called in columns: ``cell_area_px``, ``GFP_mean_cell``."""

CELL_ID = "cell"
"""Column with the id of the given cell that holds a nucleus; 0 for none."""

_DERIVED = re.compile(
    r"region|positive|class|class_probability|cell|nucleus_to_cell|(cell|cytoplasm|ring)_(area_\w+|voxels|volume_um3)|.+_(mean|sum)_(cell|cytoplasm|ring)|"
    r".+_nucleus_to_(cytoplasm|ring)|.+_count(_cell)?"
)

Ids = NDArray[np.int64]
Columns = dict[str, NDArray[Any]]


class Match(NamedTuple):
    """How nuclei and the cells that were given for them fit together."""

    outside: int = 0
    """Nuclei of which no cell holds most."""
    empty: int = 0
    """Cells that hold no nucleus."""
    shared: int = 0
    """Cells that hold several nuclei."""

    def plus(self, other: Match) -> Match:
        """Add the counts of another plane."""
        return Match(*(one + more for one, more in zip(self, other, strict=True)))

    def text(self) -> str:
        """Say what did not fit; empty if everything did."""
        parts = [
            f"{quantity(self.outside, 'nucleus lies', 'nuclei lie')} in no cell" if self.outside else "",
            f"{quantity(self.empty, 'cell holds', 'cells hold')} no nucleus" if self.empty else "",
            f"{quantity(self.shared, 'cell holds', 'cells hold')} several nuclei" if self.shared else "",
        ]
        said = [part for part in parts if part]
        return f"{', '.join(said)}." if said else ""


@dataclass(frozen=True, eq=False)
class Surroundings:
    """Regions around the nuclei of a plane or volume.

    Attributes
    ----------
    nuclei : ndarray of int, shape (nuclei,)
        Ids in ascending order.
    owners : ndarray of int, shape (nuclei,)
        The cell of each nucleus; 0 for none.
    regions : mapping of str to ndarray
        Ids of cells, by `CELL` and `CYTOPLASM`, and of nuclei, by `RING`, at every pixel; 0 is outside.
    match : Match
        How given cells fit; all 0 for cells that were grown.
    given : bool
        The cells were given, not grown.
    """

    nuclei: Ids
    owners: Ids
    regions: Mapping[str, Ids]
    match: Match
    given: bool

    def columns(
        self,
        nucleus_sizes: NDArray[Any],
        sizes: Mapping[str, float],
        images: Mapping[str, AnyArray],
        nucleus_means: Mapping[str, NDArray[np.float64]],
    ) -> Columns:
        """Measure the regions.

        Parameters
        ----------
        nucleus_sizes : ndarray, shape (nuclei,)
            Pixels of each nucleus.
        sizes : mapping of str to float
            What sizes are called, and the size of a pixel in that unit: ``{"area_px": 1, "area_um2": 0.1}``.
        images : mapping of str to array_like
            Intensities of the plane or volume, by the prefix of their columns.
        nucleus_means : mapping of str to ndarray, shape (nuclei,)
            Mean of each image in the nuclei.

        Returns
        -------
        dict
            One value per nucleus; NaN where it has no such region.
        """
        columns: Columns = {CELL_ID: self.owners} if self.given else {}
        for kind, region in self.regions.items():
            owners = self.nuclei if kind == RING else self.owners
            inside = np.flatnonzero(region)
            places = _Places.of(region.ravel()[inside], owners)
            counts = places.of_owners(places.counts)
            columns |= {f"{kind}_{name}": counts * unit for name, unit in sizes.items()}
            if kind == CELL:
                columns["nucleus_to_cell"] = _ratio(nucleus_sizes, counts)
            for name, image in images.items():
                mean, total = places.summarise(np.asarray(image).ravel()[inside])
                columns[f"{name}_mean_{kind}"] = mean
                if kind != RING:
                    columns[f"{name}_sum_{kind}"] = total
                if kind != CELL:
                    columns[f"{name}_nucleus_to_{kind}"] = _ratio(nucleus_means[name], mean)
        return columns

    @property
    def cells_of_nuclei(self) -> Ids:
        """Cells by the ids of their nuclei, as exports name them; the nucleus itself belongs to its cell.

        Of several nuclei in one cell, the one with the lowest id has it.
        """
        cells = self.regions[CELL]
        own = self.owners > 0
        held, first = np.unique(self.owners[own], return_index=True)
        named = np.append(self.nuclei[own][first], 0)
        places = np.searchsorted(held, cells)
        there = (cells > 0) & (np.append(held, -1)[places] == cells)
        return np.where(there, named[places], 0)


@dataclass(frozen=True, eq=False)
class _Places:
    """Pixels of regions, numbered by region, and which region belongs to which nucleus."""

    numbers: NDArray[np.int64]  # of the region of every pixel, from 0
    counts: NDArray[np.float64]  # pixels of each region
    found: Ids  # ids of regions in ascending order
    owners: Ids

    @staticmethod
    def of(ids: Ids, owners: Ids) -> _Places:
        found, numbers, counts = np.unique(ids, return_inverse=True, return_counts=True)
        return _Places(numbers, counts.astype(np.float64), found, owners)

    def of_owners(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Look up the value of each nucleus' region; NaN for none."""
        places = np.searchsorted(self.found, self.owners)
        there = np.append(self.found, 0)[places] == self.owners
        return np.where(there & (self.owners > 0), np.append(values, np.nan)[places], np.nan)

    def summarise(self, pixels: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean and sum of the finite pixels of each nucleus' region."""
        values = pixels.astype(np.float64)
        finite = np.isfinite(values)
        # Of no pixels, `bincount` returns whole numbers.
        count = np.bincount(self.numbers, finite, len(self.found)).astype(np.float64)
        total = np.bincount(self.numbers, np.where(finite, values, 0.0), len(self.found)).astype(np.float64)
        count[count == 0] = np.nan
        return self.of_owners(total / count), self.of_owners(total * (count / count))


def draw_surroundings(
    nuclei: Ids, settings: CellSettings, spacing: Sequence[float], cells: Ids | None = None
) -> Surroundings:
    """Draw cells, cytoplasm and rings.

    A cell is its nucleus and everything within a distance of it that is not nearer to another nucleus, as
    `skimage.segmentation.expand_labels` has it; the distance is that of the centres of pixels. The cytoplasm is the
    cell without any nucleus. A ring lies around its nucleus, beyond a gap, and also keeps the gap from all others.

    Parameters
    ----------
    nuclei : ndarray of int, shape (..., Y, X)
        Ids; 0 is background.
    settings : CellSettings
    spacing : sequence of float
        Distance of neighbouring pixels along each axis, in the unit of the settings.
    cells : ndarray of int, optional
        Cells of another origin, instead of grown ones: each nucleus belongs to the cell that holds more than half of
        its pixels. Its ring then ends where that cell does.
    """
    ids, sizes = np.unique(nuclei[nuclei > 0], return_counts=True)
    distance, nearest = _nearest(nuclei, spacing)
    regions: dict[str, Ids] = {}
    owners, match, given = ids, Match(), cells is not None
    if cells is not None:
        owners, match = _owners(nuclei, ids, sizes, cells)
    elif settings.cell:
        cells = np.where(distance <= settings.cell, nearest, 0)
    if cells is not None:
        regions[CELL] = cells
        regions[CYTOPLASM] = np.where(nuclei > 0, 0, cells)
    if settings.ring:
        beyond = (distance > settings.gap) & (distance <= settings.gap + settings.ring)
        ring = np.where(beyond, nearest, 0)
        if cells is not None and ids.size:
            owner_of_pixel = np.append(owners, 0)[np.searchsorted(ids, ring)]
            ring = np.where(cells == owner_of_pixel, ring, 0)
        regions[RING] = ring
    return Surroundings(ids, owners, regions, match, given)


@dataclass(frozen=True, eq=False)
class DrawnCells:
    """Cells (..., Y, X) by the ids of their nuclei, drawn plane by plane, or window by window, when they are read.

    Read with an index along the leading axes, and slices of rows and columns where a window is wanted.
    """

    labels: AnyArray
    settings: CellSettings
    spacing: tuple[float, ...]
    given: AnyArray | None

    @staticmethod
    def of(
        labels: AnyArray, settings: CellSettings, pixel_sizes: Sequence[float], given: AnyArray | None = None
    ) -> DrawnCells:
        """Draw cells around labels, or take those that are ``given``, as `draw_surroundings` does.

        Raise SettingsError if they are to be drawn in µm and the pixel size is unknown.
        """
        # Cells that were given need no distance.
        unit = settings.distance_unit if given is None else "px"
        return DrawnCells(labels, settings, spacing_in(unit, pixel_sizes), given)

    @property
    def shape(self) -> tuple[int, ...]:
        """That of the labels."""
        return tuple(self.labels.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of ids."""
        return np.dtype(np.int64)

    def __getitem__(self, place: tuple[Any, ...]) -> Ids:
        """Draw the cells of a plane, or of a window in it."""
        index, window = place[: len(self.shape) - 2], place[len(self.shape) - 2 :]
        if self.given is not None:
            # Which cell holds most of a nucleus shows in whole nuclei alone.
            ids, given = as_ids(self.labels[index]), as_ids(self.given[index])
            cells: Ids = draw_surroundings(ids, self.settings, self.spacing, given).cells_of_nuclei[window]
            return cells
        rows, columns = window or (slice(None), slice(None))
        spans = [span.indices(side)[:2] for span, side in zip((rows, columns), self.shape[-2:], strict=True)]
        reach = [math.ceil(self.settings.cell / step) + 1 for step in self.spacing]
        read = [(max(start - far, 0), stop + far) for (start, stop), far in zip(spans, reach, strict=True)]
        ids = as_ids(self.labels[(*index, *(slice(*span) for span in read))])
        own = tuple(slice(a - first, b - first) for (a, b), (first, _) in zip(spans, read, strict=True))
        return draw_surroundings(ids, self.settings, self.spacing).cells_of_nuclei[own]


def depends_on_surroundings(column: str) -> bool:
    """Tell columns that do not follow from a nucleus and its image alone: of cells, rings, regions, spots and gates.

    Examples
    --------
    >>> [depends_on_surroundings(name) for name in ("GFP_mean", "GFP_mean_ring", "foci_count", "region")]
    [False, True, True, True]
    """
    return _DERIVED.fullmatch(column) is not None


def spacing_in(unit: str, pixel_sizes: Sequence[float]) -> tuple[float, ...]:
    """Return the distance of neighbouring pixels in a unit, given it in µm (0 if unknown).

    Raises
    ------
    SettingsError
        If the unit is µm and the pixel size is unknown.

    Examples
    --------
    >>> spacing_in("µm", (0.5, 0.25)), spacing_in("px", (0.5, 0.25))
    ((0.5, 0.25), (1.0, 1.0))
    """
    if unit == "px":
        return (1.0,) * len(pixel_sizes)
    if min(pixel_sizes) <= 0:
        raise SettingsError(
            "The size of a pixel is unknown, so cells and rings cannot be drawn in µm: give their width in pixels (px)."
        )
    return tuple(pixel_sizes)


def _nearest(nuclei: Ids, spacing: Sequence[float]) -> tuple[NDArray[np.float64], Ids]:
    """Return for every pixel the distance of the nearest nucleus, and its id."""
    if not nuclei.any():
        return np.full(nuclei.shape, np.inf), nuclei
    # One transform serves cells and rings; `expand_labels` would take one for each.
    distance, where = distance_transform_edt(nuclei == 0, sampling=spacing, return_indices=True)
    return distance, nuclei[tuple(where)]


def _owners(nuclei: Ids, ids: Ids, sizes: NDArray[np.int64], cells: Ids) -> tuple[Ids, Match]:
    """Return the cell that holds most of each nucleus, 0 for none, and how they fit."""
    both = (nuclei > 0) & (cells > 0)
    owners = np.zeros(len(ids), np.int64)
    if both.any():
        pairs, shared = np.unique(np.stack([nuclei[both], cells[both]]), axis=1, return_counts=True)
        places = np.searchsorted(ids, pairs[0])
        most = 2 * shared > sizes[places]  # more than half: of each nucleus at most one cell
        owners[places[most]] = pairs[1, most]
    held, counts = np.unique(owners[owners > 0], return_counts=True)
    empty = len(np.unique(cells[cells > 0])) - len(held)
    return owners, Match(int((owners == 0).sum()), empty, int((counts > 1).sum()))


def _ratio(over: NDArray[Any], under: NDArray[Any]) -> NDArray[np.float64]:
    """Divide; NaN where there is nothing to divide by."""
    ratios = np.full(len(under), np.nan)
    np.divide(over, under, out=ratios, where=np.nan_to_num(under) != 0)
    return ratios
