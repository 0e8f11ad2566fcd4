"""Classes of the nuclei of a labels layer: kept with the layer, so that *Measure* and *Correct* share them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_unet_nuclei.core.errors import SettingsError
from napari_unet_nuclei.core.labels.classify.columns import matched, values_of
from napari_unet_nuclei.core.labels.classify.nucleus_classes import CLASS, COLOURS, PROBABILITY, NucleusClasses
from napari_unet_nuclei.gui.viewer.measure_request import MeasuredTable

if TYPE_CHECKING:
    from napari.layers import Labels

CLASSES_KEY = "classes of nuclei"
"""Key in a labels layer's metadata."""

FIRST_NAMES = ("class 1", "class 2")
"""What there is to begin with."""


class Example(NamedTuple):
    """A nucleus that the user gave a class.

    Attributes
    ----------
    label : int
    position : tuple of float
        Its centroid: index of the plane in the whole image, y, x.
    name : str
        Of the class.
    """

    label: int
    position: tuple[float, ...]
    name: str


@dataclass(frozen=True)
class LayerClasses:
    """Classes and their examples in one labels layer.

    Attributes
    ----------
    colours : mapping of str to str
        The classes in the order of their keys, and the colour of each, as #rrggbb.
    examples : tuple of Example
        The latest last.
    earlier : NucleusClasses or None
        Opened from a file: its examples, of other images, teach as well.
    columns : tuple of str
        Columns that tell the classes; empty for all that are suitable.
    """

    colours: Mapping[str, str] = field(default_factory=lambda: dict(zip(FIRST_NAMES, COLOURS, strict=False)))
    examples: tuple[Example, ...] = ()
    earlier: NucleusClasses | None = None
    columns: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The classes in the order of their keys."""
        return tuple(self.colours)

    def with_example(self, example: Example) -> LayerClasses:
        """Return the same with an example; the nucleus loses the class that it had. An empty name only takes that."""
        others = [one for one in self.examples if (one.label, one.position) != (example.label, example.position)]
        return replace(self, examples=(*others, *([example] if example.name else [])))


def classes_of(layer: Labels) -> LayerClasses:
    """Return the classes of a layer; two without examples to begin with."""
    kept = layer.metadata.get(CLASSES_KEY)
    return kept if isinstance(kept, LayerClasses) else LayerClasses()


def keep_classes(layer: Labels, classes: LayerClasses) -> None:
    """Keep classes with their layer; its event ``metadata`` tells both docks."""
    layer.metadata = {**layer.metadata, CLASSES_KEY: classes}


def followed(classes: LayerClasses, measured: MeasuredTable) -> tuple[LayerClasses, int]:
    """Return the examples as they are in a new table, and how many are gone with their nuclei.

    A nucleus is the same if it has the same label and lies where it lay, or else the one that now lies there: labels
    may have been edited, or numbered anew.
    """
    found: dict[int, Example] = {}
    for one in classes.examples:
        row = _row_of(one, measured)
        if row >= 0:
            found.pop(row, None)  # of two that were merged the later answer counts
            position = tuple(measured.position(row).tolist())
            found[row] = Example(int(measured.table["label"].iloc[row]), position, one.name)
    return replace(classes, examples=tuple(found.values())), len(classes.examples) - len(found)


def _row_of(example: Example, measured: MeasuredTable) -> int:
    """Return the row of an example; -1 if its nucleus is gone."""
    position = np.array(example.position)
    if len(position) != len(measured.labels.shape):
        return -1
    row = measured.row_at(example.label, position)
    if row >= 0:
        off = measured.position(row) - position
        radius = float(measured.table["diameter_px"].iloc[row]) / 2
        if (np.abs(off[:-2]) <= 1).all() and np.hypot(*off[-2:]) <= max(radius, 1.0):
            return row
    there = measured.labels.label_at(position)
    return measured.row_at(there, position) if there > 0 else -1


def rows_of(classes: LayerClasses, measured: MeasuredTable) -> dict[int, str]:
    """Return the class that was given to rows of a table."""
    rows = {measured.row_at(one.label, np.array(one.position)): one.name for one in classes.examples}
    return {row: name for row, name in rows.items() if row >= 0}


class Told(NamedTuple):
    """A table with classes, and by what they were told; that is None while there are too few examples."""

    table: pd.DataFrame
    by: NucleusClasses | None


def told(classes: LayerClasses, measured: MeasuredTable) -> Told:
    """Tell the classes of a table anew; examples have the class that they were given, with the probability 1."""
    table = measured.table.drop(columns=[CLASS, PROBABILITY], errors="ignore")
    given = np.full(len(table), "", object)
    for row, name in rows_of(classes, measured).items():
        given[row] = name
    try:
        by = NucleusClasses.taught(
            table, given.tolist(), columns=classes.columns, colours=classes.colours, also=classes.earlier
        )
        table = by.tell(table)
    except SettingsError:
        known = given != ""
        if known.any():
            table = table.assign(**{CLASS: given, PROBABILITY: np.where(known, 1.0, np.nan)})
        return Told(table, None)
    given = np.where(given == "", _given_before(classes.earlier, table), given)
    known = given != ""
    names, probabilities = table[CLASS].to_numpy(object), table[PROBABILITY].to_numpy(np.float64)
    return Told(
        table.assign(**{CLASS: np.where(known, given, names), PROBABILITY: np.where(known, 1.0, probabilities)}), by
    )


def _given_before(earlier: NucleusClasses | None, table: pd.DataFrame) -> NDArray[np.object_]:
    """Return the class of rows that are examples of a file: the same nuclei, known by all of their values."""
    found = np.full(len(table), "", object)
    if earlier is not None:
        same, _ = matched(earlier.columns, table)
        known = {row.tobytes(): earlier.names[place] for row, place in zip(earlier.values, earlier.given, strict=True)}
        rows = values_of(table, [same.get(name, name) for name in earlier.columns])
        found[:] = [known.get(row.tobytes(), "") for row in rows]
    return found
