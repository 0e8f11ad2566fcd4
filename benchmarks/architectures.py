"""Compares networks: what accuracy each reaches in the same training time, and what it costs to run.

``python -m benchmarks.architectures dsb2018/index.csv --where modality=fluorescence --time 300 --work networks`` trains
one model of each shape, keeps them in ``networks``, where a second call finds them, and prints the table.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from benchmarks.child import in_child
from benchmarks.network_costs import costs
from benchmarks.table import Table
from napari_unet_nuclei.core.model.architecture import Architecture
from napari_unet_nuclei.core.model.card import ModelCard
from napari_unet_nuclei.core.model.file import save_model
from napari_unet_nuclei.core.model.registry import load_model
from napari_unet_nuclei.core.progress import Silent
from napari_unet_nuclei.core.settings import TrainSettings
from napari_unet_nuclei.core.train.dataset import read_divided
from napari_unet_nuclei.core.train.division import DataSet, divide
from napari_unet_nuclei.core.train.fitting import finish_model
from napari_unet_nuclei.core.train.layouts import Condition
from napari_unet_nuclei.core.train.reading import InputForm
from napari_unet_nuclei.core.train.samples import Sample
from napari_unet_nuclei.core.train.trainer import Trainer

CANDIDATES = {
    "full-16-4": Architecture(stem="full", base_width=16, depth=4),
    "half-16-3": Architecture(base_width=16, depth=3),
    "half-24-3": Architecture(base_width=24, depth=3),
    "half-32-3": Architecture(base_width=32, depth=3),
    "half-24-4": Architecture(base_width=24, depth=4),
}
"""Networks by name: resolution of the first level, channels there, poolings."""

SHOWN = ("pooled", "per image")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.architectures", description=__doc__)
    parser.add_argument("dataset", type=Path, help="CSV file with the columns image, split and field")
    parser.add_argument("--where", action="append", default=[], help="COLUMN=VALUE or COLUMN!=VALUE")
    parser.add_argument("--time", type=float, default=300.0, help="training time of each network in seconds")
    parser.add_argument("--work", type=Path, required=True, help="folder for the models")
    given = parser.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    left = [name for name in CANDIDATES if not (given.work / f"{name}.safetensors").exists()]
    if left:
        parts = read_divided(
            divide([DataSet(given.dataset)], [Condition.read(text) for text in given.where]), InputForm(), Silent()
        )
        for name in left:
            train(given.work / f"{name}.safetensors", CANDIDATES[name], parts, given.time)
            print(name, "trained", flush=True)
    print(table([given.work / f"{name}.safetensors" for name in CANDIDATES], given.time).markdown())


def train(
    path: Path, architecture: Architecture, parts: tuple[Sequence[Sample], Sequence[Sample]], seconds: float
) -> None:
    """Train one network and keep it with its figures."""
    card = ModelCard(name=path.stem, architecture=architecture)
    training, validation = parts
    trainer = Trainer(card, TrainSettings(time=seconds, epoch_steps=200))
    result = trainer.fit(training, validation, Silent())
    model = finish_model(result.network, card, validation, trainer.device, Silent())
    record = model.card.training.model_copy(update={"steps": result.steps, "seconds": result.seconds})
    save_model(path, type(model)(model.card.model_copy(update={"training": record}), model.network))


def table(paths: Sequence[Path], seconds: float) -> Table:
    """Put accuracy, work and time of every network side by side."""
    rows = []
    for path in paths:
        figures = in_child(costs, str(path))
        card = load_model(str(path)).card
        accuracy = [f"{card.metrics[f'validation AP@{iou} {way}']:.3f}" for way in SHOWN for iou in ("0.5", "0.75")]
        rows.append(
            (
                path.stem,
                f"{figures['weights'] / 1e6:.1f}",
                f"{card.training.steps}",
                *accuracy,
                f"{figures['gigaflop']:.0f}",
                f"{figures['seconds']:.3f}",
                f"{100 * figures['gigaflop'] * 1e9 / figures['seconds'] / figures['ceiling']:.0f} %",
            )
        )
    heads = ("network", "weights / 10^6", "steps", *(f"AP@{iou} {way}" for way in SHOWN for iou in ("0.5", "0.75")))
    return Table(
        "Speed against accuracy",
        (*heads, "GFLOP/MP", "s/MP", "of ceiling"),
        tuple(rows),
        "Names tell the resolution of the first level, the channels there, and the number of poolings. Every network "
        f"was trained for {seconds:.0f} s from nothing by the same recipe, far from convergence, so figures compare "
        "networks and are not what a full training reaches. Validation images, nucleus size estimated.",
    )


if __name__ == "__main__":
    main()
