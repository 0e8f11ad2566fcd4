"""Regions that somebody drew: which one a nucleus lies in, and how dense the nuclei are in each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_unet_nuclei.core.labels.edit.polygon_fill import filled
from napari_unet_nuclei.core.labels.measure.gate import POSITIVE
from napari_unet_nuclei.core.types import Mask, NamedArea

REGION = "region"
"""Column with the name of the region that a nucleus lies in; empty for none."""

UM2_PER_MM2 = 1e6


def measure_areas(
    table: pd.DataFrame,
    areas: Sequence[NamedArea],
    shape: Sequence[int],
    *,
    origin: Sequence[int] = (),
    pixel_size_y: float = 0.0,
    pixel_size_x: float = 0.0,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Tell which region each nucleus lies in, and count the nuclei of each region.

    A nucleus lies where the pixel at its centroid does. Regions may overlap: each counts all of its nuclei, and the
    column names the smallest one.

    Parameters
    ----------
    table : pandas.DataFrame
        Of the nuclei, as `measure` describes it.
    areas : sequence of NamedArea
        In pixels of the whole image; the same in every plane of a stack. What lies outside the labels does not count.
    shape : sequence of int
        Of the labels, (..., Y, X).
    origin : sequence of int
        Index in the whole image of the first pixel of the labels.
    pixel_size_y, pixel_size_x : float
        In µm; 0 if unknown.

    Returns
    -------
    table : pandas.DataFrame
        With the column ``region``.
    counts : pandas.DataFrame
        A row per region: ``region``, ``nuclei``, ``area_px``, ``area_mm2`` and ``nuclei_per_mm2`` (NaN without pixel
        size; in a stack, the mean over its planes), and ``positive_percent`` where the table has a gate.
    """
    height, width = shape[-2:]
    first = np.array((*origin, 0, 0)[:2] if len(origin) < 2 else tuple(origin)[-2:])
    planes = int(np.prod(shape[:-2]))
    rows = np.rint(table[["centroid_y", "centroid_x"]].to_numpy(np.float64) - first).astype(np.int64)
    rows = np.clip(rows, 0, np.maximum(np.array((height, width)) - 1, 0))
    names, smallest = np.full(len(table), "", object), np.full(len(table), np.inf)
    counts = []
    for area in areas:
        mask = _mask(area, (height, width), first)
        inside = mask[rows[:, 0], rows[:, 1]] if mask.size else np.zeros(len(table), bool)
        pixels = int(mask.sum())
        closer = inside & (pixels < smallest)
        names[closer], smallest[closer] = area.name, pixels
        counts.append(_count(area.name, inside, pixels, planes, pixel_size_y * pixel_size_x / UM2_PER_MM2, table))
    return table.assign(**{REGION: names}), pd.DataFrame(counts)


def _count(
    name: str, inside: NDArray[np.bool_], pixels: int, planes: int, pixel_mm2: float, table: pd.DataFrame
) -> Mapping[str, object]:
    """Count the nuclei of one region."""
    nuclei, mm2 = int(inside.sum()), pixels * pixel_mm2 if pixel_mm2 > 0 else np.nan
    row: dict[str, object] = {REGION: name, "nuclei": nuclei, "area_px": pixels, "area_mm2": mm2}
    row["nuclei_per_mm2"] = nuclei / (mm2 * max(planes, 1)) if mm2 > 0 else np.nan
    if POSITIVE in table.columns:
        row["positive_percent"] = 100 * float(table[POSITIVE][inside].mean()) if nuclei else np.nan
    return row


def _mask(area: NamedArea, shape: tuple[int, int], first: NDArray[np.int64]) -> Mask:
    """Return the pixels of a region; polygons of one region do not cancel where they overlap."""
    mask = np.zeros(shape, bool)
    for outer, *holes in area.polygons:
        polygon = filled(shape, outer - first)
        for hole in holes:
            polygon &= ~filled(shape, hole - first)
        mask |= polygon
    return mask
