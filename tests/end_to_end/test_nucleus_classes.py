"""Two kinds of drawn nuclei in a folder: a few of one image are given their class, and the run tells the rest."""

from __future__ import annotations

from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pandas as pd

from napari_unet_nuclei import FileRecord, NucleusClasses, read_image, segment_folder, write_classes
from tests.helpers.samples import fluorescent_nuclei


def drawn(seed: int) -> np.ndarray:
    """Return an image (Y, X) with small nuclei in its upper half and large ones in the lower one."""
    halves = (fluorescent_nuclei(seed, (100, 200), size, count).image for size, count in ((16.0, 14), (30.0, 7)))
    return np.concatenate(list(halves))


def kinds(record: FileRecord) -> pd.Series:
    """Return the kind of each nucleus that was found, by where it lies."""
    return pd.read_csv(record.table)["centroid_y"].map(lambda y: "small" if y < 100 else "large")


def test_classes_that_one_image_teaches_are_told_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    for seed in (1, 2):
        iio.imwrite(tmp_path / "images" / f"{seed}.png", drawn(seed))
    first, _ = segment_folder(tmp_path / "images", tmp_path / "out", diameter=22).succeeded
    table, kind = pd.read_csv(first.table), kinds(first)
    given = kind.where(kind.groupby(kind).cumcount() < 4, "")
    classes = NucleusClasses.taught(table, given)
    assert classes.check().right >= 7
    write_classes(tmp_path / "kinds.json", classes)

    report = segment_folder(tmp_path / "images", tmp_path / "out", diameter=22, classes=str(tmp_path / "kinds.json"))
    assert all(record.skipped for record in report.succeeded)
    for record in report.succeeded:
        told = pd.read_csv(record.table)
        assert len(told) == len(np.unique(read_image(record.labels).array)) - 1
        assert (told["class"] == kinds(record)).mean() > 0.85
        assert record.class_counts == told["class"].value_counts().to_dict()
    summary = pd.read_csv(tmp_path / "out" / "summary.csv")
    assert (summary["class_small"] + summary["class_large"]).tolist() == summary["nuclei"].tolist()
