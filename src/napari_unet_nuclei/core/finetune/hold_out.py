"""Hold out corrected nuclei, region by region, so that a fine-tuned model is judged on nuclei it has not seen.

The constants were set by judgement; ``python -m benchmarks.finetuning`` measures what a fine-tuning gains with others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import KDTree

from napari_unet_nuclei.core.errors import NoSamplesError
from napari_unet_nuclei.core.labels.reviewed import trusted
from napari_unet_nuclei.core.types import Labels, Mask

if TYPE_CHECKING:  # counting must not load PyTorch: the window does it before a run
    from napari_unet_nuclei.core.train.samples import Sample

HELD_OUT = 0.25
"""Share of the nuclei that are held out."""

SURROUNDINGS = 96
"""Pixels kept around a reviewed region as context for the network."""

LEAST_NUCLEI = 2
"""Least number of nuclei for a division: one to train on and one to judge with."""

FEWEST_NUCLEI = 10
"""Least number of held-out nuclei for saying which model is better."""


class Reviewed(Protocol):
    """Labels of one plane and where they can be trusted: all that a division needs."""

    @property
    def labels(self) -> Labels:
        """Nuclei (Y, X); 0 is background."""

    @property
    def reviewed(self) -> Mask | None:
        """Where the labels can be trusted (Y, X); None means everywhere."""

    @property
    def group(self) -> str:
        """Name of the stack of the plane, where what lies above each other is the same nucleus; empty for none."""


@dataclass(frozen=True)
class Division:
    """Samples with their reviewed regions divided in two parts that share no pixel.

    A sample with several regions may be in both parts, with different regions in each.
    """

    training: tuple[Sample, ...]
    judging: tuple[Sample, ...]

    @property
    def training_nuclei(self) -> int:
        """Number of nuclei to train on."""
        return sum(count_nuclei(sample) for sample in self.training)

    @property
    def judging_nuclei(self) -> int:
        """Number of nuclei to judge with."""
        return sum(count_nuclei(sample) for sample in self.judging)


@dataclass(frozen=True, eq=False)
class _Region:
    """One connected reviewed region of a sample, with its number of nuclei."""

    sample: int
    mask: Mask
    nuclei: int


_Unit: TypeAlias = list[_Region]
"""Regions that lie above each other in the planes of one stack, so that they are held out together, or not."""


def count_nuclei(sample: Reviewed) -> int:
    """Count the nuclei that lie entirely in the reviewed region."""
    return _nuclei(sample.labels, _reviewed(sample))


def densest_square(sample: Reviewed, side: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Find the reviewed nucleus with most others in a square of ``side`` pixels around it; there must be one.

    Returns its centre (Y, X), and the centres (N, 2) of all nuclei in the square, its own included.
    """
    ids = np.unique(sample.labels[_reviewed(sample)])
    centres = np.array(ndimage.center_of_mass(sample.labels > 0, sample.labels, ids[ids > 0]))
    # The maximum norm makes its balls squares.
    tree = KDTree(centres)
    densest = int(tree.query_ball_point(centres, side / 2, p=np.inf, return_length=True).argmax())
    return centres[densest], centres[tree.query_ball_point(centres[densest], side / 2, p=np.inf)]


def count_parts(corrected: Sequence[Reviewed], seed: int = 0) -> tuple[int, int]:
    """Count the nuclei that `hold_out` would assign to training and to judging, with the same errors."""
    training, judging = (_count(corrected, part) for part in _divide(corrected, seed))
    return training, judging


def hold_out(samples: Sequence[Sample], seed: int = 0) -> Division:
    """Divide corrected samples into a training part and a held-out part; samples without a region are all reviewed.

    Whole regions are held out until they contain a quarter of the nuclei; at least one region is held out, and at least
    one is left for training. A single region is cut in two across its longer side; nuclei on the cut are in neither
    part. Regions above each other in planes of one stack count as one, for they hold the same nuclei. Raises
    `NoSamplesError` if reviewed nuclei are too few for both parts.
    """
    training, judging = _divide(samples, seed)
    return Division(_restricted(samples, training), _restricted(samples, judging))


def _divide(samples: Sequence[Reviewed], seed: int) -> tuple[list[_Region], list[_Region]]:
    """Divide the regions of all samples."""
    regions = [region for number, sample in enumerate(samples) for region in _regions(number, sample)]
    with_nuclei = [region for region in regions if region.nuclei]
    if sum(region.nuclei for region in with_nuclei) < LEAST_NUCLEI:
        raise NoSamplesError(
            "There are too few reviewed nuclei: at least two are needed, one to train on and one to judge with. "
            "Correct more nuclei, or draw the reviewed region around more of them."
        )
    units = _units(samples, with_nuclei)
    if len(units) == 1:
        before, judging = _cut(samples, units[0])
        with_nuclei = [*before, *judging]
    else:
        judging = [region for unit in _chosen(units, seed) for region in unit]
    training = [region for region in with_nuclei if region not in judging]
    # Reviewed background teaches what is no nucleus, but cannot tell which model finds more.
    training += [region for region in regions if not region.nuclei]
    return training, judging


def _units(samples: Sequence[Reviewed], regions: Sequence[_Region]) -> list[_Unit]:
    """Put together what lies above each other in planes of one stack."""
    units: list[_Unit] = []
    for region in regions:
        here = samples[region.sample].group
        same = [unit for unit in units if here and samples[unit[0].sample].group == here]
        above = [unit for unit in same if any(_lie_above(region, other) for other in unit)]
        units = [unit for unit in units if unit not in above]
        units.append([*(other for unit in above for other in unit), region])
    return units


