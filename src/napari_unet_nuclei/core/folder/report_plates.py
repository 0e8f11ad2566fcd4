"""Maps of plates in the report of a run: every well in the colour of its value."""

from __future__ import annotations

import math
import re

import numpy as np
import pandas as pd
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure as Canvas
from numpy.typing import NDArray

from napari_unet_nuclei.core.folder.wells import MEAN
from napari_unet_nuclei.core.image.plates import row_letters, row_number
from napari_unet_nuclei.core.report.page import Figure, Section
from napari_unet_nuclei.core.report.pictures import drawing

FORMATS = ((2, 3), (3, 4), (4, 6), (6, 8), (8, 12), (16, 24), (32, 48))
"""Rows and columns of the plates that are sold: 6 to 1,536 wells."""

MOST_CHANNELS = 6
"""Channels whose means are shown, so that the page stays light."""

MOST_NUMBERED = 96
"""Wells of a plate in which numbers can still be read."""

FIGURES_IN_ROW = 2

EMPTY = "#eeeeee"

BRIGHT = 0.6
"""Share of the colours from which on black is read better than white."""


def plate_sections(wells: pd.DataFrame) -> list[Section]:
    """Draw the plates of a table of wells; none where the wells' places on the plate are unknown."""
    known = wells[wells["row"].ne("") & wells["column"].astype(str).str.isdecimal()] if len(wells) else wells
    return [_plate(str(name), plate) for name, plate in known.groupby("plate", sort=False)] if len(known) else []


def _plate(name: str, wells: pd.DataFrame) -> Section:
    means = [column for column in wells.columns if column.endswith(MEAN)]
    shown = {"nuclei": "nuclei per well", "positive_percent": "positive nuclei in %"}
    shown |= {column: f"{name} in % of the nuclei" for name, column in _classes(wells).items()}
    shown |= _sizes(wells) | {
        column: f"mean {column.removesuffix(MEAN)} of the nuclei" for column in means[:MOST_CHANNELS]
    }
    figures = [
        Figure(_map(wells, column, title), f"{title[0].upper()}{title[1:]}{_range(wells[column])}")
        for column, title in shown.items()
        if column in wells and wells[column].notna().any()
    ]
    rows = [figures[start : start + FIGURES_IN_ROW] for start in range(0, len(figures), FIGURES_IN_ROW)]
    failed = int(wells["failed"].sum())
    text = f"{len(wells):,} wells with {int(wells['fields'].sum()):,} fields; grey wells were not imaged."
    text += f" {failed:,} fields failed and are left out." if failed else ""
    return Section(f"Plate {name}".strip(), f"{text} All values stand in wells.csv.", figures=rows)


def _classes(wells: pd.DataFrame) -> dict[str, str]:
    """The columns with the shares of classes of nuclei, by the names of these."""
    shares = re.compile(r"class_(.+)_percent")
    found = (shares.fullmatch(str(column)) for column in wells.columns)
    return {one[1]: one[0] for one in found if one is not None}


def _sizes(wells: pd.DataFrame) -> dict[str, str]:
    """The size that is known of the wells' nuclei, in µm or else in pixels."""
    titles = {
        "median_volume_um3": "median volume in µm³",
        "median_voxels": "median volume in voxels",
        "median_area_um2": "median area in µm²",
        "median_area_px": "median area in px²",
    }
    known = [name for name in titles if name in wells and wells[name].notna().any()]
    return {name: titles[name] for name in known[:1]}


def _range(values: pd.Series) -> str:
    low, high = values.min(), values.max()
    return f": {_short(low)} to {_short(high)}." if low < high else f": {_short(low)}."


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _map(wells: pd.DataFrame, column: str, title: str) -> Markup:
    """Draw the wells of a plate as it lies before the microscope, A1 top left."""
    places = [(row_number(row) - 1, int(place) - 1) for row, place in zip(wells["row"], wells["column"], strict=True)]
    height, width = _format(max(row for row, _ in places) + 1, max(place for _, place in places) + 1)
    values = np.full((height, width), np.nan)
    for place, value in zip(places, wells[column], strict=True):
        values[place] = value
    canvas = Canvas(figsize=(5.6, 3.9))
    axes = canvas.add_axes((0.07, 0.04, 0.78, 0.84))
    axes.set_facecolor(EMPTY)
    # White lines between the wells; nothing is drawn where there is no value.
    drawn = axes.pcolormesh(np.ma.masked_invalid(values), cmap="viridis", edgecolors="white", linewidth=0.6)
    axes.set(xlim=(0, width), ylim=(height, 0), aspect="equal")
    every = math.ceil(width / 24)
    axes.set_xticks(np.arange(0, width, every) + 0.5, [str(number + 1) for number in range(0, width, every)])
    every = math.ceil(height / 16)
    axes.set_yticks(np.arange(0, height, every) + 0.5, [row_letters(number + 1) for number in range(0, height, every)])
    axes.tick_params(length=0, labelsize=7)
    axes.xaxis.tick_top()
    axes.spines[:].set_visible(False)
    if height * width <= MOST_NUMBERED:
        _write_values(axes, values, drawn)
    bar = canvas.colorbar(drawn, cax=canvas.add_axes((0.88, 0.12, 0.025, 0.68)))
    bar.ax.tick_params(labelsize=7)
    bar.outline.set_visible(False)
    axes.set_title(title, fontsize=9)
    return drawing(canvas)


def _write_values(axes: Axes, values: NDArray[np.float64], drawn: QuadMesh) -> None:
    """Write numbers into the wells, dark on bright ones."""
    for row, column in np.argwhere(np.isfinite(values)):
        value = values[row, column]
        colour = "black" if np.asarray(drawn.norm(value)) > BRIGHT else "white"
        axes.text(column + 0.5, row + 0.5, _short(value), ha="center", va="center", fontsize=6, color=colour)


def _format(rows: int, columns: int) -> tuple[int, int]:
    """The smallest plate that has these rows and columns."""
    fitting = [plate for plate in FORMATS if rows <= plate[0] and columns <= plate[1]]
    return fitting[0] if fitting else (rows, columns)
