from __future__ import annotations

import numpy as np
import pytest

from napari_unet_nuclei.core.labels.score import (
    FEATURES,
    Evidence,
    Scoring,
    evidence_of,
    features_of,
    gather,
    median_area,
    scores_of,
)


def drawn() -> tuple[np.ndarray, np.ndarray]:
    """Two nuclei, one at the edge, and maps with known values in them."""
    labels = np.zeros((12, 20), np.int32)
    labels[3:7, 4:12] = 1
    labels[8:12, 15:17] = 5
    maps = np.zeros((3, *labels.shape), np.uint8)
    maps[0][labels > 0] = 204
    maps[2, 4:6, 5:11] = 255
    maps[1, 5, 5] = 102
    maps[0, 4, 5] = 255
    return labels, maps


def test_features_say_what_they_are_called():
    labels, maps = drawn()
    ids, evidence = evidence_of(labels, maps)
    assert ids.tolist() == [1, 5]
    first, second = (dict(zip(FEATURES, row, strict=True)) for row in features_of(evidence, labels.shape, 2.0, 16.0))
    assert first["mean foreground"] == pytest.approx((31 * 0.8 + 1) / 32)
    assert first["mean distance"] == first["share of core"] == pytest.approx(12 / 32)
    assert first["mean border"] == pytest.approx(0.4 / 32)
    assert first["border in core"] == pytest.approx(0.4 / 12)
    assert (first["largest foreground"], first["largest distance"]) == (1, 1)
    assert first["foreground in core"] == pytest.approx((11 * 0.8 + 1) / 12)
    assert first["foreground on rim"] == pytest.approx(0.8)
    assert (first["extent"], first["touches edge"]) == (1, 0)
    assert (second["extent"], second["touches edge"]) == (1, 1)
    assert first["size over model's"] == pytest.approx(np.log(np.sqrt(32) / 2))
    assert second["size over median"] == pytest.approx(np.log(np.sqrt(8 / 16)))


def test_evidence_of_parts_adds_up():
    labels, maps = drawn()
    _, whole = evidence_of(labels, maps)
    together = Evidence.none(2, 2)
    for columns in (slice(0, 7), slice(7, 16), slice(16, 20)):
        part = labels[:, columns]
        pixels = np.flatnonzero(part)
        ids, group = np.unique(part.ravel()[pixels], return_inverse=True)
        found = gather(np.ascontiguousarray(maps[:, :, columns]), pixels, group, len(ids), (0, columns.start))
        together.add(np.searchsorted([1, 5], ids), found)
    assert np.array_equal(together.totals, whole.totals)
    assert np.array_equal(together.peaks, whole.peaks)
    joined = whole.grouped(np.array([0, 0]), 1)
    assert joined.areas.tolist() == [40]
    assert joined.peaks[2:, 0].tolist() == [11, 16, -3, -4]


def test_without_coefficients_the_score_is_the_mean_foreground():
    labels, maps = drawn()
    _, evidence = evidence_of(labels, maps)
    assert scores_of(evidence, labels.shape, 1.0, 0.0, None).tolist() == evidence.certainty.tolist()


def test_a_score_is_a_probability_whatever_the_coefficients():
    labels, maps = drawn()
    _, evidence = evidence_of(labels, maps)
    steep = Scoring(("extent", "mean foreground"), (0.0, 0.5), (1e-3, 1.0), (1e6, 2.0), -3.0)
    scores = scores_of(evidence, labels.shape, 1.0, 30.0, steep)
    assert ((scores > 0.999) & (scores <= 1)).all()


@pytest.mark.parametrize(
    "broken",
    [
        {"features": ("colour",)},
        {"means": ()},
        {"scales": (0.0,)},
        {"weights": (np.nan,)},
        {"intercept": np.inf},
    ],
)
def test_coefficients_that_make_no_sense_are_refused(broken):
    sound = {"features": ("extent",), "means": (0.0,), "scales": (1.0,), "weights": (1.0,), "intercept": 0.0}
    with pytest.raises(ValueError, match="score"):
        Scoring(**(sound | broken))


def test_the_usual_area_is_that_of_nuclei_that_are_kept():
    areas = np.array([1, 2, 40, 50, 60, 90])
    assert median_area(areas, 10) == 55
    assert median_area(areas, 100) == 0
