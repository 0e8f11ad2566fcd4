"""Classes of nuclei in files: JSON with examples and coefficients, from which nothing is executed."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from napari_unet_nuclei.core.errors import SettingsError
from napari_unet_nuclei.core.files.atomic import atomic
from napari_unet_nuclei.core.files.text import read_json
from napari_unet_nuclei.core.labels.classify.nucleus_classes import MOST_CLASSES, NucleusClasses
from napari_unet_nuclei.core.settings_base import first_problem

FORMAT = "napari-unet-nuclei classes of nuclei"
LARGEST = 32 * 2**20
"""Bytes of a file that is read."""

Name = Annotated[str, Field(min_length=1, max_length=200)]
Value = float | None


class _Stored(BaseModel):
    """What the file holds."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    format: Literal["napari-unet-nuclei classes of nuclei"]
    version: Literal[1]
    names: list[Name] = Field(min_length=2, max_length=MOST_CLASSES)
    colours: list[Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$")]]
    columns: list[Name] = Field(min_length=1, max_length=10_000)
    example_classes: list[Annotated[int, Field(ge=0, lt=MOST_CLASSES)]] = Field(min_length=2)
    example_values: list[list[Value]]
    coefficients: list[list[float]]

    @model_validator(mode="after")
    def _fits_together(self) -> _Stored:
        """Refuse lists whose lengths differ from one another."""
        classes, columns = len(self.names), len(self.columns)
        together = (
            len(set(self.names)) == len(self.colours) == len(self.coefficients) == classes
            and len(self.example_values) == len(self.example_classes)
            and all(len(row) == columns for row in self.example_values)
            and all(len(row) == 2 * columns + 1 for row in self.coefficients)
            and set(self.example_classes) == set(range(classes))
            and len(set(self.columns)) == columns
            and all(any(row[place] is not None for row in self.example_values) for place in range(columns))
        )
        if not together:
            raise ValueError("its names, examples and coefficients do not belong together")
        return self


def write_classes(path: Path | str, classes: NucleusClasses) -> None:
    """Write classes of nuclei with their examples to a JSON file.

    Raises
    ------
    OutputFileError
        If the file cannot be written.
    """
    stored = {
        "format": FORMAT,
        "version": 1,
        "names": classes.names,
        "colours": classes.colours,
        "columns": classes.columns,
        "example_classes": classes.given.tolist(),
        "example_values": [[_value(one) for one in row] for row in classes.values.tolist()],
        "coefficients": classes.coefficients.tolist(),
    }
    with atomic(Path(path)) as partial:
        partial.write_text(json.dumps(stored, indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")


def read_classes(path: Path | str) -> NucleusClasses:
    """Read classes of nuclei that were saved here.

    Raises
    ------
    SettingsError
        If there is no such file, or it is damaged, too large or of another kind.

    Examples
    --------
    >>> import pandas as pd
    >>> from napari_unet_nuclei import NucleusClasses, read_classes, write_classes
    >>> table = pd.DataFrame({"area_px": [90, 100, 30, 35]})
    >>> write_classes("sizes.json", NucleusClasses.taught(table, ["large", "large", "small", "small"]))
    >>> read_classes("sizes.json").tell(table)["class"].tolist()
    ['large', 'large', 'small', 'small']
    """
    path = Path(path)
    try:
        stored = _Stored.model_validate(read_json(path, LARGEST))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else _reason(error)
        raise SettingsError(
            f"{path} cannot be read as classes of nuclei: {reason}. Save them in the dock Measure, or by write_classes."
        ) from error
    values = [[math.nan if one is None else one for one in row] for row in stored.example_values]
    return NucleusClasses(
        tuple(stored.names),
        tuple(stored.colours),
        tuple(stored.columns),
        _array(values),
        np.array(stored.example_classes, np.int64),
        _array(stored.coefficients),
    )


def _array(rows: list[list[float]]) -> NDArray[np.float64]:
    return np.array(rows, np.float64)


def _value(value: float) -> Value:
    return value if math.isfinite(value) else None


def _reason(error: Exception) -> str:
    return first_problem(error) if isinstance(error, ValidationError) else str(error)
