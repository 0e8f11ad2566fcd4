from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_unet_nuclei.core.labels.encode import encode_labels
from napari_unet_nuclei.core.model.architecture import INSTANCE_HEADS
from napari_unet_nuclei.core.samples.drawing import draw_nuclei
from napari_unet_nuclei.core.train.instances import InstanceTask, Targets, instance_loss
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


def labels_of(seed: int = 0) -> np.ndarray:
    return draw_nuclei((40, 48), 12, 10, np.random.default_rng(seed), clumped=0.6)[1]


def targets_of(labels: np.ndarray, reviewed: np.ndarray | None = None) -> Targets:
    return Targets.stack([encode_labels(labels, 22.0, reviewed=reviewed)])


def logits(seed: int = 0) -> torch.Tensor:
    return torch.randn(1, 4, 40, 48, generator=torch.Generator().manual_seed(seed)) * 2


def half() -> np.ndarray:
    reviewed = np.zeros((40, 48), bool)
    reviewed[:, :20] = True
    return reviewed


def perfect(targets: Targets) -> torch.Tensor:
    certain = [(one * 2 - 1) * 30 for one in (targets.foreground, targets.border)]
    return torch.cat([*certain, torch.logit(targets.distance, eps=1e-6), targets.size], dim=1)


def test_a_perfect_answer_costs_next_to_nothing_and_a_wrong_one_much():
    targets = targets_of(labels_of())
    right = float(instance_loss(perfect(targets), targets, INSTANCE_HEADS))
    wrong = float(instance_loss(-perfect(targets), targets, INSTANCE_HEADS))
    assert 0 <= right < 0.05
    assert wrong > 5


@pytest.mark.parametrize("head", INSTANCE_HEADS)
def test_every_head_is_learnt(head):
    answer = logits().requires_grad_()
    instance_loss(answer, targets_of(labels_of()), INSTANCE_HEADS).backward()
    assert answer.grad[:, INSTANCE_HEADS.index(head)].abs().max() > 0


def test_what_nobody_reviewed_has_no_gradient_at_all():
    answer = logits().requires_grad_()
    instance_loss(answer, targets_of(labels_of(), half()), INSTANCE_HEADS).backward()
    unseen = torch.from_numpy(~half())
    assert (answer.grad[..., unseen] == 0).all()
    assert (answer.grad[..., ~unseen] != 0).any()


def test_answers_where_nobody_reviewed_change_neither_loss_nor_gradient():
    targets = targets_of(labels_of(), half())
    unseen = torch.from_numpy(~half())
    first = logits().requires_grad_()
    other = logits().clone()
    other[..., unseen] = 100 * torch.randn(1, 4, int(unseen.sum()))
    other.requires_grad_()
    losses = [instance_loss(answer, targets, INSTANCE_HEADS) for answer in (first, other)]
    assert losses[0].item() == losses[1].item()
    for loss in losses:
        loss.backward()
    assert torch.equal(first.grad, other.grad)


def test_labels_where_nobody_reviewed_change_neither_loss_nor_gradient():
    """Labels beyond the reviewed region that touch none inside it."""
    inside = labels_of()
    inside[:, 17:] = 0  # no nucleus reaches, and no outline lies near, the end of the reviewed region
    other = inside.copy()
    other[:, 26:] = labels_of(seed=1)[:, 26:] + 100 * (labels_of(seed=1)[:, 26:] > 0)
    results = []
    for labels in (inside, other):
        answer = logits().requires_grad_()
        loss = instance_loss(answer, targets_of(labels, half()), INSTANCE_HEADS)
        loss.backward()
        results.append((loss.item(), answer.grad))
    assert results[0][0] == results[1][0]
    assert torch.equal(results[0][1], results[1][1])


def test_a_batch_that_nobody_reviewed_costs_nothing():
    answer = logits().requires_grad_()
    loss = instance_loss(answer, targets_of(labels_of(), np.zeros((40, 48), bool)), INSTANCE_HEADS)
    loss.backward()
    assert loss.item() == 0
    assert (answer.grad == 0).all()


@pytest.mark.parametrize("value", [-1e4, 1e4])
def test_extreme_answers_cost_finitely(value):
    answer = torch.full((1, 4, 40, 48), value).requires_grad_()
    loss = instance_loss(answer, targets_of(labels_of()), INSTANCE_HEADS)
    loss.backward()
    assert loss.isfinite()
    assert answer.grad.isfinite().all()


def test_images_without_nuclei_are_learnt_too():
    targets = targets_of(np.zeros((40, 48), np.int32))
    quiet = torch.full((1, 4, 40, 48), -20.0)
    assert instance_loss(quiet, targets, INSTANCE_HEADS).item() < 0.01
    assert instance_loss(-quiet, targets, INSTANCE_HEADS).item() > 5


def test_heads_may_stand_in_any_order():
    targets, answer = targets_of(labels_of()), logits()
    order = (2, 0, 3, 1)
    turned = instance_loss(answer[:, order], targets, [INSTANCE_HEADS[k] for k in order])
    assert turned.item() == pytest.approx(instance_loss(answer, targets, INSTANCE_HEADS).item(), rel=1e-6)
