"""The same labels in the forms that programs save mean the same wherever labels are read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
from PIL import Image
from scipy import ndimage
from typer.testing import CliRunner

from napari_unet_nuclei.cli import app
from napari_unet_nuclei.core.errors import NucleiError
from napari_unet_nuclei.core.evaluate import evaluate
from napari_unet_nuclei.core.image.io.read import read_image
from napari_unet_nuclei.core.labels.metrics.overlaps import match
from napari_unet_nuclei.core.train.layouts import Entry
from napari_unet_nuclei.core.train.reading import read_labels
from tests.helpers.drawn import discs

LABELS = discs((48, 64), (12, 12, 7), (12, 26, 7), (34, 20, 8), (30, 48, 9))
IMAGE = np.arange(48 * 64, dtype=np.uint16).reshape(48, 64)
INSIDE = LABELS > 0
HUGE = 2**62
PALETTE = np.random.default_rng(0).integers(1, 255, (256, 3), np.uint8)

ARRAYS = {
    "int32": LABELS,
    "uint8": LABELS.astype(np.uint8),
    "float32": LABELS.astype(np.float32),
    "float64, gaps": LABELS * 1e6,
    "int16, background -1": np.where(INSIDE, LABELS, -1).astype(np.int16),
    "float32, background NaN": np.where(INSIDE, LABELS, np.nan).astype(np.float32),
    "float32, background -1": np.where(INSIDE, LABELS, -1).astype(np.float32),
    "uint32 near 4e9": np.where(INSIDE, LABELS + np.int64(4_000_000_000), 0).astype(np.uint32),
    "int64 near 2**62": np.where(INSIDE, LABELS + np.int64(HUGE), 0),
    "uint64 near 2**62": np.where(INSIDE, LABELS + np.int64(HUGE), 0).astype(np.uint64),
    "uint64 near 2**53": np.where(INSIDE, LABELS + np.int64(2**53), 0).astype(np.uint64),
    "(1, Y, X)": LABELS[None],
    "(1, 1, Y, X)": LABELS[None, None],
}
PICTURES = {
    "palette": lambda path: _palette().save(path.with_suffix(".png")),
    "three equal colours": lambda path: Image.fromarray(np.dstack([LABELS.astype(np.uint8)] * 3)).save(path),
    "equal colours, alpha": lambda path: Image.fromarray(_opaque()).save(path.with_suffix(".png")),
    "16-bit PNG": lambda path: Image.fromarray(LABELS.astype(np.uint16)).save(path.with_suffix(".png")),
    "NumPy": lambda path: np.save(path.with_suffix(".npy"), LABELS),
}


def _palette() -> Image.Image:
    picture = Image.fromarray(LABELS.astype(np.uint8), "P")
    picture.putpalette(PALETTE.ravel().tolist())
    return picture


def _opaque() -> np.ndarray:
    return np.dstack([LABELS.astype(np.uint8)] * 3 + [np.full(LABELS.shape, 255, np.uint8)])


def measured(labels: Path, image: Path) -> pd.DataFrame:
    """Measure by the command; raise what it says."""
    result = CliRunner().invoke(app, ["measure", str(labels), str(image), "--out", str(image.with_suffix(".csv"))])
    if result.exit_code:
        raise NucleiError(result.stderr)
    return pd.read_csv(image.with_suffix(".csv"))


@pytest.fixture
def image(tmp_path: Path) -> Path:
    tifffile.imwrite(tmp_path / "cells.tif", IMAGE)
    return tmp_path / "cells.tif"


@pytest.mark.parametrize("form", [*ARRAYS, *PICTURES])
def test_measure_evaluate_and_training_understand_every_form_alike(form: str, tmp_path: Path, image: Path) -> None:
    folder = tmp_path / "labels"
    folder.mkdir()
    if form in ARRAYS:
        tifffile.imwrite(folder / "a.tif", ARRAYS[form], photometric="minisblack")
    else:
        PICTURES[form](folder / "a.tif")
    [labels] = folder.iterdir()

    table = measured(labels, image)
    assert table["cells_mean"].tolist() == [IMAGE[i == LABELS].mean() for i in range(1, 5)]
    assert len(set(table["label"])) == 4

    tifffile.imwrite(tmp_path / "true.tif", LABELS)
    assert evaluate(labels, tmp_path / "true.tif").pooled.f1[0] == 1

    [read] = read_labels(Entry("a", image, (labels,), False, "a"), read_image(image).source(), None)
    assert not read.from_mask
    assert match(read.labels, LABELS, (0.99,)).average_precision[0] == 1


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (PALETTE[LABELS], "channels or colours"),
        (LABELS + 0.5, "fractions"),
        (LABELS - 5, "below -1"),
        (np.where(INSIDE, np.uint64(2**63), np.uint64(0)), "2\\*\\*63"),
    ],
)
def test_what_are_no_labels_is_refused_by_all_in_the_same_words(values, says, tmp_path: Path, image: Path) -> None:
    colour = {"photometric": "rgb"} if values.ndim == 3 else {"photometric": "minisblack"}
    tifffile.imwrite(tmp_path / "labels.tif", values, **colour)
    tifffile.imwrite(tmp_path / "true.tif", LABELS)
    entry = Entry("a", image, (tmp_path / "labels.tif",), False, "a")
    for read in (
        lambda: measured(tmp_path / "labels.tif", image),
        lambda: evaluate(tmp_path / "labels.tif", tmp_path / "true.tif"),
        lambda: read_labels(entry, read_image(image).source(), None),
    ):
        with pytest.raises(NucleiError, match=says):
            read()


@pytest.mark.parametrize("mask", [INSIDE, INSIDE.astype(np.uint8) * 255, np.where(INSIDE, 1, np.nan), INSIDE[None]])
def test_a_mask_is_numbered_alike_and_said(mask: np.ndarray, tmp_path: Path, image: Path) -> None:
    labels = tmp_path / "mask.tif"
    tifffile.imwrite(labels, mask, photometric="minisblack")
    apart = len(np.unique(ndimage.label(INSIDE)[0])) - 1
    result = CliRunner().invoke(app, ["measure", str(labels), str(image), "--out", str(tmp_path / "table.csv")])
    assert f"its {apart} separate pieces were numbered" in result.stderr
    assert len(pd.read_csv(tmp_path / "table.csv")) == apart
    tifffile.imwrite(tmp_path / "true.tif", ndimage.label(INSIDE)[0])
    assert evaluate(labels, tmp_path / "true.tif").pooled.f1[0] == 1
    [read] = read_labels(Entry("a", image, (labels,), False, "a"), read_image(image).source(), None)
    assert (read.from_mask, read.labels.max()) == (True, apart)
