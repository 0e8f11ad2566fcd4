from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_unet_nuclei.core.classes.coding import VOID
from napari_unet_nuclei.core.errors import DatasetError
from napari_unet_nuclei.core.progress import Silent
from napari_unet_nuclei.core.samples.synthetic_classes import cell_classes
from napari_unet_nuclei.core.train.batches import BatchSource
from napari_unet_nuclei.core.train.fitting import finish_model
from napari_unet_nuclei.core.train.samples import Sample
from napari_unet_nuclei.core.train.semantic import SCALES, SemanticTask, find_class_names, true_classes
from napari_unet_nuclei.core.train.trainer import Trainer
from tests.helpers.recording import RecordingProgress
from tests.helpers.small_run import SETTINGS
from tests.helpers.tiny import CLASS_NAMES, FLOAT32, tiny_class_model

MODEL = tiny_class_model()
TASK = SemanticTask(MODEL.card)


def sample(labels: np.ndarray, reviewed: np.ndarray | None = None, name: str = "s") -> Sample:
    return Sample(name, labels[None].astype(np.float32), labels.astype(np.int32), name, reviewed=reviewed)


def of_cells(seed: int) -> Sample:
    cells = cell_classes(seed, (64, 64), 14.0)
    return Sample(f"cells {seed}", (cells.image[None] / 500).astype(np.float32), np.minimum(cells.labels, 2), str(seed))


def test_the_loss_is_the_mean_cross_entropy_of_known_pixels():
    logits = torch.tensor([[[[0.0, 2.0, 5.0]], [[0.0, 0.0, 5.0]], [[0.0, 0.0, 5.0]]]])
    targets = torch.tensor([[[1, 0, VOID]]])
    by_hand = (np.log(3) + np.log(np.exp(2) + 2) - 2) / 2
    assert float(TASK.loss(logits, targets)) == pytest.approx(by_hand, rel=1e-6)


def test_void_pixels_have_no_influence_at_all():
    targets = torch.tensor([[[1, 0, VOID, VOID]]])
    logits = torch.randn(1, 3, 1, 4, generator=torch.Generator().manual_seed(0)).requires_grad_()
    TASK.loss(logits, targets).backward()
    assert (logits.grad[..., 2:] == 0).all()
    assert (logits.grad[..., :2] != 0).all()


def test_a_batch_without_known_pixels_teaches_nothing():
    logits = torch.randn(1, 3, 2, 2, requires_grad=True)
    loss = TASK.loss(logits, torch.full((1, 2, 2), VOID))
    loss.backward()
    assert float(loss.detach()) == 0
    assert (logits.grad == 0).all()


def test_what_lies_beyond_the_image_or_is_void_has_no_class():
    labels = np.tile([0, 1, 2, 2], (20, 10))
    reviewed = labels != 1
    crop = TASK.draw_crop(sample(labels, reviewed), 64, 1.0, np.random.default_rng(0))
    targets = TASK.targets([crop])
    assert (targets.shape, targets.dtype) == ((1, 64, 64), torch.int64)
    assert set(targets.unique().tolist()) == {VOID, 0, 2}
    assert (targets[0, -1] == VOID).all()


def test_crops_are_cut_at_about_the_images_own_scale():
    one = of_cells(0)
    scales = [
        (TASK.draw_crop(one, 32, 1.0, np.random.default_rng(seed)).diameters / np.maximum(one.diameters, 1e-9))[1]
        for seed in range(50)
    ]
    assert SCALES[0] <= min(scales) < 0.8
    assert 1.2 < max(scales) <= SCALES[1]


def test_augmentation_adds_no_debris_and_keeps_colours_apart():
    flat = np.zeros((3, 32, 32), np.float32)
    flat[0] = 0.5
    crop = TASK.draw_crop(Sample("flat", flat, np.zeros((32, 32), np.int32), "f"), 32, 1.0, np.random.default_rng(0))
    images, _ = TASK.augmentation(1.0)([crop] * 64, seed=0)
    blue = images[:, 2].flatten(1).mean(1) - images[:, 1].flatten(1).mean(1)
    assert blue.abs().max() < 0.05  # neither green nor blue received anything from the other colours


def test_validation_counts_pixels_of_known_class():
    """A network that says class 1 everywhere."""
    network = tiny_class_model().network
    with torch.no_grad():
        network.heads.weight.zero_()
        network.heads.bias.zero_()
        network.heads.bias[4:8] = 5  # four sub-pixels for each class
    labels = np.zeros((16, 16), int)
    labels[:, :4] = 1
    reviewed = np.ones((16, 16), bool)
    reviewed[:8, 4:] = False
    judged = TASK.validate(network, [sample(labels, reviewed)], FLOAT32, 32)
    one = 64 / (64 + 96)
    assert judged.scores == {"mean IoU": pytest.approx(one / 2), "pixel accuracy": pytest.approx(64 / 160)}
    assert judged.score == judged.scores["mean IoU"]


def test_a_short_training_repeats_and_learns(monkeypatch):
    monkeypatch.setattr("napari_unet_nuclei.core.train.trainer.choose_device", lambda request: FLOAT32)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    settings = SETTINGS.changed(steps=24, epoch_steps=12, learning_rate=0.02)
    runs = [Trainer(MODEL.card, settings).fit([of_cells(0), of_cells(1)], [of_cells(2)], Silent()) for _ in range(2)]
    torch.set_num_threads(threads)
    first, second = (run.network.state_dict() for run in runs)
    assert all(torch.equal(first[name], second[name]) for name in first)
    losses = [epoch.train_loss for epoch in runs[0].history]
    assert losses[-1] < 0.9 * losses[0]
    assert list(runs[0].history[0].scores) == ["mean IoU", "pixel accuracy"]


def test_batches_hold_images_and_classes():
    images, targets = BatchSource([of_cells(0)], TASK, SETTINGS, FLOAT32).batch(0)
    assert images.shape == (2, 1, 32, 32)
    assert targets.shape == (2, 32, 32)


def test_a_finished_model_knows_the_iou_of_its_classes():
    progress = RecordingProgress()
    model = finish_model(MODEL.network, MODEL.card, [of_cells(0)], FLOAT32, progress)
    names = {"mean IoU", "pixel accuracy", *(f"IoU {name}" for name in CLASS_NAMES)}
    assert set(model.card.metrics) == {f"validation {name}" for name in names}
    assert model.card.thresholds == MODEL.card.thresholds
    assert progress.fractions[-1] == 1


def test_classes_are_found_in_the_labels_and_named():
    void = np.array([[True, True, False]])
    assert find_class_names([sample(np.array([[0, 1, 1]]))]) == ("background", "foreground")
    assert find_class_names([sample(np.array([[0, 2, 9]]), void)]) == ("class 0", "class 1", "class 2")
    assert true_classes(sample(np.array([[0, 2, 9]]), void)).tolist() == [[0, 2, VOID]]


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        ([[0, 255]], "'masks' contain the id 255.*--binary"),
        ([[0, 1, 2, 18, 255]], "'masks' contain the id 255.*--void"),
        ([[0, 0]], "all labelled pixels are of class 0"),
    ],
)
def test_ids_that_are_no_classes_are_named(labels, told):
    with pytest.raises(DatasetError, match=told):
        find_class_names([sample(np.array(labels), name="masks")])


def test_labels_that_are_all_void_are_refused():
    with pytest.raises(DatasetError, match="no pixel"):
        find_class_names([sample(np.zeros((2, 2), int), np.zeros((2, 2), bool))])
