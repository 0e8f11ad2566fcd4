"""Writes small data sets of images and labels."""

from __future__ import annotations

from pathlib import Path

import imageio.v3 as iio
import numpy as np

from tests.helpers.samples import fluorescent_nuclei


def write_folders(folder: Path, *names: str, binary: bool = False) -> Path:
    for kind in ("images", "labels"):
        (folder / kind).mkdir()
    for seed, name in enumerate(names):
        sample = fluorescent_nuclei(seed, (40, 56), 12.0, 4)
        labels = np.where(sample.labels > 0, 255, 0) if binary else sample.labels
        iio.imwrite(folder / "images" / f"{name}.png", sample.image)
        iio.imwrite(folder / "labels" / f"{name}.png", labels.astype(np.uint16))
    return folder


def write_index(folder: Path, *rows: str) -> Path:
    names = [row.split(",")[0] for row in rows[1:]]
    (write_folders(folder, *names) / "index.csv").write_text("\n".join(rows), encoding="utf-8")
    return folder / "index.csv"
