"""Classes of nuclei: a user gives a few examples of each, and the measured columns tell the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_unet_nuclei.core.errors import SettingsError
from napari_unet_nuclei.core.labels.classify.columns import matched, suitable_columns, values_of
from napari_unet_nuclei.core.labels.classify.regression import Scale, fit, probabilities, told_by_the_others
from napari_unet_nuclei.core.quantity import quantity

CLASS, PROBABILITY = "class", "class_probability"
"""Columns with the class of a nucleus, and how probable it is."""

MOST_CLASSES = 9
"""As many as there are keys from 1 to 9."""

COLOURS = ("#e6550d", "#3182bd", "#31a354", "#756bb1", "#fdae6b", "#9ecae1", "#a1d99b", "#e377c2", "#bcbd22")
"""Of classes, in their order, where nobody chose others."""

DOUBTFUL = 0.75
"""A class that is less probable than this is doubtful."""

FEW = 5
"""Examples of a class below which its nuclei are told by chance as much as by what they look like."""

PARTS = 50
"""Most parts in which examples are left out to be told by the others."""

MANY_FAR_OFF = 0.1
"""Share of nuclei that are far off the examples, above which that is said."""


@dataclass(frozen=True)
class Check:
    """How many examples the others tell right; each was left out when it was told.

    Attributes
    ----------
    right, examples : int
    each : mapping of str to (int, int)
        The same for each class: right ones, and examples.
    """

    right: int
    examples: int
    each: Mapping[str, tuple[int, int]]

    def text(self) -> str:
        """Say it in a sentence, with a warning where that means little.

        Examples
        --------
        >>> print(Check(9, 12, {"round": (6, 8), "long": (3, 4)}).text())
        Right for 9 of 12 examples, each told by the others: round 6 of 8, long 3 of 4.
        ⚠ Few examples of long: give at least 5 of each class.
        """
        each = ", ".join(f"{name} {right} of {examples}" for name, (right, examples) in self.each.items())
        said = f"Right for {self.right:,} of {self.examples:,} examples, each told by the others: {each}."
        few = [name for name, (_, examples) in self.each.items() if examples < FEW]
        return said + (f"\n⚠ Few examples of {', '.join(few)}: give at least {FEW} of each class." if few else "")


@dataclass(frozen=True, eq=False)
class NucleusClasses:
    """Classes of nuclei with the examples that taught them; make them by `taught`, or `read_classes`.

    The class of a nucleus is told by logistic regression on its measured columns and their squares, standardised by
    those of the examples; each class has the same weight, however many examples it has.

    Attributes
    ----------
    names : tuple of str
        At least two, each with an example.
    colours : tuple of str
        Of each, as #rrggbb.
    columns : tuple of str
        Measured columns that tell the classes.
    values : ndarray, shape (examples, columns)
        Of the examples; NaN where unknown.
    given : ndarray of int, shape (examples,)
        Place of each example's class among the names.
    coefficients : ndarray
        Shape (classes, 2 × columns + 1). Of the regression: of the values, of their squares, and the intercept.

    Examples
    --------
    >>> table = pd.DataFrame({"label": [1, 2, 3, 4, 5, 6], "area_px": [90, 95, 100, 30, 35, 97]})
    >>> classes = NucleusClasses.taught(table, table["label"].map({1: "large", 3: "large", 4: "small", 5: "small"}))
    >>> classes.tell(table)["class"].tolist()
    ['large', 'large', 'large', 'small', 'small', 'large']
    """

    names: tuple[str, ...]
    colours: tuple[str, ...]
    columns: tuple[str, ...]
    values: NDArray[np.float64]
    given: NDArray[np.int64]
    coefficients: NDArray[np.float64]

    @staticmethod
    def taught(
        table: pd.DataFrame,
        given: Sequence[object] | pd.Series,
        *,
        columns: Sequence[str] = (),
        colours: Mapping[str, str] = {},
        also: NucleusClasses | None = None,
    ) -> NucleusClasses:
        """Teach classes by nuclei of a table.

        Parameters
        ----------
        table : pandas.DataFrame
            As `measure` returns it.
        given : sequence
            The name of the class of each row that is an example; empty or NaN for all others.
        columns : sequence of str
            Columns by which classes are told; by default all sizes, shapes, intensities and counts of spots.
        colours : mapping of str to str
            Of classes, as #rrggbb; others get one of their own. Its order is that of the classes.
        also : NucleusClasses, optional
            Whose examples teach as well, as those of another image. Its columns are used.

        Raises
        ------
        SettingsError
            If there are fewer than two classes with examples, more than nine, or no column tells them.
        """
        names = [str(one).strip() if isinstance(one, str) else "" for one in given]
        rows = np.flatnonzero([bool(name) for name in names])
        known = also.names if also is not None else ()
        found = [name for name in dict.fromkeys([*colours, *known, *names]) if name in {*known, *names} - {""}]
        if not 2 <= len(found) <= MOST_CLASSES:
            raise SettingsError(f"Give examples of 2 to {MOST_CLASSES} classes; there are of {len(found)}.")
        columns = also.columns if also is not None else tuple(columns) or suitable_columns(table)
        same, _ = matched(columns, table)
        values = values_of(table.iloc[rows], [same.get(name, name) for name in columns])
        classes = np.array([found.index(names[row]) for row in rows], np.int64)
        if also is not None:
            values, classes = _joined(values, classes, also, found)
        useful = np.isfinite(values).any(axis=0)
        if not useful.any():
            raise SettingsError("The examples have no values in the columns that are to tell their classes.")
        values, columns = values[:, useful], tuple(np.array(columns, object)[useful].tolist())
        chosen = _colours(found, {**(dict(zip(known, also.colours, strict=True)) if also else {}), **colours})
        coefficients = fit(Scale.of(values, classes).inputs(values), classes)
        return NucleusClasses(tuple(found), chosen, columns, values, classes, coefficients)

    @cached_property
    def scale(self) -> Scale:
        """How the values of the examples are spread."""
        return Scale.of(self.values, self.given)

    @cached_property
    def counts(self) -> dict[str, int]:
        """Number of examples of each class."""
        numbers = np.bincount(self.given, minlength=len(self.names)).tolist()
        return dict(zip(self.names, numbers, strict=True))

    def tell(self, table: pd.DataFrame) -> pd.DataFrame:
        """Return a table with the columns ``class`` and ``class_probability``.

        Nuclei of which no column is known have no class: empty, and NaN.

        Raises
        ------
        SettingsError
            If the table has none of the columns that tell the classes.
        """
        values = self._values(table)
        told = probabilities(self.scale.inputs(values), self.coefficients)
        known = np.isfinite(values).any(axis=1)
        names = np.array([*self.names, ""], object)[np.where(known, told.argmax(axis=1), -1)]
        return table.assign(**{CLASS: names, PROBABILITY: np.where(known, told.max(axis=1), np.nan)})

    def remarks(self, table: pd.DataFrame) -> tuple[str, ...]:
        """Return what makes the classes of a table doubtful: columns that it lacks, values unlike the examples'."""
        same, _ = matched(self.columns, table)
        missing = [name for name in self.columns if name not in same or table[same[name]].isna().all()]
        said = []
        if missing and len(table):
            said.append(f"The classes were taught by {_some(missing)}, too, which are not measured here.")
        off = self.scale.far_off(self._values(table))
        shares = dict(zip(self.columns, off.mean(axis=0), strict=True)) if len(off) else {}
        unlike = [name for name, share in shares.items() if share > MANY_FAR_OFF]
        if unlike:
            nuclei = float(off[:, [name in unlike for name in self.columns]].any(axis=1).mean())
            said.append(
                f"{nuclei:.0%} of the nuclei are unlike all examples in {_some(unlike)}: give examples from such an "
                "image, too.".replace("%", " %", 1)
            )
        return tuple(said)

    def renamed_images(self, table: pd.DataFrame) -> str:
        """Say which images of a table were taken for those of the examples; empty where they have the same names."""
        return matched(self.columns, table)[1]

    def check(self) -> Check:
        """Tell every example by the others, which takes up to a second."""
        told = told_by_the_others(self.scale.inputs(self.values), self.given, self.coefficients, PARTS)
        right = told == self.given
        each = {name: (int(right[self.given == i].sum()), self.counts[name]) for i, name in enumerate(self.names)}
        return Check(int(right.sum()), len(right), each)

    def _values(self, table: pd.DataFrame) -> NDArray[np.float64]:
        same, _ = matched(self.columns, table)
        if not same:
            raise SettingsError(
                f"The table has none of the columns that these classes were taught by: {_some(self.columns)}. "
                "Measure in the same images."
            )
        return values_of(table, [same.get(name, name) for name in self.columns])


