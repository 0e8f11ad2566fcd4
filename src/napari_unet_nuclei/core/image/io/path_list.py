"""Read lists of images as people and programs write them: one path a line, or a table with a column of paths."""

from __future__ import annotations

import glob
import os
from pathlib import Path
from urllib.parse import unquote

from napari_unet_nuclei.core.errors import ImageFileError, TextFileError
from napari_unet_nuclei.core.files.tables import read_table
from napari_unet_nuclei.core.files.text import on_disk, read_text
from napari_unet_nuclei.core.image.io.formats import IMAGE_SUFFIXES

LIST_SUFFIXES = (".txt", ".csv", ".tsv")
"""Of files that list images."""

_TABLES = (".csv", ".tsv")

_COLUMNS = ("image", "images", "path", "file", "filename", "file name")
"""Columns that hold paths, the likeliest first."""

_SEPARATORS = (";", "\t", ",")
"""Of cells in a line that is no path as a whole."""

_COMMENT = "#"
_FILE_URL = "file://"


def read_list(file: Path) -> list[Path]:
    """Read paths and patterns from a text file, one a line, or from a table with a column "image" or "path".

    A table ends in .csv or .tsv, or its head names such a column, separated by semicolons, tabs or commas. Where there
    is no head and a line has several cells, the one that leads to a file counts. Quotes around a path, empty lines and
    comments (#) are left out. Names are those beside the list, or else in the current folder.

    Raises
    ------
    ImageFileError
        If the file cannot be read as text, or is a table without such a column.
    """
    try:
        is_table = file.suffix.lower() in _TABLES or _has_head(file)
        lines = _column(file) if is_table else read_text(file).splitlines()
    except TextFileError as error:
        raise ImageFileError(f"{file} cannot be read as a list of paths: {error}") from error
    paths = (_path(file.parent, line.strip()) for line in lines)
    return [path for path in paths if path is not None]


def _has_head(file: Path) -> bool:
    """Tell whether the first line of a text names a column of paths among others."""
    first = next((line for line in read_text(file).splitlines() if line.strip()), "")
    cells = [[_unquoted(cell.strip()).casefold() for cell in first.split(separator)] for separator in _SEPARATORS]
    return any(len(row) > 1 and set(row) & set(_COLUMNS) for row in cells)


def _column(file: Path) -> list[str]:
    table = read_table(file)
    if len(table.columns) == 1:  # paths may stand there without a head
        return read_text(file).splitlines()
    column = next((name for name in _COLUMNS if name in table.columns), None)
    if column is None:
        raise TextFileError(f"it has the columns {', '.join(table.columns)}, and none is called image or path.")
    return [row[column] for row in table.rows]


def _path(folder: Path, line: str) -> Path | None:
    """Find what one line of a list means; None of a comment or an empty line."""
    said = _unquoted(line)
    if not said or (said.startswith(_COMMENT) and not os.path.lexists(folder / said)):
        return None
    found = _found(folder, said)
    if found is None and f" {_COMMENT}" in said:
        found = _found(folder, _unquoted(said.partition(f" {_COMMENT}")[0].strip()))
    if found is None:
        cells = [
            _unquoted(cell.strip()) for separator in _SEPARATORS if separator in said for cell in said.split(separator)
        ]
        # Names of folders may stand there as well, such as those of a treatment.
        ranked = sorted(filter(None, cells), key=lambda cell: Path(cell).suffix.lower() not in IMAGE_SUFFIXES)
        found = next((path for cell in ranked if (path := _found(folder, cell)) is not None), None)
    return found or folder / Path(said).expanduser()


def _found(folder: Path, said: str) -> Path | None:
    """Find a path or a pattern beside the list, or else in the current folder; None if there is none."""
    # Lists of Windows have backslashes, which are no separators elsewhere.
    for spelled in dict.fromkeys((said, said.replace("\\", "/"))):
        for path in (folder / Path(spelled).expanduser(), Path(spelled).expanduser()):
            here = on_disk(path)
            if os.path.lexists(here) or (glob.has_magic(spelled) and glob.glob(str(here), recursive=True)):  # noqa: PTH207  # Path.glob takes no absolute pattern
                return here
    return None


def _unquoted(text: str) -> str:
    """Remove quotes, which Windows puts around a copied path, and what makes a URL of a path."""
    for quote in ('"', "'"):
        if len(text) > 1 and text.startswith(quote) and text.endswith(quote):
            text = text[1:-1].strip()
    if text.startswith(_FILE_URL):
        text = unquote(text.removeprefix(_FILE_URL))
    return text
