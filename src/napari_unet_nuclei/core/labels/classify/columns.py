"""Which columns of a table tell classes apart, and which column of another table is the same one."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

_SIZE = r"(?:(?:cell|cytoplasm|ring)_)?(?:area_(?:um2|px)|volume_um3|voxels)"
_SHAPE = rf"{_SIZE}|eccentricity|solidity|sphericity|surface_um2|axis_(?:major|middle|minor)_um|nucleus_to_cell"
_LIGHT = (
    r"(?P<image>.+?)_(?P<what>(?:od_)?(?:mean|min|max|sum)(?:_(?:cell|cytoplasm|ring))?|nucleus_to_(?:cytoplasm|ring)"
    r"|count(?:_cell)?)"
)
_SUITABLE = re.compile(rf"{_SHAPE}|{_LIGHT}")
_IN_IMAGE = re.compile(_LIGHT)
_IN_UM = {"px": "um2", "voxels": "volume_um3"}


def suitable_columns(table: pd.DataFrame) -> tuple[str, ...]:
    """Return the columns by which classes can be told: sizes, shapes, intensities, counts of spots, all with values.

    Of a size in µm and in pixels it is the one in µm. Ids, positions, what the network thought, and columns of other
    programs are left out.

    Examples
    --------
    >>> suitable_columns(pd.DataFrame({"label": [1], "area_px": [9], "area_um2": [2.0], "GFP_mean": [5.0], "z": [0]}))
    ('area_um2', 'GFP_mean')
    """
    filled = {
        str(name)
        for name in table.select_dtypes("number").columns
        if _SUITABLE.fullmatch(str(name)) and np.isfinite(table[name].to_numpy(np.float64)).any()
    }
    return tuple(name for name in map(str, table.columns) if name in filled and not _has_um(name, filled))


def _has_um(name: str, names: set[str]) -> bool:
    """Tell whether a size in pixels stands among others in µm, too."""
    return any(name.endswith(px) and name.removesuffix(px) + um in names for px, um in _IN_UM.items())


def values_of(table: pd.DataFrame, columns: Sequence[str]) -> NDArray[np.float64]:
    """Return the values of columns, shape (rows, columns); NaN for what is unknown, infinite, or not in the table."""
    found = np.full((len(table), len(columns)), np.nan)
    for place, name in enumerate(columns):
        if name in table.columns:
            values = pd.to_numeric(table[name], errors="coerce").to_numpy(np.float64)
            found[:, place] = np.where(np.isfinite(values), values, np.nan)
    return found


def matched(columns: Sequence[str], table: pd.DataFrame) -> tuple[dict[str, str], str]:
    """Find columns in a table whose images may have other names.

    In a window, columns begin with a layer's name; in runs over files with a channel's. Such names are the same where
    one is the end of the other, as ``cells_GFP`` and ``GFP``, or where each side has a single image.

    Returns
    -------
    names : dict of str to str
        What the table calls each column that it has.
    remark : str
        Which images were taken for which; empty where the names are the same.
    """
    there = {str(name) for name in table.columns}
    ours, theirs = _images(columns), _images(list(map(str, table.columns)))
    same = {one: _same_image(one, ours, theirs) for one in ours}
    found: dict[str, str] = {}
    for name in columns:
        part = _IN_IMAGE.fullmatch(name)
        other = name if name in there or part is None else f"{same[part['image']]}_{part['what']}"
        if other in there:
            found[name] = other
    renamed = sorted({f"'{theirs}' for '{ours}'" for ours, theirs in same.items() if theirs not in ("", ours)})
    return found, f"Taken to be the same image: {', '.join(renamed)}." if renamed else ""


def _images(columns: Sequence[str]) -> list[str]:
    """Return the names of images that columns begin with, each once."""
    parts = (_IN_IMAGE.fullmatch(name) for name in columns)
    return list(dict.fromkeys(part["image"] for part in parts if part is not None))


def _same_image(image: str, ours: Sequence[str], theirs: Sequence[str]) -> str:
    """Return what the others call an image; empty where that cannot be told."""
    if image in theirs:
        return image
    ends = [one for one in theirs if image.endswith(f"_{one}") or one.endswith(f"_{image}")]
    if len(ends) == 1:
        return ends[0]
    return theirs[0] if len(ours) == len(theirs) == 1 else ""
