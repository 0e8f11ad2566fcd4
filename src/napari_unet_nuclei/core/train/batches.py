"""Batches for the training loop, made while the network works on the one before."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from napari_unet_nuclei.core.model.device import Device
from napari_unet_nuclei.core.settings import TrainSettings
from napari_unet_nuclei.core.train.samples import Sample, sampling_weights
from napari_unet_nuclei.core.train.task import Task

Batch = tuple[Tensor, Any]
"""Images, and the targets that the task encoded from their labels."""


@dataclass(frozen=True)
class Prepared:
    """A batch as the processor prepares it: all but the exposure."""

    images: Tensor  # (N, C, S, S), float32
    targets: Any
    seed: int  # of the exposure


class BatchSource(Dataset[Prepared]):
    """Makes batches; ``source[step]`` is what the processor contributes to that of a step."""

    def __init__(self, samples: Sequence[Sample], task: Task, settings: TrainSettings, device: Device) -> None:
        self.samples = samples
        self.task = task
        self.settings = settings
        self.device = device
        self.weights = sampling_weights(samples)
        self.augmentation = task.augmentation(settings.augmentation * settings.microscope)

    def __getitem__(self, step: int) -> Prepared:
        """Cut and warp the crops of a step; they depend on the step alone, so a run can be resumed anywhere."""
        # A generator per step, not one for the run: its state would have to be saved, and a batch ahead be drawn again.
        rng = np.random.default_rng((self.settings.seed, step))
        chosen = rng.choice(len(self.samples), self.settings.batch, p=self.weights)
        crops = [
            self.task.draw_crop(self.samples[index], self.settings.crop, self.settings.augmentation, rng)
            for index in chosen
        ]
        seed = int(rng.integers(2**31))
        images, warped = self.augmentation.warp(crops, seed)
        return Prepared(images, self.task.targets(warped), seed)

    def batch(self, step: int) -> Batch:
        """Make the batch of a step, all on the processor."""
        return self._exposed(self[step], "cpu")

    def _exposed(self, prepared: Prepared, place: str) -> Batch:
        """Expose a batch in a place, the processor or the device, and move it to the device."""
        exposed = self.augmentation.expose(prepared.images.to(place), prepared.seed).to(self.device.name)
        # As the network, else every convolution would convert its input; faster on CPUs and tensor cores alike.
        return exposed.to(memory_format=torch.channels_last), prepared.targets.to(self.device.name)

    @contextmanager
    def ahead(self, first: int, workers: int = 0) -> Iterator[Iterator[Batch]]:
        """Yield batches from step ``first`` on, prepared ahead by worker processes, or by a thread without them."""
        if workers:
            # They inherit the images, which would not fit into memory once for each of them.
            loader = DataLoader(
                self, batch_size=None, sampler=count(first), num_workers=workers, multiprocessing_context="fork"
            )
            yield (self._exposed(prepared, self.device.name) for prepared in loader)
        else:
            # A single thread for the arithmetic of crops: the network uses the others.
            with ThreadPoolExecutor(1, initializer=torch.set_num_threads, initargs=(1,)) as pool:
                yield self._one_ahead(first, pool)

    def _one_ahead(self, first: int, pool: Executor) -> Iterator[Batch]:
        waiting = pool.submit(self.batch, first)
        for step in count(first + 1):
            current, waiting = waiting, pool.submit(self.batch, step)
            yield current.result()


def batch_workers(device: Device) -> int:
    """Choose how many processes prepare batches: on a graphics card all cores but one, none beside a processor.

    A card is done with a batch long before one core has made the next. Windows and macOS cannot fork a process with its
    images, so there a thread has to do.
    """
    if device.name == "cpu" or "fork" not in multiprocessing.get_all_start_methods() or sys.platform == "darwin":
        return 0
    return max(len(os.sched_getaffinity(0)) - 1, 1)
