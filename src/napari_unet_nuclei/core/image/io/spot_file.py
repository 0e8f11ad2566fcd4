"""Read positions of spots from a CSV file, as napari and other programs save points."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_unet_nuclei.core.errors import ImageFileError


def read_spots(path: Path, axes: str) -> NDArray[np.float64]:
    """Read positions in pixels along ``axes``, shape (spots, axes), e.g. "TYX".

    From the columns ``axis-0``, ``axis-1``, … as napari saves a points layer, or from ``t``, ``z``, ``y``, ``x``.

    Raises
    ------
    ImageFileError
        If the file cannot be read as a table or has other columns.
    """
    try:
        table = pd.read_csv(path)
    except (OSError, ValueError, UnicodeError) as error:
        raise ImageFileError(f"{path} cannot be read as a table of spots: {error}.") from error
    by_number = [f"axis-{axis}" for axis in range(len(axes))]
    by_letter = list(axes.lower())
    named = {str(name).strip().lower(): name for name in table.columns}
    wanted = next((names for names in (by_number, by_letter) if set(names) <= set(named)), None)
    if wanted is None or (wanted is by_number and f"axis-{len(axes)}" in named):
        raise ImageFileError(
            f"{path} has the columns {', '.join(map(str, table.columns))}. Spots in these labels need "
            f"{', '.join(by_number)}, as napari saves points, or {', '.join(by_letter)}, in pixels."
        )
    try:
        return np.asarray(table[[named[name] for name in wanted]], np.float64)
    except ValueError as error:
        raise ImageFileError(f"{path} holds positions that are not numbers: {error}.") from error
