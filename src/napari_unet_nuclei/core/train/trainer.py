"""The training loop: crops in, the best network out; a kill costs one epoch at most."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from napari_unet_nuclei.core.errors import NoSamplesError, TrainingDivergedError
from napari_unet_nuclei.core.model.card import ModelCard
from napari_unet_nuclei.core.model.device import choose_device
from napari_unet_nuclei.core.model.unet import UNet
from napari_unet_nuclei.core.progress import Advanced, EpochDone, Notice, Progress
from napari_unet_nuclei.core.settings import TrainSettings
from napari_unet_nuclei.core.train.batches import Batch, BatchSource
from napari_unet_nuclei.core.train.checkpoint import Checkpoint, read_checkpoint, write_checkpoint, write_history
from napari_unet_nuclei.core.train.instances import InstanceTask
from napari_unet_nuclei.core.train.samples import Sample
from napari_unet_nuclei.core.train.semantic import SemanticTask
from napari_unet_nuclei.core.train.task import Task

EMA_DECAY = 0.999
"""Decay of the exponential moving average of the weights."""

WARM_UP = 0.03
"""Share of the training during which the learning rate rises."""

LARGEST_GRADIENT = 1.0
"""Gradients are clipped to this norm."""

TRAINED = {"all": ("encoder", "up", "decoder", "heads"), "decoder": ("up", "decoder", "heads"), "heads": ("heads",)}
"""Trained parts of the network for each value of the setting ``layers``."""

Weights = tuple[Tensor, ...] | list[Tensor]


@dataclass(frozen=True)
class TrainResult:
    """A trained network."""

    network: UNet  # averaged weights of the best epoch, float32 on the CPU, in evaluation mode
    history: tuple[EpochDone, ...]
    steps: int  # done by the optimiser
    seconds: float


@contextmanager
def one_thread_fewer() -> Iterator[None]:
    """Leave one core to the thread that prepares batches; sharing all cores makes each wait for the other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(max(threads - 1, 1))
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def task_of(card: ModelCard) -> Task:
    """Return the task that the model of a card is trained for."""
    return SemanticTask(card) if card.task == "semantic" else InstanceTask(card)


