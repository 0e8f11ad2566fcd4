from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_unet_nuclei.core.finetune.preview import SIDES, Previewing
from napari_unet_nuclei.core.progress import Advanced, EpochDone, Preview
from napari_unet_nuclei.core.train.samples import Sample
from tests.helpers.recording import RecordingProgress
from tests.helpers.small_run import sample, small_trainer


def corner_of_a_large_image() -> Sample:
    """A few nuclei near the lower right corner of an image of 600 × 700 pixels, one alone elsewhere."""
    labels = np.zeros((600, 700), np.int32)
    for number, (y, x) in enumerate([(20, 20), (560, 640), (560, 670), (585, 690)]):
        labels[y : y + 8, x : x + 8] = number + 1
    return Sample("large", np.where(labels[None] > 0, np.float32(1), np.float32(0)), labels, "large")


@pytest.fixture
def previews():
    """What is reported for samples that judge."""

    def look(*judging: Sample) -> list[Preview]:
        progress = RecordingProgress()
        watched = Previewing(progress, small_trainer(), judging)
        watched.show(epoch=0)
        watched.report(Advanced(0.5, "step 1"))
        watched.report(EpochDone(1, 0.5, 0.4, {}))
        assert [type(event) for event in progress.events] == [Preview, Advanced, EpochDone, Preview]
        return [event for event in progress.events if isinstance(event, Preview)]

    return look


def test_every_epoch_has_a_picture_of_the_same_crop(previews):
    before, after = previews(sample(0))
    assert (before.epoch, after.epoch) == (0, 1)
    assert before.truth.shape == before.found.shape == (64, 64, 3)
    assert np.array_equal(before.truth, after.truth)


def test_the_crop_lies_where_most_nuclei_are(previews):
    [shown, _] = previews(corner_of_a_large_image())
    assert shown.truth.shape == (SIDES[0], SIDES[0], 3)
    coloured = np.ptp(shown.truth.astype(int), axis=-1) > 0
    assert coloured[-40:, -60:].any()


def test_what_was_not_reviewed_is_dark(previews):
    one = sample(0)
    [plain, _] = previews(one)
    reviewed = np.zeros(one.labels.shape, bool)
    reviewed[:, :40] = True
    [shown, _] = previews(replace(one, reviewed=reviewed))
    uncoloured = np.ptp(plain.truth.astype(int), axis=-1) == 0
    dark = np.where(reviewed[..., None], plain.truth, plain.truth // 2)
    assert np.array_equal(shown.truth[uncoloured], dark[uncoloured])
