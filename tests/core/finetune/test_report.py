from __future__ import annotations

import numpy as np

from napari_unet_nuclei.core.finetune.report import SIDE, changed_nuclei
from napari_unet_nuclei.core.train.samples import Sample


def test_nuclei_that_only_one_model_finds_are_shown_with_their_surroundings():
    labels = np.zeros((90, 200), np.int32)
    for number in range(4):
        labels[40:50, 50 * number + 10 : 50 * number + 20] = number + 1
    sample = Sample("a", np.zeros((1, 90, 200), np.float32), labels, "a")
    before, after = np.where(labels == 2, 0, labels), np.where(labels == 4, 0, labels)
    shown = list(changed_nuclei([sample], [before], [after]))
    assert [became for became, *_ in shown] == ["found now", "no longer found"]
    for _, truth, old, new in shown:
        assert truth.shape == old.shape == new.shape == (SIDE, SIDE, 3)
        assert (old != new).any()


def test_nothing_is_shown_where_nothing_changed():
    labels = np.ones((20, 20), np.int32)
    sample = Sample("a", np.zeros((1, 20, 20), np.float32), labels, "a")
    assert list(changed_nuclei([sample], [labels], [labels])) == []
