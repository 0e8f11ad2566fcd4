"""Gives the figures of validation for each data set and kind of image as well, and names them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from napari_unet_nuclei.core.labels.metrics.overlaps import IOU_THRESHOLDS, MatchCounts, per_image, pooled
from napari_unet_nuclei.core.train.samples import Sample

PUBLISHED = (0.5, 0.75, 0.9)
"""IoU thresholds whose average precision goes into the card, beside the mean over `IOU_THRESHOLDS`."""

MEAN_AP = "AP@0.5:0.95"
"""What the mean over `IOU_THRESHOLDS` is called."""

COUNTS = ("images", "nuclei")
"""Figures that are whole numbers."""

OVERALL = "validation "
"""How figures of all validation images begin on a card."""

Numbers = list[int]
"""Positions of samples in a sequence of them."""


def by_dataset(samples: Sequence[Sample]) -> dict[str, list[int]]:
    """Return the positions of the samples of each data set, in the order of the sets."""
    return _positions([sample.dataset for sample in samples])


def by_dataset_and_kind(samples: Sequence[Sample]) -> dict[str, list[int]]:
    """Return the positions of the samples of each data set and kind of image, for instance "dsb2018 stained"."""
    return _positions([f"{sample.dataset} {sample.kind}".strip() for sample in samples])


def mean_of_datasets(samples: Sequence[Sample], score: Callable[[Numbers], float]) -> float:
    """Average a score of data sets, so that each weighs the same however many images it has.

    Parameters
    ----------
    samples : sequence of Sample
    score : callable
        Takes the positions of the samples of a set.
    """
    return float(np.mean([score(numbers) for numbers in by_dataset(samples).values()]))


def broken_down(figure: str, parts: Mapping[str, Numbers], value: Callable[[Numbers], float]) -> dict[str, float]:
    """Return a figure of every part by its name, "AP@0.5 dsb2018 stained"; nothing where there is only one part."""
    return {f"{figure} {part}": value(numbers) for part, numbers in parts.items()} if len(parts) > 1 else {}


def whole_and_parts(parts: Mapping[str, Numbers]) -> dict[str, Numbers]:
    """Return all positions under an empty name, then those of every part where there are several."""
    whole = {"": sorted(number for numbers in parts.values() for number in numbers)}
    return {**whole, **(parts if len(parts) > 1 else {})}


def is_part(name: str, names: Sequence[str]) -> bool:
    """Tell whether a figure is one of the parts that another one is broken down into."""
    return any(name.startswith(f"{other} ") for other in names)


def figure_name(figure: str, part: str = "") -> str:
    """Name a figure of validation on a card; that of all images where no part is given.

    Examples
    --------
    >>> figure_name("AP@0.5 pooled"), figure_name("AP@0.5 pooled", "dsb2018 stained")
    ('validation AP@0.5 pooled', 'validation, dsb2018 stained: AP@0.5 pooled')
    """
    return f"validation, {part}: {figure}" if part else f"{OVERALL}{figure}"


def summarise(samples: Sequence[Sample], counts: Sequence[MatchCounts]) -> dict[str, float]:
    """Return the figures of a card: of all validation images, and of each data set and kind where there are several.

    Parameters
    ----------
    samples : sequence of Sample
    counts : sequence of MatchCounts
        Of each sample.
    """
    return {
        figure_name(figure, part): value
        for part, numbers in whole_and_parts(by_dataset_and_kind(samples)).items()
        for figure, value in accuracy([counts[number] for number in numbers]).items()
    }


def accuracy(counts: Sequence[MatchCounts]) -> dict[str, float]:
    """Count images and nuclei, and give the average precision, rounded to what the number of images supports."""
    figures = {"images": float(len(counts)), "nuclei": float(sum(one.true_count for one in counts))}
    for way, values in (("per image", per_image(counts)), ("pooled", pooled(counts).average_precision)):
        for threshold in PUBLISHED:
            figures[f"AP@{threshold:g} {way}"] = round(float(values[IOU_THRESHOLDS.index(threshold)]), 3)
        figures[f"{MEAN_AP} {way}"] = round(float(values.mean()), 3)
    return figures


def _positions(names: Sequence[str]) -> dict[str, list[int]]:
    parts: dict[str, list[int]] = {}
    for number, name in enumerate(names):
        parts.setdefault(name, []).append(number)
    return parts
