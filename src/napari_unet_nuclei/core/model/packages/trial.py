"""Try an imported graph on the package's own test image, before it is used on others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_unet_nuclei.core.errors import ModelFileError
from napari_unet_nuclei.core.labels.decode import DecodeThresholds, decode_plane, quantise
from napari_unet_nuclei.core.model.card import ModelCard
from napari_unet_nuclei.core.model.onnx_design import OnnxOutput
from napari_unet_nuclei.core.model.onnx_network import OnnxNetwork
from napari_unet_nuclei.core.quantity import quantity

TOLERANCE = 0.02
"""Of the range of a map: how far values may be off, as other programs and processors round differently."""

MOST_OFF = 0.01
"""Share of pixels that may be further off."""

SLACK = 0.05
"""How far maps may leave the range from 0 to 1, by rounding or as a linear output does."""

FEWEST = 3
"""Nuclei in the test image from which their size is taken for the model's."""


@dataclass(frozen=True)
class Trial:
    """What the test image has shown: how large nuclei are, in pixels, 0 where there are none; and words about it."""

    diameter: float
    remark: str


def try_network(network: OnnxNetwork, image: NDArray[np.generic], expected: list[NDArray[np.generic]]) -> Trial:
    """Compare a network's outputs on a test image, both as the package stores them, with the package's own.

    Raise ModelFileError if they differ, or the maps are no probabilities.
    """
    design = network.design
    if image.ndim != len(design.axes):
        raise ModelFileError(f"The test image has {image.ndim} axes, but the description names '{design.axes}'.")
    channels = _to_channels(image, design.axes)
    if len(channels) != design.in_channels or any(
        rule.allowed(size) != size for rule, size in zip((design.rows, design.columns), channels.shape[1:], strict=True)
    ):
        raise ModelFileError(f"The test image, of shape {image.shape}, is not of a size that the description allows.")
    fitted = design.preprocessing.fit(list(channels))
    prepared = np.stack([one.normalise(channel) for one, channel in zip(fitted, channels, strict=True)])
    outputs = network.outputs_of(prepared)
    for output, found, wanted in zip(design.outputs, outputs, expected, strict=False):
        _compare(output, found, _to_channels(wanted, output.axes) if wanted.ndim == len(output.axes) else wanted)
    maps = quantise(network.maps_of(prepared))
    card = ModelCard(name="trial", architecture=design)
    thresholds = DecodeThresholds(card.thresholds.foreground, card.thresholds.split, int(card.thresholds.min_size))
    labels = decode_plane(maps, thresholds).labels
    areas = np.bincount(labels.ravel())[1:]
    if len(areas) < FEWEST:
        return Trial(0.0, "The test image shows too few nuclei to tell how large they are for this model.")
    diameter = round(2 * float(np.sqrt(np.median(areas) / np.pi)), 1)
    count = quantity(len(areas), "nucleus", "nuclei")
    return Trial(diameter, f"In its test image the model finds {count}, with a diameter of {diameter:g} px.")


def _to_channels(image: NDArray[np.generic], axes: str) -> NDArray[np.float64]:
    """Bring a tensor to (C, Y, X): the first of each other axis."""
    first = image[tuple(slice(None) if letter in "cyx" else 0 for letter in axes)]
    kept = [letter for letter in axes if letter in "cyx"]
    ordered = np.transpose(first, [kept.index(letter) for letter in "cyx" if letter in kept])
    return np.asarray(ordered if "c" in kept else ordered[None], np.float64)


def _compare(output: OnnxOutput, found: NDArray[np.generic], wanted: NDArray[np.generic]) -> None:
    if wanted.shape != found.shape:
        raise ModelFileError(
            f"The network gives maps of shape {found.shape} for the test image, where the package has {wanted.shape}."
        )
    for one, raw, stored in zip(output.maps, found, wanted, strict=True):
        if one.name is None:
            continue
        made = raw.astype(np.float64)
        for step in one.steps:
            made = step.apply(made)
        low, high = float(np.nanmin(made)), float(np.nanmax(made))
        if not (low >= -SLACK and high <= 1 + SLACK):
            raise ModelFileError(
                f"The map of {one.name} goes from {low:.3g} to {high:.3g} in the test image, but maps from 0 to 1 are "
                "needed. Add the step 'sigmoid' to the package if these are logits, or 'scale_linear' to its output."
            )
        off = np.abs(made - stored.astype(np.float64)) > TOLERANCE
        if off.mean() > MOST_OFF:
            raise ModelFileError(
                f"The network gives another map of {one.name} for the test image than the package says "
                f"({off.mean():.0%} "
                "of the pixels are off), so that it would not work as its authors mean. Get the package again, or ask "
                "them for one that passes its own test."
            )
