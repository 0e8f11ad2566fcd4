"""Fit score and thresholds of a finished model anew, on one data set or several, each weighing alike.

For instance::

    python -m benchmarks.refit nuclei.safetensors new.safetensors dsb2018/index.csv kromp/index.csv aitslab/index.csv
"""

from __future__ import annotations

import argparse
from pathlib import Path

from napari_unet_nuclei.core.model.device import choose_device
from napari_unet_nuclei.core.model.file import read_model, save_model
from napari_unet_nuclei.core.progress import Silent
from napari_unet_nuclei.core.train.dataset import read_divided
from napari_unet_nuclei.core.train.division import DataSet, divide
from napari_unet_nuclei.core.train.fitting import refit
from napari_unet_nuclei.core.train.layouts import Condition
from napari_unet_nuclei.core.train.reading import InputForm


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("datasets", type=Path, nargs="+", help="indexes of labelled images")
    parser.add_argument("--where", action="append", default=[], help="only these rows of the indexes")
    given = parser.parse_args()
    model = read_model(given.model)
    form = InputForm.of_model(model.card)
    where = tuple(Condition.read(text) for text in given.where)
    datasets = [DataSet(path) for path in given.datasets]
    training, validation = read_divided(divide(datasets, where), form, Silent())
    again = refit(model, training, validation, choose_device(), Silent())
    card = save_model(given.out, again)
    print(card.thresholds, card.score, *card.metrics.items(), sep="\n")


if __name__ == "__main__":
    main()
