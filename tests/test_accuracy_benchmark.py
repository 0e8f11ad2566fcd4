from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest

from benchmarks import accuracy
from napari_unet_nuclei.core.errors import NoSamplesError
from napari_unet_nuclei.core.image.axes import ImageSource
from napari_unet_nuclei.core.labels.metrics.overlaps import IOU_THRESHOLDS, MatchCounts
from tests.helpers.samples import fluorescent_nuclei, stained_tissue

DRAWN = fluorescent_nuclei(0, (160, 160), 18.0, 12)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An index of two images, one of them without nuclei, and of one that is in another part."""
    for kind in ("images", "labels"):
        (tmp_path / "cells" / kind).mkdir(parents=True)
    pictures = {"full": (DRAWN.image, DRAWN.labels), "empty": (DRAWN.image, np.zeros_like(DRAWN.labels))}
    for name, (image, labels) in (pictures | {"other": pictures["full"]}).items():
        iio.imwrite(tmp_path / "cells" / "images" / f"{name}.png", image)
        iio.imwrite(tmp_path / "cells" / "labels" / f"{name}.png", labels.astype(np.uint16))
    rows = "image,split,modality\nfull,val,dapi\nempty,val,\nother,train,dapi\n"
    (tmp_path / "cells" / "index.csv").write_text(rows)
    return tmp_path / "cells"


def outcome(**changes: object) -> accuracy.Outcome:
    size = len(IOU_THRESHOLDS)
    counts = MatchCounts(np.full(size, 2), np.zeros(size, int), np.full(size, 2))
    return replace(
        accuracy.Outcome("a", "x", "1", counts, accuracy.BRIGHT, accuracy.BRIGHT, 20.0, 20.0, 1.0), **changes
    )


def test_a_folder_is_judged_by_set_and_kind(folder, tmp_path, capsys):
    rows = tmp_path / "rows.csv"
    accuracy.main([str(folder), "--split", "val", "--csv", str(rows)])
    shown = [line.split("|") for line in capsys.readouterr().out.splitlines() if line.startswith("| cells")]
    assert [[cell.strip() for cell in line[1:4]] for line in shown] == [
        ["cells", "dapi", "1"],
        ["cells", "no nuclei", "1"],
        ["cells", "all", "2"],
    ]
    with rows.open(newline="") as file:
        full, empty = csv.DictReader(file)
    assert int(full["nuclei"]) == DRAWN.labels.max()
    assert float(full["AP@0.5"]) > 0.7
    assert (full["kind told"], full["kind of labels"]) == ("bright nuclei", "bright nuclei")
    assert 0.67 < float(full["diameter estimated px"]) / float(full["diameter of labels px"]) < 1.5
    assert (empty["nuclei"], empty["kind of labels"], empty["AP@0.5"]) == ("0", "", "0.0000")


def test_a_part_that_no_index_has_is_refused(folder):
    with pytest.raises(NoSamplesError, match="'test'"):
        accuracy.chosen_entries([folder], "test", [])


def test_mistakes_are_counted_among_images_with_nuclei():
    size = len(IOU_THRESHOLDS)
    none = MatchCounts(np.zeros(size, int), np.zeros(size, int), np.full(size, 2))
    outcomes = [
        outcome(),
        outcome(told=accuracy.DARK, estimated=31.0),
        outcome(counts=none, estimated=13.0),
        outcome(counts=MatchCounts(*np.zeros((3, size), int)), true=accuracy.UNKNOWN, diameter=0.0),
    ]
    table = accuracy.table(outcomes, "ours")
    [row] = table.rows
    named = dict(zip(table.heads, row, strict=True))
    assert (named["images"], named["nuclei"]) == ("4", "10")
    assert (named["AP@0.5 pooled"], named["AP@0.5 per image"]) == ("0.400", "0.500")
    assert (named["kind wrong"], named["size wrong"]) == ("1 (33.3%)", "2 (66.7%)")
    assert named["nothing found"] == "1 (33.3%)"


@pytest.mark.parametrize("dark", [False, True])
def test_the_true_kind_is_told_by_the_channel_in_which_nuclei_stand_out(dark):
    flat = np.random.default_rng(0).random(DRAWN.image.shape) * 1e6
    shown = DRAWN.image.astype(float)
    image = np.stack([flat, -shown if dark else shown])
    kind = accuracy.true_kind(ImageSource(image, "CYX"), DRAWN.labels)
    assert kind == (accuracy.DARK if dark else accuracy.BRIGHT)
    assert accuracy.true_kind(ImageSource(image, "CYX"), np.zeros_like(DRAWN.labels)) == accuracy.UNKNOWN


def test_nuclei_of_stained_tissue_are_dark():
    tissue = stained_tissue()
    assert accuracy.true_kind(ImageSource(tissue.image, tissue.axes), tissue.labels) == accuracy.DARK


def test_without_surroundings_there_is_no_kind():
    """A nucleus that fills the image must not end a run of hundreds of images, and counts as no mistake."""
    image, labels = np.ones((8, 8)), np.ones((8, 8), np.int32)
    assert accuracy.true_kind(ImageSource(image, "YX"), labels) == accuracy.UNKNOWN
    labels[:, 7], image[:, 7] = 0, 0
    assert accuracy.true_kind(ImageSource(image, "YX"), labels) == accuracy.BRIGHT
