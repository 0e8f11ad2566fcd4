from __future__ import annotations

import numpy as np
import pytest

from napari_unet_nuclei.core.labels.metrics.overlaps import IOU_THRESHOLDS, MatchCounts
from napari_unet_nuclei.core.train.breakdown import broken_down, by_dataset_and_kind, mean_of_datasets, summarise
from napari_unet_nuclei.core.train.samples import Sample


def sample(dataset: str, *, kind: str = "fluorescence") -> Sample:
    return Sample("s", np.zeros((1, 4, 4), np.float32), np.zeros((4, 4), np.int32), "g", dataset, kind=kind)


def counts(found: int, missed: int) -> MatchCounts:
    size = len(IOU_THRESHOLDS)
    return MatchCounts(np.full(size, found), np.zeros(size, int), np.full(size, missed))


MIXED = [sample("a"), sample("a", kind="brightfield"), sample("b"), sample("a")]


def test_samples_belong_together_by_set_and_kind():
    assert by_dataset_and_kind(MIXED) == {"a fluorescence": [0, 3], "a brightfield": [1], "b fluorescence": [2]}
    assert by_dataset_and_kind([sample("")]) == {"fluorescence": [0]}


def test_every_set_weighs_the_same():
    values = np.array([0.0, 0.0, 1.0, 0.3])
    assert mean_of_datasets(MIXED, lambda part: float(values[part].mean())) == pytest.approx((0.1 + 1) / 2)


def test_one_part_is_not_told_twice():
    assert broken_down("AP", {"a": [0]}, len) == {}
    assert broken_down("AP", {"a": [0], "b": [1, 2]}, len) == {"AP a": 1, "AP b": 2}


def test_a_card_has_figures_of_all_images_and_of_each_set_and_kind():
    figures = summarise(MIXED, [counts(1, 1), counts(0, 4), counts(4, 0), counts(3, 0)])
    assert (figures["validation images"], figures["validation nuclei"]) == (4, 13)
    assert figures["validation AP@0.5 pooled"] == round(8 / 13, 3)
    assert figures["validation AP@0.5:0.95 per image"] == pytest.approx((0.5 + 0 + 1 + 1) / 4)
    own = {name: value for name, value in figures.items() if name.startswith("validation, a fluorescence: ")}
    assert len(own) == len([name for name in figures if name.startswith("validation ")]) == 10
    assert own["validation, a fluorescence: images"] == 2
    assert own["validation, a fluorescence: AP@0.75 per image"] == 0.75
    assert own["validation, a fluorescence: AP@0.9 pooled"] == 0.8


def test_a_card_of_one_set_has_no_figures_twice():
    assert all(name.startswith("validation ") for name in summarise([sample("a")], [counts(1, 0)]))