class Trainer:
    """Trains a network of the card's architecture, from the weights of ``network`` or random ones.

    The card also has the task and, for nuclei, their diameter and the thresholds used for validation.
    """

    def __init__(self, card: ModelCard, settings: TrainSettings, network: UNet | None = None) -> None:
        self.card = card
        self.settings = settings
        self.task = task_of(card)
        self.device = choose_device(settings.device)
        # Before the network is built: its random weights depend on the seed too.
        torch.manual_seed(settings.seed)
        start = copy.deepcopy(network) if network else UNet(card.trainable)
        self.network = start.to(self.device.name).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.trained = [part for name, part in self.network.named_children() if name in TRAINED[settings.layers]]
        self.network.eval().requires_grad_(False)
        for part in self.trained:
            part.requires_grad_(True)
        # Batch statistics are buffers, and have to suit the averaged weights.
        self.averaged = AveragedModel(self.network, multi_avg_fn=_average, use_buffers=True)
        self.optimiser = torch.optim.AdamW(
            (value for value in self.network.parameters() if value.requires_grad),
            lr=settings.learning_rate,
            weight_decay=settings.weight_decay,
        )

    def fit(
        self,
        train: Sequence[Sample],
        validation: Sequence[Sample],
        progress: Progress,
        checkpoint: Path | None = None,
        history: Path | None = None,
        workers: int = 0,
    ) -> TrainResult:
        """Train until steps, time or patience are exhausted, or the user asks to finish.

        The validation samples select the best epoch. ``checkpoint`` is written after every epoch, and resumed from if
        it exists; ``history`` is a CSV with a row per epoch. ``workers`` processes prepare batches, or a thread if 0.
        Raises `TrainingDivergedError` if the loss is not finite before the first epoch has ended, and `NoSamplesError`
        if either part is empty.
        """
        if not train or not validation:
            raise NoSamplesError("Training needs at least one image for training and one for validation.")
        state = self._resume(checkpoint)
        # As if the run had never been interrupted: the learning rate goes on where it was.
        started = time.monotonic() - state.seconds
        source = BatchSource(train, self.task, self.settings, self.device)
        losses: list[float] = []
        with one_thread_fewer(), source.ahead(state.step, workers) as batches:
            for batch in batches:
                fraction = self._fraction(state.step, time.monotonic() - started)
                # At least one step, however short the time, so that there is something to validate.
                if fraction >= 1 and (losses or state.best):
                    break
                loss = self._step(batch, fraction)
                if not math.isfinite(loss):
                    self._stop_diverged(state, progress)
                    break
                losses.append(loss)
                state.step += 1
                progress.report(Advanced(fraction, f"step {state.step}, loss {loss:.3f}"))
                if state.step % self.settings.epoch_steps == 0:
                    self._end_epoch(state, losses, validation, progress)
                    losses = []
                    state.seconds = time.monotonic() - started
                    self._save(state, checkpoint, history)
                    if progress.finish_requested or state.epochs_since_best >= self.settings.patience:
                        break
        if losses:
            self._end_epoch(state, losses, validation, progress)
        state.seconds = time.monotonic() - started
        self._save(state, checkpoint, history)
        progress.report(Advanced(1.0, f"step {state.step}, done"))
        network = UNet(self.card.trainable)
        network.load_state_dict(state.best)
        return TrainResult(network.eval(), tuple(state.history), state.step, state.seconds)

    def _fraction(self, step: int, seconds: float) -> float:
        """Return how much of the training is done, 0 to 1: by steps, unless time runs out first."""
        by_time = min(seconds / self.settings.time, 1.0)
        limit = self.settings.step_limit
        if math.isinf(limit):
            return by_time
        by_steps = min(step / limit, 1.0)
        # Time counts only once clearly ahead, so that runs with the same number of steps get the same learning rates.
        return by_steps if by_time < min(by_steps + WARM_UP, 1.0) else by_time

    def _step(self, batch: Batch, fraction: float) -> float:
        """Do one optimiser step and return the loss; a loss that is not finite changes nothing."""
        for group in self.optimiser.param_groups:
            group["lr"] = self.settings.learning_rate * warm_up_and_cosine(fraction)
        for part in self.trained:  # frozen parts stay in evaluation mode, and keep their batch statistics too
            part.train()
        loss = self.loss(batch)
        value = float(loss.detach())
        if math.isfinite(value):
            self.optimiser.zero_grad()
            loss.backward()
            # A crop unlike all others, or a wrong label, can give a gradient many times the usual.
            nn.utils.clip_grad_norm_(self.network.parameters(), LARGEST_GRADIENT)
            self.optimiser.step()
            self.averaged.update_parameters(self.network)
        return value

    def loss(self, batch: Batch) -> Tensor:
        """Run the network on a batch, and return the loss, a Tensor of shape ()."""
        images, targets = batch
        # bfloat16 even if the device prefers float16, whose gradients underflow unless scaled.
        reduced = self.device.precision != torch.float32
        with torch.autocast(self.device.name.split(":")[0], torch.bfloat16, enabled=reduced):
            logits = self.network(images)
        return self.task.loss(logits.float(), targets)

    def _end_epoch(
        self, state: Checkpoint, losses: Sequence[float], validation: Sequence[Sample], progress: Progress
    ) -> None:
        """Validate the averaged weights, and keep them if they are the best so far."""
        network = self.averaged.module
        assert isinstance(network, UNet)
        found = self.task.validate(network, validation, self.device, self.settings.crop)
        event = EpochDone(len(state.history) + 1, float(np.mean(losses)), found.loss, found.scores)
        state.history.append(event)
        state.epochs_since_best += 1
        if found.score > state.best_score:
            state.best_score = found.score
            state.epochs_since_best = 0
            # A copy on the CPU: the next step changes the averaged weights in place.
            state.best = {name: value.detach().cpu().clone() for name, value in network.state_dict().items()}
        progress.report(event)

    def _stop_diverged(self, state: Checkpoint, progress: Progress) -> None:
        if not state.best:
            raise TrainingDivergedError(
                "The loss became infinite before the first validation. Lower the learning rate and start again."
            )
        progress.report(Notice("The loss became infinite. Training ended with the best weights before that."))

    def _resume(self, checkpoint: Path | None) -> Checkpoint:
        if checkpoint is None or not checkpoint.exists():
            return Checkpoint()
        return read_checkpoint(checkpoint, self.network, self.averaged, self.optimiser)

    def _save(self, state: Checkpoint, checkpoint: Path | None, history: Path | None) -> None:
        if checkpoint is not None:
            write_checkpoint(checkpoint, state, self.network, self.averaged, self.optimiser)
        if history is not None:
            write_history(history, state.history)


def _average(averaged: Weights, current: Weights, count: Tensor | int) -> None:
    """Move the averaged weights towards the current ones, faster in early steps, so as to forget the initial ones."""
    # As TensorFlow's ExponentialMovingAverage: a constant 0.999 would take thousands of steps to forget random weights.
    get_ema_multi_avg_fn(min(EMA_DECAY, (1 + int(count)) / (10 + int(count))))(averaged, current, count)


def warm_up_and_cosine(fraction: float) -> float:
    """Return the learning rate relative to its maximum: rising to 1 during `WARM_UP`, then falling along a cosine.

    Examples
    --------
    >>> [round(warm_up_and_cosine(x), 2) for x in (0.0, 0.03, 0.515, 1.0)]
    [0.02, 1.0, 0.5, 0.0]
    """
    if fraction < WARM_UP:
        # Not from 0: a step of rate 0 would be wasted.
        return 0.02 + 0.98 * fraction / WARM_UP
    return 0.5 * (1 + math.cos(math.pi * (fraction - WARM_UP) / (1 - WARM_UP)))
