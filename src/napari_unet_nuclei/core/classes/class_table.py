"""How much of an image every class covers, as a table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from napari_unet_nuclei.core.errors import ImageShapeError
from napari_unet_nuclei.core.types import Labels


def measure_classes(
    classes: Labels,
    names: Sequence[str],
    *,
    axes: str = "",
    pixel_size_y: float = 0.0,
    pixel_size_x: float = 0.0,
    origin: tuple[int, ...] = (),
) -> pd.DataFrame:
    """Measure the area of every class.

    Parameters
    ----------
    classes : ndarray, shape (..., Y, X), int
        Class ids from 0.
    names : sequence of str
        By id; ids beyond them, as a user may have painted, have none.
    axes : str
        One letter per axis of ``classes``, "YX" last, e.g. "TZYX".
    pixel_size_y, pixel_size_x : float
        In µm; 0 where unknown, which leaves the areas in µm² empty (NaN).
    origin : tuple of int
        Index in the whole image, along ``axes``, of the first pixel; added to the planes' indices.

    Returns
    -------
    pandas.DataFrame
        One row per class and plane, also of classes that are not there: ``label``, the class's id; for leading axes
        ``t``, ``z`` and so on, the plane's index; ``class``, its name; ``area_px`` and ``area_um2``; ``share`` of the
        plane's pixels.

    Raises
    ------
    ImageShapeError
        If an id is below 0.

    Examples
    --------
    >>> measure_classes(np.array([[0, 0, 0, 1]]), ("sky", "road"))[["class", "area_px", "share"]].values.tolist()
    [['sky', 3, 0.75], ['road', 1, 0.25]]
    """
    if classes.min(initial=0) < 0:
        raise ImageShapeError("There are class ids below 0: classes are numbered from 0.")
    count = max(len(names), int(classes.max(initial=0)) + 1)
    leading = classes.shape[:-2]
    planes = classes.reshape(math.prod(leading), *classes.shape[-2:])
    areas = np.stack([np.bincount(plane.ravel(), minlength=count) for plane in planes])
    index = np.stack(np.unravel_index(np.arange(len(planes)), leading or (1,)), axis=-1)[:, : len(leading)]
    first = origin[: len(leading)] or (0,) * len(leading)
    columns: dict[str, Any] = {"label": np.tile(np.arange(count), len(planes))}
    for axis, letter in enumerate(axes[: len(leading)]):
        name = f"axis_{axis}" if letter == "Q" else letter.lower()
        columns[name] = np.repeat(index[:, axis] + first[axis], count)
    columns["class"] = [*names, *[""] * (count - len(names))] * len(planes)
    columns["area_px"] = areas.ravel()
    pixel_area = pixel_size_y * pixel_size_x
    columns["area_um2"] = areas.ravel() * (pixel_area if pixel_area > 0 else np.nan)
    columns["share"] = (areas / max(planes[0].size, 1)).ravel()
    return pd.DataFrame(columns)
