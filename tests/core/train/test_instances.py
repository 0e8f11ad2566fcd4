from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_unet_nuclei.core.train.instances import InstanceTask
from napari_unet_nuclei.core.train.samples import Sample
from tests.helpers.small_run import CARD, sample
from tests.helpers.tiny import FLOAT32, tiny_network


def test_figures_are_means_of_the_images():
    """A network that finds nothing is right about the empty image and wrong about the other."""
    network = tiny_network()
    with torch.no_grad():
        network.heads.weight.zero_()
        network.heads.bias.fill_(-9)
    empty = Sample("empty", np.zeros((1, 40, 40), np.float32), np.zeros((40, 40), np.int32), "e")
    judged = InstanceTask(CARD).validate(network, [sample(0), empty], FLOAT32, 32)
    assert judged.scores == {"foreground IoU": 0.5, "AP@0.5": 0.5}
    assert judged.score == 0.5
    assert np.isfinite(judged.loss)


def test_data_sets_weigh_alike_in_the_score_and_are_told_apart():
    """Two empty images of one set do not outvote the one image of another, in which nothing is found."""
    network = tiny_network()
    with torch.no_grad():
        network.heads.weight.zero_()
        network.heads.bias.fill_(-9)
    empty = Sample("empty", np.zeros((1, 40, 40), np.float32), np.zeros((40, 40), np.int32), "e", "void")
    judged = InstanceTask(CARD).validate(network, [empty, empty, replace(sample(0), dataset="full")], FLOAT32, 32)
    assert judged.score == 0.5
    assert judged.scores["AP@0.5"] == pytest.approx(2 / 3)
    assert (judged.scores["AP@0.5 void fluorescence"], judged.scores["AP@0.5 full fluorescence"]) == (1, 0)
