"""Name the validation figures, and break them down by data set and kind of image."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from napari_unet_nuclei.core.labels.metrics.overlaps import IOU_THRESHOLDS, MatchCounts, per_image, pooled
from napari_unet_nuclei.core.train.samples import Sample

PUBLISHED = (0.5, 0.75, 0.9)
"""IoU thresholds whose average precision the card states, beside the mean over `IOU_THRESHOLDS`."""

MEAN_AP = "AP@0.5:0.95"
"""Name of the mean over `IOU_THRESHOLDS`."""

COUNTS = ("images", "nuclei")
"""Figures that are whole numbers."""

OVERALL = "validation "
"""Prefix, on a card, of the figures of all validation images."""

Numbers = list[int]
"""Positions of samples in a sequence."""


def by_dataset(samples: Sequence[Sample]) -> dict[str, Numbers]:
    """Group the positions of samples by data set, in order of first appearance."""
    return _positions([sample.dataset for sample in samples])


def by_dataset_and_kind(samples: Sequence[Sample]) -> dict[str, Numbers]:
    """Group the positions of samples by data set and kind of image, for instance "dsb2018 brightfield"."""
    return _positions([f"{sample.dataset} {sample.kind}".strip() for sample in samples])


def mean_of_datasets(samples: Sequence[Sample], score: Callable[[Numbers], float]) -> float:
    """Average the scores of the data sets, so that each counts equally however many images it has."""
    return float(np.mean([score(numbers) for numbers in by_dataset(samples).values()]))


def broken_down(figure: str, parts: Mapping[str, Numbers], value: Callable[[Numbers], float]) -> dict[str, float]:
    """Compute a figure for each part and name it, "AP@0.5 dsb2018 brightfield"; empty if there is only one part."""
    return {f"{figure} {part}": value(numbers) for part, numbers in parts.items()} if len(parts) > 1 else {}


def whole_and_parts(parts: Mapping[str, Numbers]) -> dict[str, Numbers]:
    """Return all positions under an empty name, followed by the parts if there are several."""
    whole = {"": sorted(number for numbers in parts.values() for number in numbers)}
    return {**whole, **(parts if len(parts) > 1 else {})}


def is_part(name: str, names: Sequence[str]) -> bool:
    """Tell whether a figure belongs to the breakdown of another one."""
    return any(name.startswith(f"{other} ") for other in names)


def figure_name(figure: str, part: str = "") -> str:
    """Name a validation figure as the card does; without a part, that of all images.

    Examples
    --------
    >>> figure_name("AP@0.5 pooled"), figure_name("AP@0.5 pooled", "dsb2018 brightfield")
    ('validation AP@0.5 pooled', 'validation, dsb2018 brightfield: AP@0.5 pooled')
    """
    return f"validation, {part}: {figure}" if part else f"{OVERALL}{figure}"


def summarise(samples: Sequence[Sample], counts: Sequence[MatchCounts]) -> dict[str, float]:
    """Compute the card's figures of nuclei: of all images, and of each data set and kind if there are several."""
    return {
        figure_name(figure, part): value
        for part, numbers in whole_and_parts(by_dataset_and_kind(samples)).items()
        for figure, value in accuracy([counts[number] for number in numbers]).items()
    }


def accuracy(counts: Sequence[MatchCounts]) -> dict[str, float]:
    """Count images and nuclei, and compute average precision, rounded to what the number of images supports."""
    figures = {"images": float(len(counts)), "nuclei": float(sum(one.true_count for one in counts))}
    for way, values in (("per image", per_image(counts)), ("pooled", pooled(counts).average_precision)):
        for threshold in PUBLISHED:
            figures[f"AP@{threshold:g} {way}"] = round(float(values[IOU_THRESHOLDS.index(threshold)]), 3)
        figures[f"{MEAN_AP} {way}"] = round(float(values.mean()), 3)
    return figures


def _positions(names: Sequence[str]) -> dict[str, Numbers]:
    parts: dict[str, Numbers] = {}
    for number, name in enumerate(names):
        parts.setdefault(name, []).append(number)
    return parts
