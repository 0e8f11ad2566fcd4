"""Seconds per optimiser step, and what share of them the network waits for its next batch."""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from unittest.mock import patch

from benchmarks.child import in_child
from benchmarks.table import Table

if TYPE_CHECKING:
    from napari_unet_nuclei.core.train.samples import Sample

STEPS, WARM_UP = 24, 4
IMAGES = 12
INPUTS = {"grey": 1, "colour": 3}


def measure() -> Table:
    rows = []
    for name, channels in INPUTS.items():
        step, waiting = in_child(step_times, channels)
        rows.append((name, f"{step:.3f}", f"{100 * waiting / step:.0f} %"))
    return Table(
        "Training",
        ("images", "s per step", "of which waiting for a batch"),
        tuple(rows),
        f"Mean of {STEPS - WARM_UP} steps of eight crops of 256×256 with the network and the settings of the bundled "
        "models. Batches are cut and warped on a thread of their own while the network works on the one before, which "
        "share two cores; with one thread for OpenMP (OMP_NUM_THREADS=1) they hinder each other least. On a graphics "
        "card, all cores but one prepare batches. Aim: at most 5 % of waiting.",
    )


def step_times(channels: int) -> tuple[float, float]:
    """Mean seconds of a step, and of the waiting in it: the median would hide the batches that are waited for."""
    from napari_unet_nuclei.core.model.architecture import Architecture
    from napari_unet_nuclei.core.model.card import ModelCard
    from napari_unet_nuclei.core.progress import Silent
    from napari_unet_nuclei.core.settings import TrainSettings
    from napari_unet_nuclei.core.train import trainer

    waited: list[float] = []
    ends: list[float] = []

    class Timed(trainer.BatchSource):
        """Notes how long each batch is waited for."""

        @contextmanager
        def ahead(self, first: int, workers: int = 0) -> Iterator[Iterator[trainer.Batch]]:
            with super().ahead(first, workers) as batches:
                yield self._timed(batches)

        def _timed(self, batches: Iterator[trainer.Batch]) -> Iterator[trainer.Batch]:
            while True:
                start = time.perf_counter()
                batch = next(batches)
                waited.append(time.perf_counter() - start)
                ends.append(time.perf_counter())
                yield batch

    samples = drawn(channels)
    settings = TrainSettings().changed(steps=STEPS, epoch_steps=STEPS)
    card = ModelCard(name="timed", architecture=Architecture(in_channels=channels))
    with patch.object(trainer, "BatchSource", Timed):
        timed = trainer.Trainer(card, settings)
        timed.fit(samples[1:], samples[:1], Silent(), workers=trainer.batch_workers(timed.device))
    steps = [later - earlier for earlier, later in itertools.pairwise(ends)]
    return statistics.mean(steps[WARM_UP:STEPS]), statistics.mean(waited[WARM_UP:STEPS])


def drawn(channels: int) -> list[Sample]:
    """Images to learn from."""
    import numpy as np

    from napari_unet_nuclei.core.image.normalise import intensity_range
    from napari_unet_nuclei.core.samples.synthetic import fluorescent_nuclei
    from napari_unet_nuclei.core.train.samples import Sample

    samples = []
    for seed in range(IMAGES):
        made = fluorescent_nuclei(seed, (512, 512), 22.0, 150)
        pixels = made.image.astype(np.float32)
        image = np.repeat(intensity_range(pixels).normalise(pixels)[None], channels, axis=0)
        samples.append(Sample(str(seed), image, made.labels, str(seed)))
    return samples