def _lie_above(one: _Region, other: _Region) -> bool:
    """Return whether regions of one stack share pixels; of parts of planes, which begin anywhere, nobody can tell."""
    if one.sample == other.sample:
        return False
    return one.mask.shape != other.mask.shape or bool((one.mask & other.mask).any())


def _reviewed(sample: Reviewed) -> Mask:
    """Return the usable region: the reviewed one without nuclei cut by its edge."""
    everywhere = np.ones(sample.labels.shape, bool)
    return everywhere if sample.reviewed is None else trusted(sample.labels, sample.reviewed)


def _nuclei(labels: Labels, mask: Mask) -> int:
    return int(np.count_nonzero(np.bincount(labels[mask], minlength=1)[1:]))


def _regions(number: int, sample: Reviewed) -> list[_Region]:
    """Divide the usable region into connected pieces of the reviewed one."""
    if sample.reviewed is None:
        pieces, count = np.ones(sample.labels.shape, np.int32), 1
    else:
        # Connected before cut nuclei are excluded, which may tear a region apart.
        pieces, count = ndimage.label(sample.reviewed)
    whole = _reviewed(sample)
    masks = (whole & (pieces == piece) for piece in range(1, count + 1))
    return [_Region(number, mask, _nuclei(sample.labels, mask)) for mask in masks if mask.any()]


def _cut(samples: Sequence[Reviewed], unit: _Unit) -> tuple[_Unit, _Unit]:
    """Cut a unit in two across its longer side; the second part has at least a quarter of the nuclei."""
    rows, columns = (np.concatenate(along) for along in zip(*(np.nonzero(one.mask) for one in unit), strict=True))
    # Across the longer side, where the cut hits fewest nuclei.
    axis = int(np.ptp(columns) > np.ptp(rows))
    nuclei = (np.where(region.mask, samples[region.sample].labels, 0) for region in unit)
    line = _line([span[axis] for plane in nuclei for span in ndimage.find_objects(plane) if span])
    parts: tuple[_Unit, _Unit] = ([], [])
    for region in unit:
        labels, position = samples[region.sample].labels, np.arange(region.mask.shape[axis])
        side = np.broadcast_to(position[:, None] if axis == 0 else position, region.mask.shape) >= line
        for part, half in zip(parts, (~side, side), strict=True):
            # `trusted` removes the nuclei that the cut goes through from both halves.
            mask = region.mask & trusted(labels, half)
            part.append(_Region(region.sample, mask, _nuclei(labels, mask)))
    before, beyond = ([region for region in part if region.mask.any()] for part in parts)
    return before, beyond


def _line(spans: Sequence[slice]) -> int:
    """Return where to cut so that at least a quarter of the uncut nuclei, and as few more as possible, lie beyond."""
    # Only starts of nuclei are candidates: between two starts the same nuclei lie beyond, and a later line cuts fewer.
    lines = np.unique([span.start for span in spans])[::-1]
    # Stops are exclusive: a nucleus that stops at the line lies before it.
    before = np.searchsorted(np.sort([span.stop for span in spans]), lines, side="right")
    beyond = len(spans) - np.searchsorted(np.sort([span.start for span in spans]), lines)
    enough = (before > 0) & (beyond >= HELD_OUT * (before + beyond))
    if not enough.any():
        raise NoSamplesError(
            "The reviewed nuclei lie too close together to be divided into some to train on and some to judge with. "
            "Correct a few more, or review a second region."
        )
    # Lines are in falling order: the first that is enough holds out fewest.
    return int(lines[enough.argmax()])


def _chosen(units: Sequence[_Unit], seed: int) -> list[_Unit]:
    """Choose units to hold out, leaving at least one: a quarter of the nuclei, and as few more as possible."""
    target = HELD_OUT * sum(map(_nuclei_of, units))
    order = np.random.default_rng(seed).permutation(len(units))
    # Drawn at random, since neighbours in the list are often from one image.
    drawn = [units[index] for index in order][:-1]
    count = int(np.searchsorted(np.cumsum([_nuclei_of(unit) for unit in drawn]), target)) + 1
    *chosen, last = drawn[:count]
    # Replace the last unit drawn by the smallest one that completes the quarter.
    missing = target - sum(map(_nuclei_of, chosen))
    enough = [unit for unit in units if unit not in chosen and _nuclei_of(unit) >= missing] or [last]
    return [*chosen, min(enough, key=_nuclei_of)]


def _nuclei_of(unit: _Unit) -> int:
    return sum(region.nuclei for region in unit)


def _restricted(samples: Sequence[Sample], regions: Sequence[_Region]) -> tuple[Sample, ...]:
    """Return the samples that have any of the regions, reviewed only there and cut down to their surroundings."""
    masks = _masks(regions)
    return tuple(_cut_out(samples[number], masks[number]) for number in sorted(masks))


def _count(samples: Sequence[Reviewed], regions: Sequence[_Region]) -> int:
    """Count the nuclei that lie entirely in the union of the regions."""
    parts = ((samples[number].labels, mask) for number, mask in _masks(regions).items())
    return sum(_nuclei(labels, trusted(labels, mask)) for labels, mask in parts)


def _masks(regions: Sequence[_Region]) -> dict[int, Mask]:
    """Return the union of the regions of each sample, by its number."""
    masks: dict[int, Mask] = {}
    for region in regions:
        masks[region.sample] = masks.get(region.sample, False) | region.mask
    return masks


def _cut_out(sample: Sample, reviewed: Mask) -> Sample:
    """Cut off what is far from the reviewed region, which would only cost time."""
    y, x = (
        slice(max(part.start - SURROUNDINGS, 0), part.stop + SURROUNDINGS)
        for part in ndimage.find_objects(reviewed.astype(np.uint8))[0]
    )
    return sample.cut((y, x), reviewed[y, x])
