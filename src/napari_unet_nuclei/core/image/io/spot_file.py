"""Read positions of spots from a CSV file, as napari and other programs save points."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_unet_nuclei.core.errors import ImageFileError, TextFileError
from napari_unet_nuclei.core.files.tables import as_number, read_table


def read_spots(path: Path, axes: str) -> NDArray[np.float64]:
    """Read positions in pixels along ``axes``, shape (spots, axes), e.g. "TYX".

    From the columns ``axis-0``, ``axis-1``, … as napari saves a points layer, or from ``t``, ``z``, ``y``, ``x``.

    Raises
    ------
    ImageFileError
        If the file cannot be read as a table or has other columns.
    """
    try:
        table = read_table(path)
    except TextFileError as error:
        raise ImageFileError(f"{path} cannot be read as a table of spots: {error}") from error
    if not table.columns:
        raise ImageFileError(f"{path} cannot be read as a table of spots: it is empty.")
    by_number = [f"axis-{axis}" for axis in range(len(axes))]
    by_letter = list(axes.lower())
    wanted = next((names for names in (by_number, by_letter) if set(names) <= set(table.columns)), None)
    if wanted is None or (wanted is by_number and f"axis-{len(axes)}" in table.columns):
        raise ImageFileError(
            f"{path} has the columns {', '.join(table.columns)}. Spots in these labels need "
            f"{', '.join(by_number)}, as napari saves points, or {', '.join(by_letter)}, in pixels."
        )
    try:
        positions = [[as_number(row[name]) for name in wanted] for row in table.rows]
        return np.asarray(positions, np.float64).reshape(-1, len(wanted))
    except ValueError as error:
        raise ImageFileError(f"{path} holds positions that are not numbers: {error}.") from error
