"""Gates: which nuclei count as positive, told by limits of measured columns."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_unet_nuclei.core.arguments import checked
from napari_unet_nuclei.core.errors import SettingsError

if TYPE_CHECKING:
    import pandas as pd

POSITIVE = "positive"
"""Column that says whether a nucleus lies within the gate."""

_COMPARE = {"<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal}
# A column's name is everything before the sign: it may have blanks, as names of channels do.
_LIMIT = re.compile(
    r"\s*(?P<column>[^<>=]*[^<>=\s])\s*(?P<sign><=|>=|<|>)\s*(?P<number>[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?)\s*"
    r"(?:\band\b|$)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Limit:
    """One limit of a gate: a column, one of < <= > >=, and a number."""

    column: str
    sign: str
    number: float

    def __str__(self) -> str:
        """As `Gate.of` reads it."""
        return f"{self.column} {self.sign} {self.number:.6g}"


@dataclass(frozen=True)
class Gate:
    """Limits that a nucleus must keep, all of them, to count as positive.

    Examples
    --------
    >>> import pandas as pd
    >>> gate = Gate.of("GFP_mean > 500 and area_px < 200")
    >>> gate.holds(pd.DataFrame({"GFP_mean": [400, 600, 700], "area_px": [100, 100, 300]})).tolist()
    [False, True, False]
    """

    limits: tuple[Limit, ...]

    @staticmethod
    @checked
    def of(text: str) -> Gate:
        """Read a gate, e.g. ``GFP_mean > 500`` or ``GFP_mean > 500 and area_um2 < 200``.

        Raises
        ------
        SettingsError
            If it cannot be understood.
        """
        limits: list[Limit] = []
        place = 0
        while place < len(text) or not limits:
            found = _LIMIT.match(text, place)
            if found is None:
                raise SettingsError(
                    f"'{text}' is not a gate. Give a column of the table, <, <=, > or >=, and a number, "
                    "for instance: GFP_mean > 500, or: GFP_mean > 500 and area_um2 < 200"
                )
            limits.append(Limit(found["column"], found["sign"], float(found["number"])))
            place = found.end()
        return Gate(tuple(limits))

    def __str__(self) -> str:
        """As `of` reads it."""
        return " and ".join(map(str, self.limits))

    def holds(self, table: pd.DataFrame) -> NDArray[np.bool_]:
        """Return which rows of a table lie within all limits; empty cells lie without.

        Raises
        ------
        SettingsError
            If the table lacks a column; the message names those it has.
        """
        inside = np.ones(len(table), bool)
        for limit in self.limits:
            if limit.column not in table.columns:
                numbers = [str(name) for name in table.select_dtypes("number").columns if name != "label"]
                raise SettingsError(
                    f"The gate '{self}' asks for the column '{limit.column}', which this table does not have. "
                    f"It has {', '.join(numbers)}."
                )
            inside &= _COMPARE[limit.sign](table[limit.column].to_numpy(np.float64), limit.number)
        return inside


def share_text(positive: int, nuclei: int) -> str:
    """Say how many nuclei are positive.

    Examples
    --------
    >>> share_text(23, 60), share_text(0, 0)
    ('23 of 60 (38.3 %) positive', '0 of 0 positive')
    """
    share = f" ({positive / nuclei:.1%})".replace("%", " %") if nuclei else ""
    return f"{positive:,} of {nuclei:,}{share} positive"
