"""Cuts the rehearsal crops of fine-tuning from the training part of the 2018 Data Science Bowl set.

``python -m benchmarks.rehearsal dsb2018`` writes ``src/napari_unet_nuclei/core/finetune/rehearsal`` anew, the same
every time. What is learnt is of fields drawn at random one crop each, the richest in nuclei of a few. What checks is of
other images, a place drawn at random in each: where crops were chosen for their nuclei, thresholds would suit images
that have hardly any background.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import imageio.v3 as iio
import numpy as np

from napari_unet_nuclei.core.finetune.rehearsal import FOLDER
from napari_unet_nuclei.core.image.read import read_image
from napari_unet_nuclei.core.labels.numbering import whole_labels


@dataclass(frozen=True)
class Portion:
    """How many crops of a kind are learnt, and how their images are kept; ``quality`` is that of JPEG."""

    fluorescence: bool
    crops: int
    suffix: str
    quality: int


SOURCE, LICENCE = "2018 Data Science Bowl, BBBC038", "CC0"
"""Whom the crops are owed to, for the cards of models that rehearse them."""

SIDE = 192
"""Side of a crop in pixels."""

PORTIONS = {"fluorescence": Portion(True, 56, ".png", 95), "stained": Portion(False, 64, ".jpg", 88)}
"""Tissue in colour is kept as JPEG, as is all that checks, or they would fill the package. Fluorescence is often dim,
and coarse steps would show once it is normalised."""

CHECKING = 36
"""Crops of each kind that check."""

TRIED = 6
"""Places that are tried for what is learnt."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rehearsal", description=__doc__)
    parser.add_argument("dataset", type=Path, help="folder with index.csv, images and labels")
    dataset = parser.parse_args().dataset
    with (dataset / "index.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "train"]
    rng = np.random.default_rng(2018)
    written, learnt = [], set()
    for folder in ("images", "labels"):
        (FOLDER / folder).mkdir(parents=True, exist_ok=True)
    for kind, portion in PORTIONS.items():
        fields = fields_of(rows, portion)
        chosen = rng.permutation(sorted(fields))
        chosen = np.resize(chosen, portion.crops)  # fields again where there are fewer than crops
        for number, field in enumerate(chosen):
            name, image = f"{kind}-{number:02}", str(rng.choice(fields[field]))
            write_crop(dataset, image, f"{name}{portion.suffix}", portion, TRIED, rng)
            written.append((name, kind, field, "train"))
            learnt.add(image)
    for kind, portion in PORTIONS.items():
        fields = fields_of(rows, portion)
        left = {field: [image for image in images if image not in learnt] for field, images in fields.items()}
        turns = zip_longest(*(rng.permutation(left[field]) for field in rng.permutation(sorted(left))))
        images = [str(image) for turn in turns for image in turn if image is not None]
        field_of = {image: field for field, images in fields.items() for image in images}
        for number, image in enumerate(images[:CHECKING]):
            name = f"{kind}-check-{number:02}"
            write_crop(dataset, image, f"{name}.jpg", portion, 1, rng)
            written.append((name, kind, field_of[image], "val"))
    with (FOLDER / "index.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("image", "kind", "field", "split", "dataset", "licence"))
        writer.writerows((*row, SOURCE, LICENCE) for row in written)


def fields_of(rows: Sequence[dict[str, str]], portion: Portion) -> dict[str, list[str]]:
    """Images of a kind by their fields."""
    fields: dict[str, list[str]] = {}
    for row in rows:
        if (row["modality"] == "fluorescence") == portion.fluorescence:
            fields.setdefault(row["field"], []).append(row["image"])
    return fields


def write_crop(dataset: Path, image: str, file: str, portion: Portion, tried: int, rng: np.random.Generator) -> None:
    """Cut an image and its labels where there are most nuclei of some places."""
    pixels = np.asarray(read_image(dataset / "images" / f"{image}.png").array)
    labels = np.asarray(read_image(dataset / "labels" / f"{image}.png").array)
    places = [tuple(int(rng.integers(0, max(size - SIDE, 0) + 1)) for size in labels.shape) for _ in range(tried)]
    windows = [(slice(y, y + SIDE), slice(x, x + SIDE)) for y, x in places]
    best = max(windows, key=lambda window: len(np.unique(labels[window])))
    jpeg = {"quality": portion.quality, "subsampling": 0} if file.endswith(".jpg") else {}
    iio.imwrite(FOLDER / "images" / file, pixels[best], optimize=True, **jpeg)
    mask = whole_labels(labels[best]).astype(np.uint8)
    iio.imwrite((FOLDER / "labels" / file).with_suffix(".png"), mask, optimize=True)


if __name__ == "__main__":
    main()
