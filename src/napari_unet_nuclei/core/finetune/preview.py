"""Show, epoch by epoch, what a network in training finds in one held-out crop."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from napari_unet_nuclei.core.finetune.hold_out import count_nuclei, densest_square
from napari_unet_nuclei.core.image.picture import outlined
from napari_unet_nuclei.core.model.file import Model
from napari_unet_nuclei.core.model.unet import UNet
from napari_unet_nuclei.core.progress import EpochDone, Event, Preview, Progress, Silent
from napari_unet_nuclei.core.segment.automatic_size import scale_for
from napari_unet_nuclei.core.segment.network_runner import NetworkRunner
from napari_unet_nuclei.core.segment.predict import predict_plane
from napari_unet_nuclei.core.train.report import as_seen
from napari_unet_nuclei.core.train.samples import Sample
from napari_unet_nuclei.core.train.trainer import Trainer
from napari_unet_nuclei.core.train.validate import TILE, decoded, sample_reader
from napari_unet_nuclei.core.types import Labels

NUCLEI_WIDE = 8
"""Width of the crop in median nucleus diameters."""

SIDES = (96, 320)
"""Smallest and largest side of the crop in pixels."""

CONTEXT = 48
"""Pixels around the crop that the network sees and the picture does not show."""


@dataclass(frozen=True)
class _Window:
    """A crop with its surroundings, and the part of it to show."""

    sample: Sample
    shown: tuple[slice, slice]
    diameter: float


class Previewing:
    """Progress that adds to every epoch of a training a picture of what the averaged weights find.

    All events, pictures included, go to ``parent``; part of one of the held-out samples ``judging`` is shown.
    """

    def __init__(self, parent: Progress, trainer: Trainer, judging: Sequence[Sample]) -> None:
        self._parent = parent
        self._trainer = trainer
        self._window = _choose(judging)

    @property
    def finish_requested(self) -> bool:
        """As the parent says."""
        return self._parent.finish_requested

    def report(self, event: Event) -> None:
        """Pass an event to the parent; after the end of an epoch, add a picture."""
        self._parent.report(event)
        if isinstance(event, EpochDone):
            self.show(event.epoch)

    def show(self, epoch: int) -> None:
        """Report what the network finds now."""
        window = self._window
        image = as_seen(window.sample.image, window.sample.picture)
        if window.sample.reviewed is not None:
            image[~window.sample.reviewed] //= 2  # dim what has no reviewed truth to compare with
        truth, found = (
            np.ascontiguousarray(outlined(image, labels)[window.shown])
            for labels in (window.sample.labels, self._find(window))
        )
        self._parent.report(Preview(epoch, truth, found))

    def _find(self, window: _Window) -> Labels:
        # What the epoch is judged by, and smoother from epoch to epoch than the weights that are trained.
        network = self._trainer.averaged.module
        assert isinstance(network, UNet)
        card = self._trainer.card.for_kind(window.sample.kind)
        runner = NetworkRunner(Model(card, copy.deepcopy(network).cpu().eval()), self._trainer.device, TILE)
        scale = scale_for(window.diameter or card.diameter, card.diameter)
        return decoded(predict_plane(sample_reader(window.sample), scale, runner, Silent()), card)


def _choose(judging: Sequence[Sample]) -> _Window:
    """Choose the densest square of the sample with most nuclei."""
    sample = max(judging, key=count_nuclei)
    side = int(np.clip(NUCLEI_WIDE * sample.median_diameter, *SIDES))
    middle, _ = densest_square(sample, side)
    shown = tuple(_span(round(centre), side, size) for centre, size in zip(middle, sample.labels.shape, strict=True))
    # The same crop every time, and no more than it needs: a picture must not cost an epoch's worth of time.
    y, x = (slice(max(part.start - CONTEXT, 0), part.stop + CONTEXT) for part in shown)
    rows, columns = (
        slice(part.start - whole.start, part.stop - whole.start) for part, whole in zip(shown, (y, x), strict=True)
    )
    reviewed = np.ones(sample.labels.shape, bool) if sample.reviewed is None else sample.reviewed
    return _Window(sample.cut((y, x), reviewed[y, x]), (rows, columns), sample.median_diameter)


def _span(centre: int, side: int, size: int) -> slice:
    """Return a slice of ``side`` pixels around a centre, shifted to lie within ``size``."""
    start = min(max(centre - side // 2, 0), max(size - side, 0))
    return slice(start, min(start + side, size))
