"""How well images of any data sets are segmented with nothing set, and whether kind and size were told rightly.

``python -m benchmarks accuracy dsb2018 nuinsseg/index.csv other --split val --csv images.csv`` prints a row for each
set and kind of image: average precision, pooled over nuclei and as the mean of the images, images whose kind was told
wrongly, images whose size estimate is far off, and images in which nothing was found. ``--csv`` receives a row for
each image as it is done.

Everything is automatic, as where a user opens an image and presses the button, and there is no test-time augmentation.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from skimage.segmentation import expand_labels
from tqdm import tqdm

from benchmarks.table import Table
from napari_unet_nuclei import SegmentResult, segment
from napari_unet_nuclei.core.errors import ModelFileError, NoSamplesError
from napari_unet_nuclei.core.image.axes import ImageSource
from napari_unet_nuclei.core.image.io.read import read_image
from napari_unet_nuclei.core.labels.encode import equivalent_diameters
from napari_unet_nuclei.core.labels.metrics.overlaps import IOU_THRESHOLDS, MatchCounts, match
from napari_unet_nuclei.core.segment.request import AUTOMATIC
from napari_unet_nuclei.core.train.breakdown import COUNTS, MEAN_AP, PUBLISHED, accuracy
from napari_unet_nuclei.core.train.dataset import read_planes
from napari_unet_nuclei.core.train.division import DataSet, named
from napari_unet_nuclei.core.train.layouts import Condition, Entry, list_entries
from napari_unet_nuclei.core.train.reading import InputForm
from napari_unet_nuclei.core.types import Labels

RIGHT_SIZES = (0.67, 1.5)
"""Estimated over true median diameter: beyond it the network sees nuclei of a size that it seldom met in training."""

RING = 0.25
"""Width of the surroundings that a nucleus is compared with, in diameters of the median nucleus; 2 px at least."""

BRIGHT, DARK, UNKNOWN = "bright nuclei", "dark nuclei", ""
"""Kinds of image; unknown without nuclei, or without anything beside them."""

PRECISION = (*(f"AP@{threshold:g}" for threshold in PUBLISHED), MEAN_AP)
HEADS = tuple(f"{figure} {way}" for way in ("pooled", "per image") for figure in PRECISION)
"""Figures of one image, and of many."""

COLUMNS = (
    *("set", "kind", "image", "nuclei", "found", *PRECISION),
    *("kind told", "kind of labels", "diameter estimated px", "diameter of labels px", "seconds"),
)
"""Of the CSV file."""


@dataclass(frozen=True)
class Outcome:
    """What came of one image.

    Attributes
    ----------
    dataset, kind, name : str
        The kind is the index's modality, or else as the labels tell it.
    counts : MatchCounts
    told, true : str
        Kind that the engine took it for, and that the labels tell: `BRIGHT`, `DARK` or `UNKNOWN`.
    estimated, diameter : float
        Median diameter of the nuclei in px as the engine estimated it, and of the labels; 0 without nuclei.
    seconds : float
    """

    dataset: str
    kind: str
    name: str
    counts: MatchCounts
    told: str
    true: str
    estimated: float
    diameter: float
    seconds: float

    @property
    def wrong_kind(self) -> bool:
        return self.true not in (UNKNOWN, self.told)

    @property
    def wrong_size(self) -> bool:
        return self.diameter > 0 and not RIGHT_SIZES[0] <= self.estimated / self.diameter <= RIGHT_SIZES[1]

    @property
    def nothing_found(self) -> bool:
        return self.counts.true_count > 0 and self.counts.predicted_count == 0


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks accuracy", description=__doc__)
    parser.add_argument("datasets", type=Path, nargs="+", metavar="FOLDER_OR_INDEX", help="images with labels")
    parser.add_argument("--split", default="", help="only this part of indexes that have parts, for instance val")
    parser.add_argument("--where", action="append", default=[], help="COLUMN=VALUE or COLUMN!=VALUE of the indexes")
    parser.add_argument(
        "--model", default=AUTOMATIC, help="name or file of a model; chosen for each image if not given"
    )
    parser.add_argument("--csv", type=Path, help="file that receives a row for each image")
    given = parser.parse_args(arguments)
    entries = chosen_entries(given.datasets, given.split, [Condition.read(text) for text in given.where])
    outcomes = []
    with csv_rows(given.csv) as keep:
        for entry in tqdm(entries, unit="image", disable=None):
            outcomes.append(judge(entry, given.model))
            keep(outcomes[-1])
    print(table(outcomes, given.model).markdown())


def chosen_entries(paths: Sequence[Path], split: str, where: Sequence[Condition]) -> list[Entry]:
    """List the images of all sets; a set that is not divided is judged whole."""
    entries = []
    for dataset in named([DataSet(path) for path in paths]):
        found = list_entries(dataset.path, where)
        divided = any(entry.split for entry in found)
        chosen = [entry for entry in found if entry.split == split] if split and divided else found
        if not chosen:
            raise NoSamplesError(f"{dataset.path} has no image of split '{split}'.")
        entries += [replace(entry, dataset=dataset.name) for entry in chosen]
    return entries


def judge(entry: Entry, model: str) -> Outcome:
    """Segment an image with nothing set, and compare."""
    file = read_image(entry.image)
    labels = read_planes(entry, InputForm())[0][1].labels
    start = time.perf_counter()
    result = segment(file.array, model, axes=file.axes)
    seconds = time.perf_counter() - start
    if result.classes:
        raise ModelFileError(f"'{result.model}' tells classes: judge it with napari-unet-nuclei evaluate --semantic.")
    diameters = equivalent_diameters(labels)
    present = diameters[diameters > 0]
    true = true_kind(ImageSource(file.array, file.axes), labels)
    return Outcome(
        entry.dataset,
        entry.modality or true,
        entry.name,
        match(labels, result.labels.reshape(labels.shape)),
        told_kind(result),
        true,
        result.diameter,
        float(np.median(present)) if present.size else 0.0,
        seconds,
    )


def told_kind(result: SegmentResult) -> str:
    """Return the kind of image that the engine took an image for."""
    return DARK if result.kind == "brightfield" else BRIGHT


def true_kind(source: ImageSource, labels: Labels) -> str:
    """Tell whether nuclei are brighter or darker than just outside, in the channel in which they stand out most."""
    diameters = equivalent_diameters(labels)
    if not (diameters > 0).any():
        return UNKNOWN
    ring = max(RING * float(np.median(diameters[diameters > 0])), 2.0)
    around = np.where(labels > 0, 0, expand_labels(labels, ring))
    inner, outer = (np.bincount(ids.ravel(), minlength=len(diameters)) for ids in (labels, around))
    ids = 1 + np.flatnonzero((inner > 0)[1:] & (outer > 0)[1:])  # crowded nuclei have no surroundings of their own
    if not ids.size:
        return UNKNOWN
    index = (0,) * len(source.leading_shape)
    contrasts = []
    for channel in range(source.channels):
        pixels = source.read(index, channel).astype(np.float64)
        inside, outside = (np.bincount(one.ravel(), pixels.ravel(), len(diameters))[ids] for one in (labels, around))
        contrasts.append(np.median(inside / inner[ids] - outside / outer[ids]) / (pixels.std() or 1.0))
    return BRIGHT if max(contrasts, key=abs) > 0 else DARK


def table(outcomes: Sequence[Outcome], model: str) -> Table:
    """Tabulate outcomes by set and kind, each set and everything."""
    sets: dict[str, dict[str, list[Outcome]]] = {}
    for one in outcomes:
        sets.setdefault(one.dataset, {}).setdefault(one.kind or "no nuclei", []).append(one)
    rows = []
    for name, kinds in sets.items():
        rows += [(name, kind, *cells(chosen)) for kind, chosen in kinds.items()]
        if len(kinds) > 1:
            rows.append((name, "all", *cells([one for chosen in kinds.values() for one in chosen])))
    if len(sets) > 1:
        rows.append(("all", "all", *cells(outcomes)))
    heads = ("set", "kind", *COUNTS, *HEADS, "kind wrong", "size wrong", "nothing found")
    return Table(
        "Accuracy",
        heads,
        tuple(rows),
        f"Model: {model}. Everything automatic, no test-time augmentation. {MEAN_AP} is the mean over IoU 0.5 to 0.95. "
        "The kind is wrong where nuclei that were taken for bright are darker than just outside, or the other way "
        f"round; the size where the estimate is below {RIGHT_SIZES[0]:g} or above {RIGHT_SIZES[1]:g} times the median "
        "diameter of the labels; both among the images with nuclei. Nothing found: images with nuclei in which "
        "there is none.",
    )


def cells(outcomes: Sequence[Outcome]) -> tuple[str, ...]:
    """Figures of some images, formatted."""
    figures = accuracy([one.counts for one in outcomes])
    with_nuclei = [one for one in outcomes if one.counts.true_count > 0]
    tests: tuple[Callable[[Outcome], bool], ...] = (
        lambda one: one.wrong_kind,
        lambda one: one.wrong_size,
        lambda one: one.nothing_found,
    )
    shares = (share(sum(map(test, with_nuclei)), len(with_nuclei)) for test in tests)
    return (*(f"{figures[name]:.0f}" for name in COUNTS), *(f"{figures[name]:.3f}" for name in HEADS), *shares)


def share(count: int, of: int) -> str:
    return f"{count} ({count / of:.1%})" if of else "-"


@contextmanager
def csv_rows(path: Path | None) -> Iterator[Callable[[Outcome], None]]:
    """Yield what keeps an outcome as a row of a CSV file, where one is wanted."""
    if path is None:
        yield lambda outcome: None
        return
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)

        def keep(one: Outcome) -> None:
            precision = one.counts.average_precision
            published = [precision[IOU_THRESHOLDS.index(threshold)] for threshold in PUBLISHED]
            figures = [f"{value:.4f}" for value in (*published, precision.mean())]
            sizes = [f"{value:.2f}" for value in (one.estimated, one.diameter, one.seconds)]
            counts = (one.counts.true_count, one.counts.predicted_count)
            writer.writerow((one.dataset, one.kind, one.name, *counts, *figures, one.told, one.true, *sizes))
            file.flush()  # so that a run that is ended leaves what it has judged

        yield keep


if __name__ == "__main__":
    main()
