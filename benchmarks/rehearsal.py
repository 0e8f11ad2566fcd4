"""Cuts the rehearsal crops of fine-tuning from the training parts of the data sets that the bundled model learnt from.

``python -m benchmarks.rehearsal`` reads the data sets below the folder that ``NUCLEI_DATA`` names and writes
``src/napari_unet_nuclei/core/finetune/rehearsal`` anew, the same every time. What is learnt is of fields drawn at
random one crop each, the richest in nuclei of a few. What checks is of other images, a place drawn at random in each:
where crops were chosen for their nuclei, thresholds would suit images that have hardly any background.
"""

from __future__ import annotations

import argparse
import csv
import os
import shutil
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import imageio.v3 as iio
import numpy as np

from napari_unet_nuclei.core.finetune.finetune_model import REHEARSED
from napari_unet_nuclei.core.image.io.read import read_image
from napari_unet_nuclei.core.image.plane import ImageKind
from napari_unet_nuclei.core.labels.numbering import whole_labels

SIDE = 192
"""Side of a crop in pixels."""

TRIED = 6
"""Places that are tried for what is learnt."""

LARGEST = 2 * 2**20
"""Bytes that all crops may take together."""


@dataclass(frozen=True)
class Portion:
    """How many crops of a kind a data set gives, and how their images are kept; ``quality`` is that of JPEG."""

    dataset: str
    kind: ImageKind
    learnt: int
    checking: int
    suffix: str
    quality: int


PORTIONS = (
    Portion("dsb2018", "fluorescence", 32, 20, ".png", 95),
    Portion("kromp", "fluorescence", 14, 9, ".png", 95),
    Portion("aitslab", "fluorescence", 10, 7, ".png", 95),
    Portion("dsb2018", "brightfield", 28, 16, ".jpg", 88),
    Portion("nuinsseg", "brightfield", 36, 20, ".jpg", 84),
)
"""Tissue in colour is kept as JPEG, as is all that checks, or they would fill the package. Fluorescence is often dim,
and coarse steps would show once it is normalised."""

SOURCES = {"dsb2018": ("BBBC038", "CC0")}
"""Names and licences of data sets whose index does not tell them."""


@dataclass(frozen=True)
class Picture:
    """One image of a data set."""

    folder: Path
    name: str
    kind: ImageKind
    field: str
    dataset: str
    licence: str

    @staticmethod
    def of(folder: Path, row: dict[str, str]) -> Picture:
        name, licence = SOURCES.get(folder.name) or (row["dataset"], row["licence"])
        file = row["image"] if Path(row["image"]).suffix else f"{row['image']}.png"
        kind: ImageKind = "fluorescence" if row["modality"] == "fluorescence" else "brightfield"
        return Picture(folder, file, kind, f"{name} {row['field']}", name, licence)

    def write_crop(self, file: str, quality: int, tried: int, rng: np.random.Generator) -> None:
        """Cut image and labels where there are most nuclei of some places."""
        pixels = np.asarray(read_image(self.folder / "images" / self.name).array)
        labels = np.asarray(read_image((self.folder / "labels" / self.name).with_suffix(".png")).array)
        places = [tuple(int(rng.integers(0, max(size - SIDE, 0) + 1)) for size in labels.shape) for _ in range(tried)]
        windows = [(slice(y, y + SIDE), slice(x, x + SIDE)) for y, x in places]
        best = max(windows, key=lambda window: len(np.unique(labels[window])))
        jpeg = {"quality": quality, "subsampling": 0} if file.endswith(".jpg") else {}
        iio.imwrite(REHEARSED / "images" / file, pixels[best], optimize=True, **jpeg)
        mask = whole_labels(labels[best]).astype(np.uint8)
        iio.imwrite((REHEARSED / "labels" / file).with_suffix(".png"), mask, optimize=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rehearsal", description=__doc__)
    parser.add_argument("data", type=Path, nargs="?", default=os.environ.get("NUCLEI_DATA"), help="folder of the sets")
    data = Path(parser.parse_args().data)
    rng = np.random.default_rng(2018)
    for folder in ("images", "labels"):
        shutil.rmtree(REHEARSED / folder, ignore_errors=True)
        (REHEARSED / folder).mkdir(parents=True)
    written: list[tuple[str, ...]] = []
    for portion in PORTIONS:
        fields = fields_of(data / portion.dataset, portion.kind)
        learnt = drawn(fields, portion.learnt, rng)
        left = {field: [one for one in pictures if one not in learnt] for field, pictures in fields.items()}
        turns = zip_longest(*(_shuffled(left[field], rng) for field in _shuffled(sorted(left), rng)))
        checking = [one for turn in turns for one in turn if one is not None][: portion.checking]
        for split, pictures in (("train", learnt), ("val", checking)):
            for number, picture in enumerate(pictures):
                teaches = split == "train"
                name = f"{portion.kind}-{portion.dataset}-{'' if teaches else 'check-'}{number:02}"
                suffix = portion.suffix if teaches else ".jpg"
                picture.write_crop(name + suffix, portion.quality, TRIED if teaches else 1, rng)
                written.append((name, picture.kind, picture.field, split, picture.dataset, picture.licence))
    with (REHEARSED / "index.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("image", "kind", "field", "split", "dataset", "licence"))
        writer.writerows(written)
    size = sum(path.stat().st_size for path in REHEARSED.rglob("*") if path.is_file())
    print(f"{len(written)} crops, {size:,} bytes")
    if size >= LARGEST:
        raise SystemExit(f"More than {LARGEST:,} bytes: lower the numbers or the qualities.")


def fields_of(folder: Path, kind: ImageKind) -> dict[str, list[Picture]]:
    """Training images of a kind by their fields; those of ``val`` judge the models and are never rehearsed."""
    with (folder / "index.csv").open(encoding="utf-8") as file:
        pictures = [Picture.of(folder, row) for row in csv.DictReader(file) if row["split"] == "train"]
    fields: dict[str, list[Picture]] = {}
    for picture in (one for one in pictures if one.kind == kind):
        fields.setdefault(picture.field, []).append(picture)
    return fields


def drawn(fields: dict[str, list[Picture]], count: int, rng: np.random.Generator) -> list[Picture]:
    """Draw one image of a field after the other; fields again where there are fewer than crops."""
    order = np.resize(np.array(_shuffled(sorted(fields), rng)), count)
    return [fields[field][int(rng.integers(len(fields[field])))] for field in order]


def _shuffled(values: list, rng: np.random.Generator) -> list:  # type: ignore[type-arg]
    return [values[place] for place in rng.permutation(len(values))]


if __name__ == "__main__":
    main()
