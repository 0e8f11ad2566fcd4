"""Cuts the rehearsal crops of fine-tuning from the training part of the 2018 Data Science Bowl set.

``python -m benchmarks.rehearsal dsb2018`` writes ``src/napari_unet_nuclei/core/finetune/rehearsal`` anew, the same
every time: of fields drawn at random one crop each, the richest in nuclei of a few.
"""

from __future__ import annotations

import argparse
import csv
from dataclasses import dataclass
from pathlib import Path

import imageio.v3 as iio
import numpy as np

from napari_unet_nuclei.core.finetune.rehearsal import FOLDER
from napari_unet_nuclei.core.image.read import read_image
from napari_unet_nuclei.core.labels.numbering import whole_labels


@dataclass(frozen=True)
class Portion:
    """How many crops of a kind, and how their images are kept."""

    fluorescence: bool
    crops: int
    suffix: str


SIDE = 192
"""Side of a crop in pixels."""

PORTIONS = {"fluorescence": Portion(True, 56, ".png"), "stained": Portion(False, 64, ".jpg")}
"""Tissue in colour is kept as JPEG, or it would fill the package."""

JPEG = {"quality": 88, "subsampling": 0, "optimize": True}
TRIED = 6
"""Places that are tried in each image."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rehearsal", description=__doc__)
    parser.add_argument("dataset", type=Path, help="folder with index.csv, images and labels")
    dataset = parser.parse_args().dataset
    with (dataset / "index.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "train"]
    rng = np.random.default_rng(2018)
    written = []
    for folder in ("images", "labels"):
        (FOLDER / folder).mkdir(parents=True, exist_ok=True)
    for kind, portion in PORTIONS.items():
        fields: dict[str, list[str]] = {}
        for row in rows:
            if (row["modality"] == "fluorescence") == portion.fluorescence:
                fields.setdefault(row["field"], []).append(row["image"])
        chosen = rng.permutation(sorted(fields))
        chosen = np.resize(chosen, portion.crops)  # fields again where there are fewer than crops
        for number, field in enumerate(chosen):
            name = f"{kind}-{number:02}"
            write_crop(dataset, str(rng.choice(fields[field])), name, portion.suffix, rng)
            written.append((name, kind, field))
    with (FOLDER / "index.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("image", "kind", "field"))
        writer.writerows(written)


def write_crop(dataset: Path, image: str, name: str, suffix: str, rng: np.random.Generator) -> None:
    pixels = np.asarray(read_image(dataset / "images" / f"{image}.png").array)
    labels = np.asarray(read_image(dataset / "labels" / f"{image}.png").array)
    places = [tuple(int(rng.integers(0, max(size - SIDE, 0) + 1)) for size in labels.shape) for _ in range(TRIED)]
    windows = [(slice(y, y + SIDE), slice(x, x + SIDE)) for y, x in places]
    best = max(windows, key=lambda window: len(np.unique(labels[window])))
    kept = JPEG if suffix == ".jpg" else {"optimize": True}
    iio.imwrite(FOLDER / "images" / f"{name}{suffix}", pixels[best], **kept)
    iio.imwrite(FOLDER / "labels" / f"{name}.png", whole_labels(labels[best]).astype(np.uint8), optimize=True)


if __name__ == "__main__":
    main()
