from __future__ import annotations

import csv
import math
import signal
import subprocess
import sys
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from napari_unet_nuclei.core.errors import NoSamplesError, TrainingDivergedError
from napari_unet_nuclei.core.model.unet import UNet
from napari_unet_nuclei.core.progress import Cancelled, EpochDone, Silent
from napari_unet_nuclei.core.train import trainer
from napari_unet_nuclei.core.train.instances import InstanceTask
from napari_unet_nuclei.core.train.task import Validation
from napari_unet_nuclei.core.train.trainer import Trainer, TrainResult, warm_up_and_cosine
from tests.helpers.recording import RecordingProgress
from tests.helpers.small_run import CARD, SETTINGS, sample
from tests.helpers.tiny import FLOAT32, tiny_network

ROOT = Path(__file__).parents[3]
TRAIN, VALIDATION = [sample(0), sample(1)], [sample(2)]


@pytest.fixture(autouse=True)
def one_thread_in_float32(monkeypatch):
    """What is needed for two runs to agree to the bit."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    monkeypatch.setattr(trainer, "choose_device", lambda request: FLOAT32)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def judged_as(monkeypatch):
    """Validation that gives the scores it is told to, and keeps the networks it was shown."""

    def judge_as(*scores: float) -> list[dict[str, torch.Tensor]]:
        shown: list[dict[str, torch.Tensor]] = []
        given = iter(scores)

        def validate(task: InstanceTask, network: UNet, *others: object) -> Validation:
            shown.append({name: value.clone() for name, value in network.state_dict().items()})
            score = next(given)
            return Validation(1 - score, {"AP@0.5": score}, score)

        monkeypatch.setattr(InstanceTask, "validate", validate)
        return shown

    return judge_as


def fit(progress=None, checkpoint: Path | None = None, history: Path | None = None, **changes: object) -> TrainResult:
    return Trainer(CARD, SETTINGS.changed(**changes)).fit(TRAIN, VALIDATION, progress or Silent(), checkpoint, history)


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(first[name], second[name]) for name in first)


def test_one_seed_repeats_a_run_and_another_does_not():
    first, second, other = (fit(steps=3, seed=seed).network.state_dict() for seed in (3, 3, 4))
    assert same(first, second)
    assert not same(first, other)


def test_steps_epochs_and_history_are_counted(tmp_path):
    progress = RecordingProgress()
    result = fit(progress, history=tmp_path / "history.csv", steps=5, epoch_steps=2)
    assert result.steps == 5
    assert [event.epoch for event in result.history] == [1, 2, 3]
    assert [event for event in progress.events if isinstance(event, EpochDone)] == list(result.history)
    assert progress.fractions[-1] == 1
    with (tmp_path / "history.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["epoch", "train_loss", "val_loss", "val_foreground_iou", "val_ap50"]
    for name, column in (("AP@0.5", "val_ap50"), ("foreground IoU", "val_foreground_iou")):
        assert [float(row[column]) for row in rows] == [event.scores[name] for event in result.history]
    assert not result.network.training
    assert {value.dtype for value in result.network.parameters()} == {torch.float32}


@pytest.mark.timeout(300)
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system cannot kill a process outright")
def test_a_killed_run_goes_on_from_its_checkpoint_to_the_same_end(tmp_path):
    path = tmp_path / "run.safetensors"
    child = [sys.executable, "-m", "tests.helpers.small_run", str(path)]
    killed = subprocess.run(child, cwd=ROOT, capture_output=True, text=True, check=False, timeout=280)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert [found.name for found in tmp_path.iterdir() if found.suffix == ".safetensors"] == ["run.safetensors"]
    progress = RecordingProgress()
    resumed = fit(progress, path)
    assert len(resumed.history) == 2
    assert resumed.steps == 6
    assert next(event.message for event in progress.events).startswith("step 4,")
    assert same(resumed.network.state_dict(), fit().network.state_dict())


def test_a_finished_run_is_not_trained_again(tmp_path):
    first = fit(checkpoint=tmp_path / "run.safetensors")
    progress = RecordingProgress()
    again = fit(progress, tmp_path / "run.safetensors")
    assert again.steps == first.steps
    assert again.history == first.history
    assert same(again.network.state_dict(), first.network.state_dict())
    assert len(progress.events) == 1


def test_a_loss_that_is_no_number_stops_before_the_step():
    training = Trainer(CARD, SETTINGS)
    with torch.no_grad():
        training.network.heads.bias[0] = math.inf
    before = {name: value.clone() for name, value in training.network.named_parameters()}
    with pytest.raises(TrainingDivergedError, match="learning rate"):
        training.fit(TRAIN, VALIDATION, Silent())
    assert same(before, dict(training.network.named_parameters()))
    assert not training.optimiser.state


def test_a_loss_that_is_no_number_later_keeps_the_best_epoch(monkeypatch, judged_as):
    calls, real = count(1), InstanceTask.loss
    monkeypatch.setattr(InstanceTask, "loss", lambda *given: real(*given) * (math.nan if next(calls) > 3 else 1))
    shown = judged_as(0.5)
    progress = RecordingProgress()
    result = fit(progress)
    assert result.steps == 3
    assert same(result.network.state_dict(), shown[0])
    assert any("infinite" in notice for notice in progress.notices)


def test_the_best_epoch_is_kept_and_not_the_last(judged_as):
    shown = judged_as(0.1, 0.9, 0.2)
    result = fit(steps=3, epoch_steps=1)
    assert same(result.network.state_dict(), shown[1])
    assert not same(shown[1], shown[2])


def test_finishing_ends_at_the_next_epoch_and_keeps_the_best(judged_as):
    shown = judged_as(0.8, 0.3)
    result = fit(RecordingProgress(finish_after=6), steps=100, epoch_steps=3)
    assert result.steps == 6
    assert same(result.network.state_dict(), shown[0])


def test_patience_ends_a_run_that_gets_no_better(judged_as):
    judged_as(0.5, 0.4, 0.5, 0.3)
    assert fit(steps=100, epoch_steps=1, patience=2).steps == 3


def test_time_ends_a_run(monkeypatch, judged_as):
    judged_as(*np.linspace(0.1, 0.9, 50))
    clock = count(0.0, 1.0)
    monkeypatch.setattr(trainer, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    progress = RecordingProgress()
    result = fit(progress, steps_auto=True, time=5.0, epoch_steps=100)
    assert 3 <= result.steps <= 5
    assert progress.fractions[-1] == 1


def test_a_time_too_short_for_one_step_still_gives_a_network(monkeypatch, judged_as):
    judged_as(0.1)
    clock = count(0.0, 1000.0)
    monkeypatch.setattr(trainer, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    progress = RecordingProgress()
    assert fit(progress, steps_auto=True, time=1.0).steps == 1
    assert set(progress.fractions) == {1.0}


def test_cancelling_leaves_no_half_file_and_a_checkpoint_that_can_be_used(tmp_path, judged_as):
    for report in (1, 3, 4, 6, 7):  # of two steps and an epoch, twice, and the end
        folder = tmp_path / str(report)
        folder.mkdir()
        judged_as(0.2, 0.1, 0.3, 0.4)
        given = {"checkpoint": folder / "run.safetensors", "history": folder / "history.csv"}
        with pytest.raises(Cancelled):
            fit(RecordingProgress(cancel_after=report), steps=4, epoch_steps=2, **given)
        names = {path.name for path in folder.iterdir()}
        assert names == (set() if report <= 3 else {"run.safetensors", "history.csv"})
        if names:
            assert fit(steps=4, epoch_steps=2, **given).steps == 4


@pytest.mark.parametrize(("train", "validation"), [([], VALIDATION), (TRAIN, [])])
def test_training_needs_something_to_learn_from_and_to_judge_with(train, validation):
    with pytest.raises(NoSamplesError):
        Trainer(CARD, SETTINGS).fit(train, validation, Silent())


def test_a_network_to_start_from_is_started_from_and_not_changed(judged_as):
    judged_as(0.5)
    start = tiny_network(seed=9)
    before = {name: value.clone() for name, value in start.state_dict().items()}
    settings = SETTINGS.changed(steps=1, learning_rate=1e-6)
    result = Trainer(CARD, settings, start).fit(TRAIN, VALIDATION, Silent())
    assert same(start.state_dict(), before)
    assert not start.training
    weight = result.network.heads.weight
    assert torch.allclose(weight, before["heads.weight"], atol=1e-4)


def test_a_few_steps_lower_the_loss():
    losses = []

    class Listening(Silent):
        def report(self, event):
            if isinstance(event, EpochDone):
                losses.append(event.train_loss)

    fit(Listening(), steps=40, epoch_steps=10, augmentation=0.0, learning_rate=0.02)
    assert losses[-1] < 0.9 * losses[0]


def test_the_learning_rate_rises_and_falls_to_nothing():
    rates = [warm_up_and_cosine(fraction) for fraction in np.linspace(0, 1, 101)]
    assert 0 < rates[0] < 0.1
    assert max(rates) == pytest.approx(1, abs=0.01)
    assert rates[-1] == pytest.approx(0, abs=1e-9)
    assert (np.diff(rates[4:]) < 0).all()


def test_early_steps_move_the_averaged_weights_at_once():
    averaged, current = [torch.zeros(2)], [torch.ones(2)]
    trainer._average(averaged, current, torch.tensor(1))
    assert averaged[0][0] > 0.8
    averaged = [torch.zeros(2)]
    trainer._average(averaged, current, torch.tensor(10**6))
    assert averaged[0][0] == pytest.approx(1 - trainer.EMA_DECAY, rel=1e-3)


def test_layers_that_are_not_trained_stay_with_their_batch_statistics():
    start = tiny_network()
    chosen = SETTINGS.changed(layers="decoder", steps=3, epoch_steps=3)
    made = Trainer(CARD, chosen, start).fit([sample(0)], [sample(1)], Silent()).network
    for name, value in made.state_dict().items():
        same = torch.equal(value, start.state_dict()[name])
        assert same == name.startswith("encoder"), name


@pytest.mark.parametrize(("given", "steps"), [({"epochs": 2}, 6), ({"epochs": 2, "steps": 4}, 4), ({"steps": 5}, 5)])
def test_the_first_limit_ends_the_training(given, steps):
    chosen = SETTINGS.changed(epoch_steps=3, steps_auto=True).changed(**given)
    assert Trainer(CARD, chosen).fit([sample(0)], [sample(1)], Silent()).steps == steps
