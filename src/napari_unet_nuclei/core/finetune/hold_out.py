"""Set corrected nuclei aside, region by region, so that a fine-tuned model is judged by what it has not seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from scipy import ndimage

from napari_unet_nuclei.core.errors import NoSamplesError
from napari_unet_nuclei.core.labels.reviewed import trusted
from napari_unet_nuclei.core.types import Labels, Mask

if TYPE_CHECKING:  # PyTorch is not needed to count, which the window does before a run
    from napari_unet_nuclei.core.train.samples import Sample

HELD_OUT = 0.25
"""Share of the nuclei that judge."""

SURROUNDINGS = 96
"""Pixels round a reviewed region that are kept: what the network sees there helps it inside."""

LEAST_NUCLEI = 2
"""Nuclei that a division needs: one to learn from and one to judge with."""

FEWEST_NUCLEI = 10
"""With fewer held-out nuclei nothing is said about which model is better."""


class Reviewed(Protocol):
    """Labels of one plane and where they can be trusted: all that a division looks at."""

    @property
    def labels(self) -> Labels:
        """Nuclei (Y, X); 0 is background."""

    @property
    def reviewed(self) -> Mask | None:
        """Where the labels can be trusted (Y, X); None means everywhere."""


@dataclass(frozen=True)
class Division:
    """Samples whose reviewed regions were shared out; no pixel is in both parts.

    Attributes
    ----------
    training, judging : tuple of Sample
        A sample with several regions may stand in both, with other regions each.
    """

    training: tuple[Sample, ...]
    judging: tuple[Sample, ...]

    @property
    def training_nuclei(self) -> int:
        """Number of nuclei to learn from."""
        return sum(count_nuclei(sample) for sample in self.training)

    @property
    def judging_nuclei(self) -> int:
        """Number of nuclei to judge with."""
        return sum(count_nuclei(sample) for sample in self.judging)


@dataclass(frozen=True)
class _Region:
    """One connected reviewed region of one sample, with the number of nuclei in it."""

    sample: int
    mask: Mask
    nuclei: int


def count_nuclei(sample: Reviewed) -> int:
    """Number of nuclei that lie whole in the reviewed region."""
    return _nuclei(sample.labels, _reviewed(sample))


def count_parts(corrected: Sequence[Reviewed], seed: int = 0) -> tuple[int, int]:
    """Numbers of nuclei that `hold_out` gives to the training and to the judging part.

    Raises
    ------
    NoSamplesError
        As `hold_out`.
    """
    training, judging = (_count(corrected, part) for part in _divide(corrected, seed))
    return training, judging


def hold_out(samples: Sequence[Sample], seed: int = 0) -> Division:
    """Divide corrected samples into what is learnt from and what judges.

    Regions are set aside until a quarter of the nuclei is, one region at least; one must be left to learn from. A
    single region is cut in two across its longer side, and nuclei on the cut are in neither part.

    Parameters
    ----------
    samples : sequence of Sample
        Everything counts as reviewed where a sample has no reviewed region.
    seed : int
        Decides which regions.

    Raises
    ------
    NoSamplesError
        If there are too few reviewed nuclei to do both.
    """
    training, judging = _divide(samples, seed)
    return Division(_restricted(samples, training), _restricted(samples, judging))


def _divide(samples: Sequence[Reviewed], seed: int) -> tuple[list[_Region], list[_Region]]:
    """Share out the regions of all samples."""
    regions = [region for number, sample in enumerate(samples) for region in _regions(number, sample)]
    with_nuclei = [region for region in regions if region.nuclei]
    if sum(region.nuclei for region in with_nuclei) < LEAST_NUCLEI:
        raise NoSamplesError(
            "There are too few reviewed nuclei: at least two are needed, one to learn from and one to judge with. "
            "Correct more of them, or draw the reviewed region round more."
        )
    if len(with_nuclei) == 1:
        [only] = with_nuclei
        with_nuclei = _cut(samples[only.sample], only)
        judging = with_nuclei[1:]
    else:
        judging = _chosen(with_nuclei, seed)
    training = [region for region in with_nuclei if not any(region is other for other in judging)]
    training += [region for region in regions if not region.nuclei]
    return training, judging


def _reviewed(sample: Reviewed) -> Mask:
    """The region that may be learnt from: reviewed, and without nuclei that its edge cuts."""
    everywhere = np.ones(sample.labels.shape, bool)
    return everywhere if sample.reviewed is None else trusted(sample.labels, sample.reviewed)


def _nuclei(labels: Labels, mask: Mask) -> int:
    return int(np.count_nonzero(np.bincount(labels[mask], minlength=1)[1:]))


def _regions(number: int, sample: Reviewed) -> list[_Region]:
    """Divide the reviewed region into its connected pieces; nuclei that its edge cuts belong to none."""
    if sample.reviewed is None:
        pieces, count = np.ones(sample.labels.shape, np.int32), 1
    else:
        pieces, count = ndimage.label(sample.reviewed)
    whole = _reviewed(sample)
    masks = (whole & (pieces == piece) for piece in range(1, count + 1))
    return [_Region(number, mask, _nuclei(sample.labels, mask)) for mask in masks if mask.any()]


def _cut(sample: Reviewed, region: _Region) -> list[_Region]:
    """Cut a region in two across its longer side; the second part has a quarter of the nuclei, or a few more."""
    rows, columns = np.nonzero(region.mask)
    axis = int(np.ptp(columns) > np.ptp(rows))
    line = _line([span[axis] for span in ndimage.find_objects(np.where(region.mask, sample.labels, 0)) if span])
    position = np.arange(region.mask.shape[axis])
    side = np.broadcast_to(position[:, None] if axis == 0 else position, region.mask.shape) >= line
    halves = (region.mask & trusted(sample.labels, half) for half in (~side, side))
    return [_Region(region.sample, half, _nuclei(sample.labels, half)) for half in halves]


def _line(spans: Sequence[slice]) -> int:
    """Where to cut so that of the nuclei that stay whole a quarter lies beyond, and as few more as can be."""
    lines = np.unique([span.start for span in spans])[::-1]
    before = np.searchsorted(np.sort([span.stop for span in spans]), lines, side="right")
    beyond = len(spans) - np.searchsorted(np.sort([span.start for span in spans]), lines)
    enough = (before > 0) & (beyond >= HELD_OUT * (before + beyond))
    if not enough.any():
        raise NoSamplesError(
            "The reviewed nuclei lie too close together to be divided into some to learn from and some to judge "
            "with. Correct a few more, or review a second region."
        )
    return int(lines[enough.argmax()])


def _chosen(regions: Sequence[_Region], seed: int) -> list[_Region]:
    """Choose regions to judge with, all but one at most: a quarter of the nuclei, and as few more as regions allow."""
    target = HELD_OUT * sum(region.nuclei for region in regions)
    order = np.random.default_rng(seed).permutation(len(regions))
    *chosen, last = _until(target, [regions[index] for index in order][:-1])
    # The smallest region that completes the quarter may as well be one that was not drawn.
    missing = target - sum(region.nuclei for region in chosen)
    others = [region for region in regions if not any(region is one for one in chosen)]
    enough = [region for region in others if region.nuclei >= missing] or [last]
    return [*chosen, min(enough, key=lambda region: region.nuclei)]


def _until(nuclei: float, regions: Sequence[_Region]) -> list[_Region]:
    """The first regions that hold so many nuclei together, or all."""
    taken = np.cumsum([region.nuclei for region in regions])
    return list(regions[: int(np.searchsorted(taken, nuclei)) + 1])


def _restricted(samples: Sequence[Sample], regions: Sequence[_Region]) -> tuple[Sample, ...]:
    """The samples that have some of the regions, reviewed nowhere else and cut down to what lies round them."""
    masks = _masks(regions)
    return tuple(_cut_out(samples[number], masks[number]) for number in sorted(masks))


def _count(samples: Sequence[Reviewed], regions: Sequence[_Region]) -> int:
    """Number of nuclei that lie whole in what the regions cover together."""
    parts = ((samples[number].labels, mask) for number, mask in _masks(regions).items())
    return sum(_nuclei(labels, trusted(labels, mask)) for labels, mask in parts)


def _masks(regions: Sequence[_Region]) -> dict[int, Mask]:
    """What the regions of each sample cover, by its number."""
    masks: dict[int, Mask] = {}
    for region in regions:
        masks[region.sample] = masks.get(region.sample, False) | region.mask
    return masks


def _cut_out(sample: Sample, reviewed: Mask) -> Sample:
    """Leave what is far from the reviewed region, which would only cost time."""
    y, x = (
        slice(max(part.start - SURROUNDINGS, 0), part.stop + SURROUNDINGS)
        for part in ndimage.find_objects(reviewed.astype(np.uint8))[0]
    )
    return sample.cut((y, x), reviewed[y, x])
