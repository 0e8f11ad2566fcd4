"""How well few examples tell classes of real nuclei, by logistic regression and by gradient boosting.

``python -m benchmarks.nucleus_classes FOLDER`` prints, for 5, 10, 20 and 50 examples of each class, the mean share of
nuclei told right, each class with the same weight. FOLDER holds `nuinsseg` and `kromp`, each with index.csv, images
and labels. Gradient boosting is tried where scikit-learn is installed.
"""

from __future__ import annotations

import csv
import importlib.util
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pandas as pd

from napari_unet_nuclei.core.image.axes import ImageSource
from napari_unet_nuclei.core.labels.classify.columns import suitable_columns, values_of
from napari_unet_nuclei.core.labels.classify.nucleus_classes import NucleusClasses
from napari_unet_nuclei.core.labels.measure.measure import measure
from napari_unet_nuclei.core.segment.table import SegmentedChannel, column_names, stain_images

SETS: Mapping[str, tuple[str, Sequence[str], int]] = {
    "H&E, liver, cerebellum, muscle": ("nuinsseg", ("human_liver", "human_cerebellum", "mouse_muscle_tibia"), 8),
    "H&E, tonsil, pancreas": ("nuinsseg", ("human_tonsile", "human_pancreas"), 8),
    "H&E, five organs": (
        "nuinsseg",
        ("human_tonsile", "human_pancreas", "human_liver", "human_salivory", "mouse_kidney"),
        6,
    ),
    "DAPI, tissue, tumour cells, normal cells": ("kromp", ("Ganglioneuroblastoma", "Neuroblastoma", "normal"), 6),
}
"""Folder, beginnings of the names of images by class, and images of each class."""

EXAMPLES, REPEATS = (5, 10, 20, 50), 6


def main(folder: Path) -> None:
    """Print a table for each set, and for DAPI once more by shapes alone."""
    boosting = importlib.util.find_spec("sklearn") is not None
    for title, table in measured_sets(folder):
        told = table.drop(columns="kind")
        for examples in EXAMPLES:
            shares = [_shares(told, table["kind"].to_numpy(str), examples, seed, boosting) for seed in range(REPEATS)]
            regression, trees = np.mean(shares, axis=0)
            print(f"{title}: {examples} examples, regression {regression:.3f}, boosting {trees:.3f}", flush=True)


def measured_sets(folder: Path) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield each set with the table of its nuclei, and their class in the column ``kind``."""
    for title, (name, kinds, images) in SETS.items():
        with (folder / name / "index.csv").open(encoding="utf-8", newline="") as file:
            listed = [row["image"] for row in csv.DictReader(file)]
        tables = [
            _measured(folder / name, image).assign(kind=kind)
            for kind in kinds
            for image in [one for one in listed if one.startswith(kind)][:images]
        ]
        table = pd.concat(tables, ignore_index=True)
        yield title, table
        if name == "kromp":
            yield f"{title}, shapes alone", table[[one for one in table.columns if not one.startswith("intensity")]]


def _measured(folder: Path, image: str) -> pd.DataFrame:
    pixels = iio.imread(folder / "images" / image)
    labels = iio.imread(next((folder / "labels").glob(f"{Path(image).stem}.*")))
    source = ImageSource(pixels[..., :3], "YXS") if pixels.ndim == 3 else ImageSource(pixels, "YX")
    channels = {
        name: SegmentedChannel(source, number, (0, 0), labels.shape) for number, name in enumerate(column_names(source))
    }
    return measure(labels, channels, means=stain_images(source, (0, 0), labels.shape))


def _shares(table: pd.DataFrame, kinds: np.ndarray, examples: int, seed: int, boosting: bool) -> tuple[float, float]:
    """Teach by drawn examples; return the share of the others told right by either method, NaN for one not tried."""
    numbers = np.random.default_rng(seed)
    drawn = [numbers.choice(np.flatnonzero(kinds == one), examples, replace=False) for one in np.unique(kinds)]
    taught = np.zeros(len(kinds), bool)
    taught[np.concatenate(drawn)] = True
    classes = NucleusClasses.taught(table, np.where(taught, kinds, "").tolist())
    regression = _balanced(classes.tell(table)["class"].to_numpy(str)[~taught], kinds[~taught])
    if not boosting:
        return regression, float("nan")
    from sklearn.ensemble import HistGradientBoostingClassifier

    values = values_of(table, suitable_columns(table))
    trees = HistGradientBoostingClassifier(min_samples_leaf=3, max_iter=50).fit(values[taught], kinds[taught])
    return regression, _balanced(trees.predict(values[~taught]), kinds[~taught])


def _balanced(told: np.ndarray, kinds: np.ndarray) -> float:
    return float(np.mean([(told[kinds == one] == one).mean() for one in np.unique(kinds)]))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
