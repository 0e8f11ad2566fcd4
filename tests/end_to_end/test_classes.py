"""From a generated data set to a model of classes, its predictions and their scores, as a user would go."""

from __future__ import annotations

import json
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pandas as pd
import pytest
import tifffile

from napari_unet_nuclei import segment
from napari_unet_nuclei.core.model.architecture import ARCHITECTURES
from napari_unet_nuclei.core.samples.synthetic_classes import CLASSES, write_class_set
from tests.helpers.program import run

QUICK = (
    *("--base-width", 8, "--depth", 2, "--steps", 100, "--epoch-steps", 50, "--crop", 64, "--batch", 4),
    *("--learning-rate", 0.01, "--augmentation", 0, "--device", "cpu"),
)


@pytest.fixture
def full_resolution(monkeypatch):
    """So small a network learns specks of a few pixels in a few seconds only at full resolution."""
    monkeypatch.setitem(ARCHITECTURES, "compact", ARCHITECTURES["compact"].model_copy(update={"stem": "full"}))


@pytest.mark.timeout(300)
def test_classes_are_learnt_predicted_and_judged(tmp_path: Path, full_resolution: None) -> None:
    write_class_set(tmp_path / "cells", images=10, shape=(128, 128))
    unseen = tmp_path / "unseen"
    write_class_set(unseen, images=12, shape=(128, 128))
    for path in [*unseen.glob("*/cells_0?.png")]:  # which were learnt from
        path.unlink()
    model = tmp_path / "cells.safetensors"
    learnt = run(
        "train", tmp_path / "cells", "--task", "semantic", "--class-names", ",".join(CLASSES), "--out", model, *QUICK
    )
    assert learnt.exit_code == 0, learnt.output

    segmented = run("segment", unseen / "images", "--model", model, "--out", tmp_path / "found", "--device", "cpu")
    assert segmented.exit_code == 0, segmented.output
    assert "cells_11.png: 4 classes in" in segmented.stdout
    judged = run("evaluate", tmp_path / "found", unseen / "labels", "--semantic", "--json")
    assert judged.exit_code == 0, judged.output
    scores = json.loads(judged.stdout)["pooled"]
    assert scores["mean_iou"] > 0.5  # background alone would give 0.2
    assert min(scores["iou"]) > 0.2

    image = unseen / "images" / "cells_11.png"
    labels = tifffile.imread(tmp_path / "found" / "cells_11_labels.tif")
    same = segment(iio.imread(image), str(model), device="cpu")
    assert same.classes == CLASSES
    np.testing.assert_array_equal(labels, same.labels)
    table = pd.read_csv(tmp_path / "found" / "cells_11_table.csv")
    assert table["class"].tolist() == list(CLASSES)
    assert table["area_px"].tolist() == np.bincount(labels.ravel(), minlength=4).tolist()