def class_counts(table: pd.DataFrame, names: Sequence[str]) -> dict[str, int]:
    """Count the nuclei of each class in a table that `NucleusClasses.tell` has told."""
    numbers = table[CLASS].value_counts()
    return {name: int(numbers.get(name, 0)) for name in names}


def counts_text(counts: Mapping[str, int]) -> str:
    """Say how many nuclei each class has.

    Examples
    --------
    >>> counts_text({"round": 23, "long": 37}), counts_text({"round": 0, "long": 0})
    ('round 23 (38.3 %), long 37 (61.7 %)', 'round 0, long 0')
    """
    nuclei = sum(counts.values())
    shares = {name: f" ({number / nuclei:.1%})".replace("%", " %") if nuclei else "" for name, number in counts.items()}
    return ", ".join(f"{name} {number:,}{shares[name]}" for name, number in counts.items())


def doubtful(table: pd.DataFrame) -> NDArray[np.int64]:
    """Return the rows of a told table whose class is doubtful, the most doubtful first."""
    found = table[PROBABILITY].to_numpy(np.float64)
    rows = np.flatnonzero(found < DOUBTFUL)
    return rows[np.argsort(found[rows], kind="stable")]


def _joined(
    values: NDArray[np.float64], classes: NDArray[np.int64], also: NucleusClasses, names: Sequence[str]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Join earlier examples, but those that are among the new ones: the newer answer counts."""
    new = Counter(row.tobytes() for row in values)
    kept = np.ones(len(also.values), bool)
    for place, row in enumerate(also.values):
        if new[row.tobytes()]:  # one for one: of small nuclei, several may have the same values
            new[row.tobytes()] -= 1
            kept[place] = False
    places = np.array([names.index(name) for name in also.names], np.int64)[also.given]
    return np.concatenate([also.values[kept], values]), np.concatenate([places[kept], classes])


def _colours(names: Sequence[str], chosen: Mapping[str, str]) -> tuple[str, ...]:
    """Return a colour for each name; those that nobody chose get one that is free."""
    free = iter([one for one in COLOURS if one not in chosen.values()])
    return tuple(chosen.get(name) or next(free) for name in names)


def _some(names: Sequence[str]) -> str:
    """Name columns, of many the first."""
    return ", ".join(names[:4]) + (f" and {quantity(len(names) - 4, 'other')}" if len(names) > 4 else "")
