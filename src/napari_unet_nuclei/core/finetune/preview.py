"""Shows, epoch by epoch, what a network that is being trained makes of one crop that it never learns from."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from napari_unet_nuclei.core.finetune.hold_out import count_nuclei
from napari_unet_nuclei.core.image.picture import Picture, outlined
from napari_unet_nuclei.core.labels.reviewed import trusted
from napari_unet_nuclei.core.model.file import Model
from napari_unet_nuclei.core.model.unet import UNet
from napari_unet_nuclei.core.progress import EpochDone, Event, Preview, Progress, Silent
from napari_unet_nuclei.core.segment.automatic_size import scale_for
from napari_unet_nuclei.core.segment.network_runner import NetworkRunner
from napari_unet_nuclei.core.segment.predict import predict_plane
from napari_unet_nuclei.core.train.examples import as_seen
from napari_unet_nuclei.core.train.samples import Sample
from napari_unet_nuclei.core.train.trainer import Trainer
from napari_unet_nuclei.core.train.validate import TILE, decoded, sample_reader
from napari_unet_nuclei.core.types import Labels

NUCLEI_WIDE = 8
"""The crop is so many typical nuclei wide."""

SIDES = (96, 320)
"""Pixels a side that it has at least and at most."""

CONTEXT = 48
"""Pixels round the crop that the network sees and the picture does not show."""


@dataclass(frozen=True)
class _Window:
    """A crop with its surroundings, and what of it is shown."""

    sample: Sample
    shown: tuple[slice, slice]
    diameter: float


class Previewing:
    """Progress that adds a picture to every epoch of a training.

    Parameters
    ----------
    parent : Progress
        Hears of everything, the pictures among it.
    trainer : Trainer
        Its averaged weights are looked at.
    judging : sequence of Sample
        Held-out samples, one of which is shown in part.
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
        """Pass the event to the parent, and at the end of an epoch a picture after it."""
        self._parent.report(event)
        if isinstance(event, EpochDone):
            self.show(event.epoch)

    def show(self, epoch: int) -> None:
        """Report what the network finds now."""
        window = self._window
        image = as_seen(window.sample.image)
        if window.sample.reviewed is not None:
            image[~window.sample.reviewed] //= 2  # nobody says what is right there
        truth, found = (
            _cut(outlined(image, labels), window.shown) for labels in (window.sample.labels, self._find(window))
        )
        self._parent.report(Preview(epoch, truth, found))

    def _find(self, window: _Window) -> Labels:
        network = self._trainer.averaged.module
        assert isinstance(network, UNet)
        card = self._trainer.card.for_kind(window.sample.kind)
        runner = NetworkRunner(Model(card, copy.deepcopy(network).cpu().eval()), self._trainer.device, TILE)
        scale = scale_for(window.diameter or card.diameter, card.diameter)
        return decoded(predict_plane(sample_reader(window.sample), scale, runner, Silent()), card)


def _choose(judging: Sequence[Sample]) -> _Window:
    """Choose the fullest square of the sample with most nuclei."""
    sample = max(judging, key=count_nuclei)
    reviewed = np.ones(sample.labels.shape, bool) if sample.reviewed is None else sample.reviewed
    ids = np.unique(sample.labels[trusted(sample.labels, reviewed)])
    centres = np.array(ndimage.center_of_mass(sample.labels > 0, sample.labels, ids[ids > 0]))
    side = int(np.clip(NUCLEI_WIDE * sample.median_diameter, *SIDES))
    near = np.abs(centres[:, None] - centres[None]).max(axis=-1) < side / 2
    middle = centres[near.sum(axis=1).argmax()]
    shown = tuple(_span(round(centre), side, size) for centre, size in zip(middle, reviewed.shape, strict=True))
    y, x = (slice(max(part.start - CONTEXT, 0), part.stop + CONTEXT) for part in shown)
    rows, columns = (
        slice(part.start - whole.start, part.stop - whole.start) for part, whole in zip(shown, (y, x), strict=True)
    )
    return _Window(sample.cut((y, x), reviewed[y, x]), (rows, columns), sample.median_diameter)


def _span(centre: int, side: int, size: int) -> slice:
    """A slice of ``side`` pixels round a centre, within what there is."""
    start = min(max(centre - side // 2, 0), max(size - side, 0))
    return slice(start, min(start + side, size))


def _cut(picture: Picture, shown: tuple[slice, slice]) -> Picture:
    return np.ascontiguousarray(picture[shown])
