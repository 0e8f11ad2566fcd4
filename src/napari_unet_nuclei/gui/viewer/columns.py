"""What columns are called on the screen, and which of them are shown at first."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from itertools import takewhile

import pandas as pd

from napari_unet_nuclei.gui.widgets.table_view import cell_text

CARD_COLUMNS = 6
"""Most values of one nucleus that are said in a line."""

_TITLES = {
    "label": "Nucleus",
    "t": "Time",
    "z": "Plane",
    "area_px": "Area (px²)",
    "area_um2": "Area (µm²)",
    "voxels": "Volume (voxels)",
    "surface_um2": "Surface (µm²)",
    "z_first": "First plane",
    "z_last": "Last plane",
    "planes": "Planes",
    "volume_um3": "Volume (µm³)",
    "diameter_px": "Diameter (px)",
    "diameter_um": "Diameter (µm)",
    "centroid_y": "Y (px)",
    "centroid_x": "X (px)",
    "touches_edge": "At the edge",
    "nucleus_to_cell": "Nucleus / cell size",
    "cell": "Cell",
    "class_probability": "Class probability",
}

_BY_NETWORK = "Empty for nuclei that were changed by hand: the network has not seen them so."

COLUMN_HELP = {
    "score": f"How likely it is right, 0 to 1, by what the network saw of it. {_BY_NETWORK}",
    "confidence": f"How sure the network was, 0 to 1. {_BY_NETWORK}",
}
"""What is said over the heads of columns that are not plain, by their names."""

_PATTERNS = (
    (r"(cell|cytoplasm|ring)_area_um2", r"\1 area (µm²)"),
    (r"(cell|cytoplasm|ring)_area_px", r"\1 area (px²)"),
    (r"(cell|cytoplasm|ring)_volume_um3", r"\1 volume (µm³)"),
    (r"(cell|cytoplasm|ring)_voxels", r"\1 volume (voxels)"),
    (r"axis_(major|middle|minor)_um", r"\1 axis (µm)"),
    (r"(.+)_(mean|sum)_(cell|cytoplasm|ring)", r"\1 \3 \2"),
    (r"(.+)_nucleus_to_(cytoplasm|ring)", r"\1 nucleus / \2"),
    (r"(.+)_spots_count_cell", r"\1 spots in cell"),
    (r"(.+)_spots_count", r"\1 spots in nucleus"),
    (r"(.+)_count_cell", r"\1 in cell"),
    (r"(.+)_count", r"\1 in nucleus"),
    (r"(.+)_od_mean", r"\1 density"),
    (r"(.+)_(mean|min|max|sum)", r"\1 \2"),
)
"""Columns of which a part is the name of an image, and their titles."""

_OF_IMAGE = re.compile(
    r"(?!(?:cell|cytoplasm|ring)_)(.+?)_(?:(?:od_)?(?:mean|min|max|sum)(?:_(?:cell|cytoplasm|ring))?|"
    r"nucleus_to_(?:cytoplasm|ring))"
)
"""Columns that begin with the name of an image."""

_SHORT = re.compile(
    r"label|t|z|track|class|region|positive|cell|planes|sphericity|solidity|score|nucleus_to_cell|class_probability|"
    r"(?!.*_(min|max|sum)_).*(_mean|_nucleus_to_(cytoplasm|ring)|_count|_count_cell)"
)
"""Columns that are shown at first, besides one size."""

_SIZES = ("volume_um3", "voxels", "area_um2", "area_px")
"""Of these the first one that has values is shown."""


def titles_of(columns: Iterable[object]) -> dict[str, str]:
    """Return what the columns of a table are called on the screen, with their units.

    What the names of all images begin with is left out: mostly the name of the one picture of which they are colours.

    Examples
    --------
    >>> list(titles_of(["area_um2", "GFP_mean", "GFP_nucleus_to_cytoplasm", "touches_edge", "mine"]).values())
    ['Area (µm²)', 'GFP mean', 'GFP nucleus / cytoplasm', 'At the edge', 'Mine']
    >>> list(titles_of(["slide_07_red_mean", "slide_07_blue_mean", "slide_07_haematoxylin_od_mean"]).values())
    ['red mean', 'blue mean', 'haematoxylin density']
    """
    names = [str(column) for column in columns]
    images = {found[1] for name in names if name not in _TITLES and (found := _OF_IMAGE.fullmatch(name))}
    words = zip(*(re.split("(?<=[_ ])", image) for image in images), strict=False)
    same = takewhile(lambda heads: len(set(heads)) == 1, words) if len(images) > 1 else ()
    left_out = sum(len(heads[0]) for heads in same)
    return {name: _title_of(name[left_out:] if _is_of(name, images) else name) for name in names}


def _is_of(column: str, images: Collection[str]) -> bool:
    found = _OF_IMAGE.fullmatch(column)
    return found is not None and found[1] in images


def _title_of(column: str) -> str:
    if column in _TITLES:
        return _TITLES[column]
    for pattern, title in _PATTERNS:
        if re.fullmatch(pattern, column):
            text = re.sub(pattern, title, column)
            return text[:1].upper() + text[1:] if text.startswith(("cell", "cytoplasm", "ring")) else text
    return (column[:1].upper() + column[1:]).replace("_", " ")


def short_set(table: pd.DataFrame) -> list[str]:
    """Return the columns that are shown at first: what one reads, in the table's order."""
    filled = [str(name) for name in table.columns if len(table) == 0 or not table[name].isna().all()]
    size = next((name for name in _SIZES if name in filled), "")
    return [name for name in filled if name == size or _SHORT.fullmatch(name)]


def card_text(table: pd.DataFrame, row: int) -> str:
    """Return what one reads first of a nucleus, in a line.

    Examples
    --------
    >>> card_text(pd.DataFrame({"label": [7], "area_um2": [67.18], "score": [0.96], "world_y": [3.0]}), 0)
    'Nucleus 7 · Area (µm²) 67.18 · Score 0.96'
    """
    titles, names = titles_of(table.columns), [name for name in short_set(table) if name != "label"][:CARD_COLUMNS]
    values = [(titles[name], cell_text(table[name].iloc[row])) for name in names]
    return " · ".join(
        [f"Nucleus {table['label'].iloc[row]}", *(f"{title} {value}" for title, value in values if value)]
    )


def numbers_of(table: pd.DataFrame) -> list[str]:
    """Return the columns that can be plotted and coloured by: stains, intensities, other numbers, ids and positions."""
    numbers = [str(name) for name in table.select_dtypes("number").columns if not table[name].isna().all()]
    last = [name for name in numbers if name == "label" or name.startswith(("centroid", "world"))]
    first = [name for name in numbers if name.endswith("_mean")]
    first.sort(key=lambda name: not name.endswith("_od_mean"))
    middle = [name for name in numbers if name not in first and name not in last]
    return [*first, *middle, *last]


def as_text(table: pd.DataFrame, columns: Sequence[str]) -> str:
    """Return rows as text that spreadsheets take: heads, then a line for each row, with tabs between."""
    shown, titles = table[list(columns)], titles_of(table.columns)
    return str(shown.to_csv(index=False, sep="\t", header=[titles[name] for name in columns], lineterminator="\n"))
