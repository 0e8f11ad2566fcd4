"""What a few corrected crops of transmitted light are worth to a model, and what it forgets of fluorescence meanwhile.

``python -m benchmarks.finetuning dsb2018`` draws crops of stained training images five times, fine-tunes on them, and
judges old and new model on the stained and on the fluorescence images of ``val``. Lessons (``--lessons``): ``whole``
crops; ``half`` of which half of the nuclei are labelled and reviewed; ``unmasked``, the same taken for reviewed
everywhere; ``old-only``, whole crops, with nothing rehearsed but what the old model was made for; ``none``, nothing
rehearsed at all. ``--nuclei`` stops at so many corrected nuclei in place of so many crops; ``--minutes`` stops the
fine-tuning by the clock, as a person would, in place of ``--steps``.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.table import Table
from napari_unet_nuclei.core.finetune.finetune_model import finetune_model
from napari_unet_nuclei.core.labels.metrics.overlaps import pooled
from napari_unet_nuclei.core.labels.reviewed import within
from napari_unet_nuclei.core.model.device import choose_device
from napari_unet_nuclei.core.model.file import Model
from napari_unet_nuclei.core.model.registry import load_model
from napari_unet_nuclei.core.progress import Silent
from napari_unet_nuclei.core.settings import FinetuneSettings
from napari_unet_nuclei.core.train.dataset import read_dataset
from napari_unet_nuclei.core.train.layouts import Condition
from napari_unet_nuclei.core.train.reading import InputForm
from napari_unet_nuclei.core.train.samples import Sample
from napari_unet_nuclei.core.train.validate import compare, predict_samples

SIDE = 256
HEADS = ("lesson", "draw", "steps", "s", "nuclei", "stained", "gain", "fluorescence", "change", "report says")
Row = dict[str, str]


@dataclass(frozen=True)
class Judges:
    """The images of ``val`` that tell what was gained and what was forgotten."""

    stained: tuple[Sample, ...]
    fluorescence: tuple[Sample, ...]


@dataclass(frozen=True)
class Size:
    """How much was corrected: so many crops, or crops up to so many nuclei."""

    crops: int = 0
    nuclei: int = 0

    @property
    def title(self) -> str:
        return f"{self.crops} crops" if self.crops else f"{self.nuclei} nuclei"

    def reached(self, crops: Sequence[Sample]) -> bool:
        return len(crops) >= self.crops if self.crops else count(crops) >= self.nuclei


def count(crops: Sequence[Sample]) -> int:
    """Number of nuclei."""
    return sum(len(np.unique(crop.labels)) - 1 for crop in crops)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.finetuning", description=__doc__)
    parser.add_argument("dataset", type=Path, help="folder with index.csv, images and labels")
    parser.add_argument("--base", default="nuclei")
    parser.add_argument("--crops", type=int, nargs="+", default=[4], help="corrected crops of a draw")
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--minutes", type=float, nargs="+", help="time limits, in place of steps")
    parser.add_argument("--nuclei", type=int, nargs="+", help="corrected nuclei of a draw, in place of crops")
    parser.add_argument("--lessons", nargs="+", default=["whole"], choices=list(LESSONS))
    parser.add_argument("--first", type=int, default=0, help="first draw")
    parser.add_argument("--rows", type=Path, help="CSV file that receives every row as well; drawn by --curve")
    parser.add_argument("--curve", type=Path, help="draw the rows of the CSV file, and do nothing else")
    given = parser.parse_args()
    if given.curve:
        draw_curves(given.rows, given.curve)
        return
    index = given.dataset / "index.csv"
    stained, fluorescence = ([Condition("modality", "fluorescence", equal)] for equal in (False, True))
    base = load_model(given.base)
    form = InputForm.of_model(base.card)
    train = read_dataset(index, form, split="train", where=stained)
    judges = Judges(*(read_dataset(index, form, split="val", where=where) for where in (stained, fluorescence)))
    by_steps = {"": FinetuneSettings().changed(steps=given.steps, time=86_400.0)}
    limits = {f", {limit:g} min": FinetuneSettings(time=60 * limit) for limit in given.minutes or ()} or by_steps
    sizes = [Size(nuclei=n) for n in given.nuclei] if given.nuclei else [Size(crops=n) for n in given.crops]
    before = score(base, judges)
    print(f"base: stained {before[0]:.3f}, fluorescence {before[1]:.3f}", flush=True)
    rows = []
    draws = range(given.first, given.first + given.draws)
    for size, draw in product(sizes, draws):
        crops = draw_crops(train, size, draw)
        print(f"draw {draw} of {size.title}:", "; ".join(crop.name for crop in crops), flush=True)
        for name, (limit, settings) in product(given.lessons, limits.items()):
            result = finetuned(base, LESSONS[name](crops), settings, judges, name)
            rows.append(row(f"{size.title}, {name}{limit}", draw, result, before))
            print(" | ".join(rows[-1]), flush=True)
            if given.rows:
                with given.rows.open("a", newline="", encoding="utf-8") as file:
                    csv.writer(file).writerow(rows[-1])
    print(Table("Fine-tuning", HEADS, tuple(rows), "Pooled AP at IoU 0.5 on the images of val.").markdown())


def draw_crops(samples: Sequence[Sample], size: Size, seed: int) -> list[Sample]:
    """Cut one square of each of some images, where there are nuclei."""
    rng = np.random.default_rng(seed)
    crops: list[Sample] = []
    taken: set[str] = set()
    while not size.reached(crops):
        sample = samples[int(rng.integers(len(samples)))]
        y, x = (int(rng.integers(0, max(length - SIDE, 0) + 1)) for length in sample.labels.shape)
        window = (slice(y, y + SIDE), slice(x, x + SIDE))
        if len(np.unique(sample.labels[window])) > 4 and sample.name not in taken:
            taken.add(sample.name)
            name = f"{sample.name[:8]} from {y}, {x}"
            crops.append(replace(sample.cut(window, None), name=name))
    return crops if size.nuclei == 0 else [*crops[:-1], only_some(crops[-1], size.nuclei - count(crops[:-1]))]


def only_some(crop: Sample, nuclei: int) -> Sample:
    """Review so many nuclei of a crop, the leftmost ones."""
    ids, columns = np.unique(crop.labels), np.arange(crop.labels.shape[1])
    ends = np.sort([columns[(crop.labels == number).any(axis=0)].max() for number in ids[ids > 0]])
    if nuclei >= len(ends):
        return crop
    return replace(crop, reviewed=np.broadcast_to(columns <= ends[nuclei - 1], crop.labels.shape).copy())


def corrected_half(crop: Sample) -> Sample:
    """Leave half of the nuclei unlabelled; the reviewed region is drawn round the others."""
    ids, columns = np.unique(crop.labels), np.arange(crop.labels.shape[1])
    centres = [columns[(crop.labels == number).any(axis=0)].mean() for number in ids[ids > 0]]
    reviewed = np.broadcast_to(columns < np.median(centres), crop.labels.shape)
    return replace(crop, labels=within(crop.labels, reviewed), reviewed=reviewed.copy())


def halves(crops: list[Sample]) -> list[Sample]:
    return [corrected_half(crop) for crop in crops]


def unmasked(crops: list[Sample]) -> list[Sample]:
    return [replace(half, reviewed=None) for half in halves(crops)]


def as_they_are(crops: list[Sample]) -> list[Sample]:
    return crops


LESSONS: dict[str, Callable[[list[Sample]], list[Sample]]] = {
    "whole": as_they_are,
    "half": halves,
    "unmasked": unmasked,
    "old-only": as_they_are,
    "none": as_they_are,
}


def finetuned(
    base: Model, samples: list[Sample], settings: FinetuneSettings, judges: Judges, lesson: str
) -> tuple[float, float, str, int, float, int]:
    """Stained and fluorescence score of the new model, what its report says, steps, seconds and nuclei learnt from."""
    if lesson == "old-only":  # as if the corrected images were of the kind that the old model was made for
        samples = [replace(sample, kind=base.card.image_kind) for sample in samples]
    done = finetune_model(base, samples, settings.changed(rehearsal=lesson != "none"), "tried", Silent())
    stained, fluorescence = score(done.chosen.model, judges)
    training, nuclei = done.training, done.division.training_nuclei
    said = f"{done.chosen.report.outcome}, {done.chosen.share:.0%} new"
    return stained, fluorescence, said, training.steps, training.seconds, nuclei


def score(model: Model, judges: Judges) -> tuple[float, float]:
    """Pooled AP at IoU 0.5 on stained and on fluorescence images, nucleus size estimated."""
    found = []
    for samples in (judges.stained, judges.fluorescence):
        predictions = predict_samples(model, samples, choose_device(), Silent())
        counts = [
            compare(sample, prediction, model.card.for_kind(sample.kind))
            for sample, prediction in zip(samples, predictions, strict=True)
        ]
        found.append(float(pooled(counts).average_precision[0]))
    return found[0], found[1]


def row(
    title: str, draw: int, result: tuple[float, float, str, int, float, int], before: tuple[float, float]
) -> tuple[str, ...]:
    stained, fluorescence, said, steps, seconds, nuclei = result
    changes = (f"{stained - before[0]:+.3f}", f"{fluorescence - before[1]:+.3f}")
    return (
        title, f"{draw}", f"{steps}", f"{seconds:.0f}", f"{nuclei}",
        f"{stained:.3f}", changes[0], f"{fluorescence:.3f}", changes[1], said,
    )  # fmt: skip


def draw_curves(rows: Path, picture: Path) -> None:
    """Draw what is gained and forgotten over corrected nuclei, and over the time limit for four crops."""
    with rows.open(newline="", encoding="utf-8") as file:
        read = [dict(zip(HEADS, row, strict=True)) for row in csv.reader(file)]
    by_nuclei = grouped([row for row in read if row["lesson"].endswith(" nuclei, whole")], "lesson")
    by_minutes = grouped([row for row in read if row["lesson"].endswith(" min")], "lesson")
    figure = Figure(figsize=(9, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    draw_curve(left, {float(lesson.split()[0]): group for lesson, group in by_nuclei.items()})
    draw_curve(right, {float(lesson.split()[-2]): group for lesson, group in by_minutes.items()})
    left.set(xlabel="corrected nuclei", ylabel="change of AP@0.5", xscale="log")
    right.set(xlabel="time limit in minutes")
    figure.savefig(picture)


def grouped(rows: Sequence[Row], column: str) -> dict[str, list[Row]]:
    """Rows that have the same in a column."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row[column], []).append(row)
    return groups


def mean(rows: Sequence[Row], column: str) -> float:
    return float(np.mean([float(row[column]) for row in rows]))


def draw_curve(axes: Axes, groups: Mapping[float, Sequence[Row]]) -> None:
    """Draw every draw as a dot, and a line through the means."""
    places = sorted(groups)
    for change, label in (("gain", "stained"), ("change", "fluorescence")):
        for place in places:
            axes.plot([place] * len(groups[place]), [float(row[change]) for row in groups[place]], ".", color="0.7")
        axes.plot(places, [mean(groups[place], change) for place in places], "o-", label=label)
    axes.axhline(0, color="0.5", linewidth=0.8)
    axes.legend()


if __name__ == "__main__":
    main()
