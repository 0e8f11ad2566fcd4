"""Writes files as Opera does (FLEX): pages of all fields after each other, described in XML."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tifffile


def write_flex(
    path: Path,
    pages: np.ndarray,
    names: Sequence[str],
    metres: str = "3.2E-07",
    *,
    fields: int = 1,
    planes: int = 1,
    factor: str = "1.0000",
    end: str = "",
) -> None:
    """Write pages (N, Y, X), each with a name; ``fields`` and ``planes`` of the layout, and what follows the XML."""
    arrays = "".join(f'<Array Name="{name}" Factor="{factor}"/>' for name in names)
    image = f"<Image><ImageResolutionX>{metres}</ImageResolutionX><ImageResolutionY>{metres}</ImageResolutionY></Image>"
    layout = "".join(
        f'<{kind} No="{at + 1}"/>' for kind, n in (("Field", fields), ("Plane", planes)) for at in range(n)
    )
    text = f'<Root xmlns="http://evotec"><FLEX>{layout}<Images>{image}</Images>{arrays}</FLEX></Root>{end}'
    with tifffile.TiffWriter(path) as writer:
        for page in pages:
            writer.write(page, contiguous=False, metadata=None, extratags=[(65200, "s", 0, text, True)])
