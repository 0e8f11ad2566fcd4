"""Cross-validates a training by field: every image is judged once, by a model that saw no tile of its field.

``python -m benchmarks.cross_validation dsb2018/index.csv --where modality!=fluorescence --time 240 --work folds``
trains five models from the bundled one, keeps them in ``folds``, where a second call finds them, and prints a table by
modality. The bundled model has learnt from the training part of the four data sets that it names, so figures for
images of these flatter: name a ``--base`` that has not seen them.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.table import Table
from napari_unet_nuclei.core.labels.metrics.overlaps import IOU_THRESHOLDS, MatchCounts, per_image, pooled
from napari_unet_nuclei.core.model.card import ModelCard
from napari_unet_nuclei.core.model.file import Model, read_model, save_model, start_from
from napari_unet_nuclei.core.model.registry import DEFAULT, load_model
from napari_unet_nuclei.core.progress import Silent
from napari_unet_nuclei.core.settings import TrainSettings
from napari_unet_nuclei.core.train.breakdown import PUBLISHED
from napari_unet_nuclei.core.train.dataset import read_dataset
from napari_unet_nuclei.core.train.division import split_by_group
from napari_unet_nuclei.core.train.fitting import finish_model
from napari_unet_nuclei.core.train.layouts import Condition
from napari_unet_nuclei.core.train.reading import InputForm
from napari_unet_nuclei.core.train.samples import Sample
from napari_unet_nuclei.core.train.trainer import Trainer
from napari_unet_nuclei.core.train.validate import compare, predict_samples

Fold = tuple[Sample, ...]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cross_validation", description=__doc__)
    parser.add_argument("dataset", type=Path, help="CSV file with the columns image and field")
    parser.add_argument("--where", action="append", default=[], help="COLUMN=VALUE or COLUMN!=VALUE")
    parser.add_argument("--by", default="modality", help="column by which the figures are given")
    parser.add_argument("--base", default=DEFAULT, help="model to start from")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--time", type=float, default=240.0, help="training time of a fold in seconds")
    parser.add_argument("--work", type=Path, required=True, help="folder for the folds' models")
    given = parser.parse_args()
    base = load_model(given.base)
    card = base.card
    samples = read_dataset(
        given.dataset, InputForm.of_model(card), where=[Condition.read(text) for text in given.where]
    )
    given.work.mkdir(parents=True, exist_ok=True)
    counts: dict[str, MatchCounts] = {}
    for number, test in enumerate(folds(samples, given.folds)):
        names = {sample.name for sample in test}
        rest = tuple(sample for sample in samples if sample.name not in names)
        model = fold_model(given.work / f"fold-{number + 1}.safetensors", card, base, rest, given.time)
        counts |= judge(model, test)
        together = pooled(counts[name] for name in names).average_precision
        print(f"fold {number + 1}: {len(test)} images, AP@0.5 {together[0]:.3f}", flush=True)
    with given.dataset.open(encoding="utf-8") as file:
        kinds = {row["image"]: row[given.by] for row in csv.DictReader(file)}
    print(table(samples, counts, kinds).markdown())


def folds(samples: Sequence[Sample], count: int) -> list[Fold]:
    """Divide samples into parts of about the same size, whole fields in each."""
    parts, rest = [], tuple(samples)
    for left in range(count, 1, -1):
        rest, part = split_by_group(rest, share=1 / left, seed=0)
        parts.append(part)
    return [*parts, rest]


def fold_model(path: Path, card: ModelCard, base: Model, samples: Fold, seconds: float) -> Model:
    """Train on a part of the samples; the others choose epoch and thresholds. The fold's own images are not seen."""
    if not path.exists():
        training, validation = split_by_group(samples)
        trainer = Trainer(card, TrainSettings(time=seconds, epoch_steps=150), start_from(base, card.architecture))
        result = trainer.fit(training, validation, Silent(), path.with_suffix(".checkpoint"))
        save_model(path, finish_model(result.network, card, validation, trainer.device, Silent()))
    return read_model(path)


def judge(model: Model, samples: Fold) -> dict[str, MatchCounts]:
    """Segment every sample as a user's image would be, and count what matches."""
    from napari_unet_nuclei.core.model.device import choose_device

    predictions = predict_samples(model, samples, choose_device(), Silent())
    return {
        sample.name: compare(sample, prediction, model.card)
        for sample, prediction in zip(samples, predictions, strict=True)
    }


def table(samples: Sequence[Sample], counts: dict[str, MatchCounts], kinds: dict[str, str]) -> Table:
    rows = []
    for kind in [*sorted({kinds[sample.name] for sample in samples}), "all"]:
        chosen = [sample for sample in samples if kind in ("all", kinds[sample.name])]
        figures = [counts[sample.name] for sample in chosen]
        columns = [IOU_THRESHOLDS.index(threshold) for threshold in PUBLISHED]
        together, alone = pooled(figures).average_precision[columns], per_image(figures)[columns]
        nuclei = sum(np.count_nonzero(np.bincount(sample.labels.ravel())[1:]) for sample in chosen)
        fields = len({sample.group for sample in chosen})
        rows.append((kind, str(fields), str(len(chosen)), str(nuclei), *(f"{v:.3f}" for v in (*together, *alone))))
    heads = [f"{way} AP@{threshold:g}" for way in ("pooled", "per image") for threshold in PUBLISHED]
    return Table("Cross-validation by field", ("images", "fields", "count", "nuclei", *heads), tuple(rows), "")


if __name__ == "__main__":
    main()
