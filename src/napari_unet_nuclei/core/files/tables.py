"""Read tables of text as spreadsheets of any country write them."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from napari_unet_nuclei.core.errors import TextFileError
from napari_unet_nuclei.core.files.text import legible, read_text

_SEPARATORS = (",", ";", "\t")

_FORMULA = ("=", "+", "-", "@")
"""How texts begin that spreadsheets compute instead of showing them."""

_DIRECTIVE = "sep="
"""Begins a first line by which Excel is told the separator."""


@dataclass(frozen=True)
class TextTable:
    """A table of text.

    Attributes
    ----------
    columns : tuple of str
        In lower case, without spaces around them.
    rows : tuple of mapping
        The text of every cell by its column.
    """

    columns: tuple[str, ...]
    rows: tuple[Mapping[str, str], ...]


def read_table(path: Path) -> TextTable:
    r"""Read a table with a head, separated by commas, semicolons or tabs, in any encoding of `read_text`.

    Empty lines are skipped, cells that a row lacks are empty, capitals in the head do not count. Raise TextFileError if
    the file cannot be read, names a column twice, or has a row with more cells than the head.

    Examples
    --------
    >>> _ = Path("index.csv").write_text("Image;Split\na;train\n", encoding="utf-16")
    >>> read_table(Path("index.csv")).rows
    ({'image': 'a', 'split': 'train'},)
    """
    lines = read_text(path).splitlines(keepends=True)
    separator = ""
    if lines and lines[0].lower().startswith(_DIRECTIVE):
        separator = lines.pop(0)[len(_DIRECTIVE) :].rstrip("\r\n")[:1]
    try:
        cells = [row for row in csv.reader(lines, delimiter=separator or _separator(lines)) if any(map(str.strip, row))]
    except csv.Error as error:
        raise TextFileError(f"{path} cannot be read as a table ({error}).") from error
    if not cells:
        return TextTable((), ())
    columns = tuple(name.strip().casefold() for name in cells[0])
    twice = [name for name, count in Counter(filter(None, columns)).items() if count > 1]
    if twice:
        raise TextFileError(f"{path} has more than one column '{twice[0]}': name them differently.")
    return TextTable(columns, tuple(_row(path, columns, row) for row in cells[1:]))


def as_cell(value: object) -> object:
    """Return what a table of text may hold: names as `legible` writes them, and none that a spreadsheet would compute.

    An apostrophe in front makes a spreadsheet show a text as it is. Numbers, as such or as text, stay as they are.

    Examples
    --------
    >>> as_cell("=a.tif"), as_cell("-b.tif"), as_cell("-1.5"), as_cell("a.tif"), as_cell(-2)
    ("'=a.tif", "'-b.tif", '-1.5', 'a.tif', -2)
    """
    if not isinstance(value, str):
        return value
    text = legible(value)
    return f"'{text}" if text.startswith(_FORMULA) and not _is_number(text) else text


def as_number(text: str) -> float:
    """Read a number with a point or a comma before its decimals; raise ValueError if it is none.

    Examples
    --------
    >>> as_number("0.5"), as_number("0,5"), as_number("1.234,5"), as_number("1,234.5"), as_number("1e-3")
    (0.5, 0.5, 1234.5, 1234.5, 0.001)
    """
    text = text.strip()
    decimals = max(text.rfind("."), text.rfind(","))
    if decimals >= 0:
        text = f"{text[:decimals].replace('.', '').replace(',', '')}.{text[decimals + 1 :]}"
    return float(text)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _separator(lines: Sequence[str]) -> str:
    """Find what separates the cells of a head: what occurs most often in it, outside of quotes."""
    head = next((line for line in lines if line.strip()), "")
    outside = "".join(head.split('"')[::2])
    return max(_SEPARATORS, key=outside.count)


def _row(path: Path, columns: Sequence[str], cells: Sequence[str]) -> Mapping[str, str]:
    """Name the cells of a row."""
    if any(cell.strip() for cell in cells[len(columns) :]):
        raise TextFileError(
            f"{path} has a row with {len(cells)} cells, {', '.join(cells[:3])}…, but only {len(columns)} columns: "
            "separate cells by semicolons, or put quotes around those that hold a comma."
        )
    padded = [*cells, *[""] * (len(columns) - len(cells))]
    return {name: cell.strip() for name, cell in zip(columns, padded, strict=False) if name}
