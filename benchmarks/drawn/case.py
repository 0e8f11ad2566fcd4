"""One drawn input: how it is made, what is asked of the program, and what must come of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from napari_unet_nuclei import NucleiError, segment, segment_folder

MEAN_TOLERANCE = 0.08
"""Share by which the mean of a channel may differ from what was drawn, since nuclei are found with their soft rims."""

Draw = Callable[[Path], object]
"""Writes an input into an empty folder; what it returns, if anything, is given to the program in place of the folder.
"""


@dataclass(frozen=True)
class Found:
    """What the program made of an input.

    Attributes
    ----------
    counts : tuple of int
        Nuclei of every plane of every image, in order.
    um : float
        Height of a pixel in µm; 0 if unknown.
    means : dict of str to float
        Mean over all nuclei of the columns that end in ``_mean``, by the names of their channels.
    refusals : tuple of str
        Messages about what was not done.
    """

    counts: tuple[int, ...] = ()
    um: float = 0.0
    means: Mapping[str, float] = field(default_factory=dict)
    refusals: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """What is wrong, empty if all is right, and what the program said when it refused."""

    name: str
    wrong: tuple[str, ...] = ()
    said: str = ""


@dataclass(frozen=True)
class Case:
    """An input and what is right.

    Attributes
    ----------
    draw : callable
    counts, um, means
        As in `Found`; ``um`` and ``means`` are compared where they are given.
    refused : str
        Words of the message, where refusing is right.
    options : mapping
        Arguments of `segment_folder`, or of ``run``.
    run : callable
        Gives the input to the program.
    """

    name: str
    draw: Draw
    counts: tuple[int, ...] = ()
    um: float = 0.0
    means: Mapping[str, float] = field(default_factory=dict)
    refused: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    run: Callable[[Any, Path, Mapping[str, Any]], Found] | None = None

    def try_out(self, folder: Path) -> Outcome:
        """Draw the input below a folder, give it to the program, and compare what is found with what was drawn."""
        given, out = folder / "in", folder / "out"
        given.mkdir(parents=True)
        drawn = self.draw(given)
        run = self.run or segment_files_of
        try:
            found = run(given if drawn is None else drawn, out, self.options)
        except NucleiError as error:
            found = Found(refusals=(str(error),))
        except Exception as error:  # noqa: BLE001  # whatever it is, it is what the user would get
            return Outcome(self.name, (f"{type(error).__name__}: {error}",))
        return Outcome(
            self.name, tuple(self._differences(found)), " ".join(found.refusals).replace(str(given), "FOLDER")
        )

    def _differences(self, found: Found) -> list[str]:
        said = " | ".join(found.refusals)
        if self.refused:
            right = self.refused.casefold() in said.casefold() and not found.counts
            return [] if right else [f"not refused with '{self.refused}', but: {said or found}"]
        if said:
            return [f"refused: {said}"]
        wrong = []
        if found.counts != self.counts:
            wrong.append(f"{found.counts} nuclei, not {self.counts}")
        if self.um and not math.isclose(found.um, self.um, rel_tol=1e-3):
            wrong.append(f"{found.um:g} µm a pixel, not {self.um:g}")
        for name, mean in self.means.items():
            if name not in found.means:
                wrong.append(f"no channel '{name}', but {', '.join(found.means)}")
            elif not math.isclose(found.means[name], mean, rel_tol=MEAN_TOLERANCE):
                wrong.append(f"mean of {name} {found.means[name]:.4g}, not {mean:.4g}")
        return wrong


def segment_files_of(given: Any, out: Path, options: Mapping[str, Any]) -> Found:
    """Segment a folder, files or patterns as a batch does."""
    report = segment_folder(given, out, device="cpu", **options)
    tables = [pd.read_csv(record.table) for record in report.records if not record.error]
    refusals = tuple(f"{Path(record.image).name}: {record.error}" for record in report.records if record.error)
    return described(tables, refusals)


def segment_array(given: Any, out: Path, options: Mapping[str, Any]) -> Found:
    """Segment an array in Python."""
    del out
    result = segment(given, device="cpu", **options)
    planes = result.labels.reshape(-1, *result.labels.shape[-2:])
    return Found(tuple(len(set(plane[plane > 0].tolist())) for plane in planes))


def described(tables: list[pd.DataFrame], refusals: tuple[str, ...] = ()) -> Found:
    """Summarise tables of nuclei: an image each."""
    counts: list[int] = []
    for table in tables:
        leading = [column for column in ("t", "z", "axis_0", "axis_1") if column in table]
        counts += table.groupby(leading).size().tolist() if leading and len(table) else [len(table)]
    whole = pd.concat(tables) if tables else pd.DataFrame()
    if not len(whole):
        return Found(tuple(counts), refusals=refusals)
    area = (whole["area_um2"] / whole["area_px"]).mean()
    means = {column.removesuffix("_mean"): whole[column].mean() for column in whole if column.endswith("_mean")}
    return Found(tuple(counts), 0.0 if math.isnan(area) else math.sqrt(area), means, refusals)
