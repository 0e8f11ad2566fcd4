"""Where on a multi-well plate an image was taken."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass

from napari_unet_nuclei.core.files.text import legible

PLATE_COLUMNS = ("plate", "well", "row", "column", "field")
"""Columns that say in a table where its nuclei come from, in their order."""

# One leading zero at the most: "W00001" is a well that is only counted, not row W, column 1.
_WELL = re.compile(r"([A-Za-z]{1,2})[ _-]*0?(\d{1,2})")
_NUMBERED_WELL = re.compile(r"r0*(\d{1,2})c0*(\d{1,2})", re.IGNORECASE)


@dataclass(frozen=True)
class PlateField:
    """One field of view of a well.

    Attributes
    ----------
    plate : str
        Name of the plate; empty where nothing tells it.
    well : str
        Name of the well: "B02", or as the microscope numbers it.
    row : str
        As printed on the plate: "A", "B", ..., "AF"; empty where only a number of the well is known.
    column : str
        As printed on the plate, counted from 1, without leading zeros; empty as the row.
    field : str
        Name of the field within its well; empty where a well has only one.
    """

    plate: str
    well: str
    row: str
    column: str
    field: str = ""

    @staticmethod
    def at(plate: str, row: str, column: str, field: str = "") -> PlateField:
        """Describe a field by row and column, which may be numbers from 1.

        Examples
        --------
        >>> PlateField.at("plate 1", "2", "03", "7")
        PlateField(plate='plate 1', well='B03', row='B', column='3', field='7')
        """
        letters = row_letters(int(row)) if row.isdecimal() and int(row) else row.upper()
        number = column.lstrip("0") or column
        return PlateField(plate, f"{letters}{number.zfill(2)}", letters, number, field)

    @property
    def values(self) -> dict[str, str]:
        """The values of `PLATE_COLUMNS`."""
        return {name: legible(value) for name, value in asdict(self).items()}


def row_letters(number: int) -> str:
    """Letters of a row that is counted from 1.

    Examples
    --------
    >>> row_letters(1), row_letters(26), row_letters(27), row_letters(32)
    ('A', 'Z', 'AA', 'AF')
    """
    before, last = divmod(number - 1, 26)
    return (chr(ord("A") + before - 1) if before else "") + chr(ord("A") + last)


def row_number(row: str) -> int:
    """Number of a row from 1, which its letters stand for.

    Examples
    --------
    >>> row_number("A"), row_number("z"), row_number("AF")
    (1, 26, 32)
    """
    number = 0
    for letter in row.upper():
        number = 26 * number + ord(letter) - ord("A") + 1
    return number


def split_well(text: str) -> tuple[str, str] | None:
    """Read row and column of a well's name; None if it is none.

    Examples
    --------
    >>> split_well("b02"), split_well("A - 1"), split_well("r02c11"), split_well("W00001")
    (('B', '2'), ('A', '1'), ('B', '11'), None)
    """
    numbered = _NUMBERED_WELL.fullmatch(text.strip())
    if numbered and int(numbered[1]) and int(numbered[2]):
        return row_letters(int(numbered[1])), numbered[2]
    lettered = _WELL.fullmatch(text.replace(" ", ""))
    return (lettered[1].upper(), lettered[2]) if lettered and int(lettered[2]) else None
