"""Segment a plane with unknown nucleus size.

The network sees a small window first, at the image's own scale, and coarser ones only while the nuclei are too large to
be judged. This determines the scale of the segmentation, whose own size head is the second estimate: if the two agree
it stands, otherwise it is stopped early and repeated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from napari_unet_nuclei.core.image.plane import PlaneReader
from napari_unet_nuclei.core.image.tiling import round_up
from napari_unet_nuclei.core.progress import Advanced, Progress, Share
from napari_unet_nuclei.core.segment.network_runner import NetworkRunner, TileTooLarge
from napari_unet_nuclei.core.segment.predict import Grid, Prediction, predict_plane
from napari_unet_nuclei.core.segment.size import NO_NUCLEI, SizeEvidence
from napari_unet_nuclei.core.types import Image, Maps, Region

WINDOW = 320
"""Side of a window, in pixels at its own scale."""

SHRINKING = 3.0
"""Factor by which each further window is coarser, and wider."""

LARGEST_JUDGED = 64.0
"""Pixels; nuclei that seem larger are judged again in a coarser window."""

AGREEMENT = 1.35
"""A pass stands if its own size estimate is within this factor of the one it was scaled by."""

ENOUGH_NUCLEI = 20
"""Nuclei that a pass must have seen before it may be stopped because of a wrong scale."""

NATIVE = 1.25
"""Images whose nuclei are within this factor of the model's size are not rescaled: outlines stay sharper."""

SCALES = (0.1, 8.0)
"""Model pixels per image pixel, at least and at most."""

SAMPLES = 3
"""Windows along each axis, spread over a plane too large for one pass, on which its nuclei are judged."""

SAMPLE_SIDE = 512
"""Side of each of these windows, in pixels of the model's own scale."""

EARLY_SHARE = 0.5
"""Share of the progress bar that passes at a wrong scale may fill: they stop early, and each one gets half of what is
left of it, so that the bar never moves back."""

CORRECTIONS = 2
"""Times that a scale is corrected; the pass after that stands, whatever size it finds."""

PATCHES, PATCH_RADIUS, PATCH_STEP = 8, 48, 3
"""Where to look first: the brightest of so many patches along each axis, each reaching so many image pixels from its
centre at most. Of their rows and columns every third is enough for a mean."""

BRIGHTEST = 1.5
"""Normalised intensity at which patches are clipped, so that debris does not outshine nuclei, which reach about 1."""


@dataclass(frozen=True)
class SizedPrediction:
    """A plane's prediction, and the nucleus diameter in image pixels that it found; 0 where there are no nuclei."""

    prediction: Prediction
    diameter: float


class _WrongScaleError(Exception):
    """A pass was stopped because the nuclei are of another size."""

    def __init__(self, factor: float) -> None:
        self.factor = factor


def scale_for(diameter: float, model_diameter: float) -> float:
    """Model pixels per image pixel for nuclei of a given diameter in image pixels.

    Examples
    --------
    >>> scale_for(44.0, 22.0), scale_for(24.0, 22.0)
    (0.5, 1.0)
    """
    scale = model_diameter / diameter
    # Within a quarter the network sees nuclei as well; resizing would blur the image twice, there and back.
    if 1 / NATIVE <= scale <= NATIVE:
        return 1.0
    return float(np.clip(scale, *SCALES))


def predict_sized(
    reader: PlaneReader, runner: NetworkRunner, progress: Progress, estimate: float = 0.0
) -> SizedPrediction:
    """Predict a plane at the scale that suits its nuclei; ``estimate`` is that of `first_look`, or 0."""
    model_diameter = runner.card.diameter
    scale = scale_for(estimate or first_look(reader, runner, progress), model_diameter)
    # 0, 0.25 and 0.375 of the bar for three passes.
    starts = [EARLY_SHARE * (1 - 0.5**k) for k in range(CORRECTIONS + 1)]
    for start in starts[:-1]:
        try:
            prediction = predict_plane(reader, scale, runner, Share(progress, start, 1.0), _stop_if_wrong)
        except _WrongScaleError as wrong:
            # The factor is seen at this scale: a factor of 1 would mean that the scale is right.
            corrected = scale_for(model_diameter * wrong.factor / scale, model_diameter)
            if corrected == scale:  # at a limit, or not rescaled at all: another pass would be stopped likewise
                break
            scale = corrected
            continue
        return _sized(prediction, model_diameter)
    return _sized(predict_plane(reader, scale, runner, Share(progress, starts[-1], 1.0)), model_diameter)


def _sized(prediction: Prediction, model_diameter: float) -> SizedPrediction:
    found = prediction.evidence.nuclei > 0
    return SizedPrediction(prediction, model_diameter * prediction.evidence.factor / prediction.scale if found else 0.0)


def _contradicts(evidence: SizeEvidence) -> bool:
    """Tell whether enough nuclei of another size were seen; a few may be debris."""
    return evidence.nuclei >= ENOUGH_NUCLEI and not 1 / AGREEMENT <= evidence.factor <= AGREEMENT


def _stop_if_wrong(evidence: SizeEvidence) -> None:
    if _contradicts(evidence):
        raise _WrongScaleError(evidence.factor)


@dataclass(frozen=True)
class Glance:
    """Outputs (K, Y, X) of `NetworkRunner.run` for windows of a plane, at ``scale`` of their pixels per image pixel."""

    outputs: tuple[Maps, ...]
    scale: float
    size: SizeEvidence
    model_diameter: float

    @property
    def is_judged(self) -> bool:
        """True where there are nuclei, and none too large to be judged at this scale."""
        return self.size.nuclei >= 1 and self.size.factor * self.model_diameter <= LARGEST_JUDGED

    @property
    def diameter(self) -> float:
        """Of the nuclei in image pixels; where none are seen, what the model takes at this scale."""
        return self.model_diameter * (self.size.factor if self.size.nuclei >= 1 else 1.0) / self.scale


def first_look(reader: PlaneReader, runner: NetworkRunner, progress: Progress) -> float:
    """Estimate the nucleus diameter from small windows, in image pixels; the model's own where nothing is seen."""
    # One window holds all of a small plane, wherever its centre is.
    centre = brightest_patch(reader) if max(reader.shape) > WINDOW else (0, 0)
    seen = runner.card.diameter
    # Finest first: most images are decided there. A coarser window is of the same cost and shows nine times the area.
    for shrink in shrinkings(reader.shape):
        progress.report(Advanced(0.0, "looking at the nuclei's size"))
        found = glance(reader, runner, [centre], 1 / shrink, WINDOW, progress)
        # Too large to be judged is still better than nothing, should the coarser windows show no nuclei at all.
        if found.size.nuclei >= 1:
            seen = found.diameter
            if found.is_judged:
                break
    return seen


def shrinkings(shape: tuple[int, int]) -> list[float]:
    """Shrinking factors of the windows, from the image's own scale to where one window holds the whole plane."""
    whole = max(max(shape) / WINDOW, 1.0)
    factors = [1.0]
    while factors[-1] < whole:
        factors.append(min(factors[-1] * SHRINKING, whole))
    return factors


def brightest_patch(reader: PlaneReader) -> tuple[int, int]:
    """Return the centre (y, x) of the brightest of regularly spaced patches: where nuclei are, if there are any."""
    grid = [np.linspace(0, size, PATCHES + 1).astype(int) for size in reader.shape]
    best, centre = -np.inf, (reader.shape[0] // 2, reader.shape[1] // 2)
    for y0, y1 in pairwise(grid[0]):
        for x0, x1 in pairwise(grid[1]):
            # Planes of fewer pixels than patches have empty ones.
            if y0 == y1 or x0 == x1:
                continue
            y, x = (y0 + y1) // 2, (x0 + x1) // 2
            rows = max(y - PATCH_RADIUS, y0), min(y + PATCH_RADIUS, y1)
            columns = max(x - PATCH_RADIUS, x0), min(x + PATCH_RADIUS, x1)
            brightness = float(np.clip(reader.read((*rows, *columns), PATCH_STEP), 0.0, BRIGHTEST).mean())
            if brightness > best:
                best, centre = brightness, (int(y), int(x))
    return centre


def glance(
    reader: PlaneReader,
    runner: NetworkRunner,
    centres: Sequence[tuple[int, int]],
    scale: float,
    side: int,
    progress: Progress,
) -> Glance:
    """Run the network on windows of a plane: centres (y, x) in image pixels, ``side`` in pixels of their own scale."""
    grid = Grid.at_scale(reader.shape, scale)
    outputs: list[Maps] = []
    size = NO_NUCLEI
    for centre in centres:
        image = grid.read(reader, _window(grid, centre, scale, side, runner.card.architecture.stride))
        output = _run(image, runner, progress)
        if output is not None:
            outputs.append(output)
            if runner.card.tells_size:
                size += SizeEvidence.of(output, runner.card, scale)
    return Glance(tuple(outputs), scale, size, runner.card.diameter)


def _window(grid: Grid, centre: tuple[int, int], scale: float, side: int, stride: int) -> Region:
    """Rectangle of a grid round a place in the image, whose edges are multiples of the stride."""
    # Moved inwards at the plane's edge rather than cut, so that as much is seen as elsewhere.
    starts = [
        max(min(round(middle * scale) - side // 2, size - side), 0) // stride * stride
        for middle, size in zip(centre, grid.shape, strict=True)
    ]
    sides = [round_up(min(side, size - start), stride) for start, size in zip(starts, grid.shape, strict=True)]
    return starts[0], starts[0] + sides[0], starts[1], starts[1] + sides[1]


def _run(image: Image, runner: NetworkRunner, progress: Progress) -> Maps | None:
    """Run the network on a window, which is no larger than a tile has to be; None where not even it fits."""
    while True:
        try:
            return runner.run(image, progress)
        except TileTooLarge:
            # The runner has stepped down already; a window must not be cut into tiles, so it is left out.
            if runner.tile < max(image.shape[1:]):
                return None


def find_scale(
    planes: Sequence[PlaneReader], runner: NetworkRunner, progress: Progress, estimate: float = 0.0
) -> tuple[float, float]:
    """Find the scale of planes from windows that are spread over them, the middle one first.

    Returns
    -------
    scale : float
        Model pixels per image pixel.
    diameter : float
        Of the nuclei in image pixels; the model's own where there are none.
    """
    model_diameter = runner.card.diameter
    scale = scale_for(estimate or first_look(planes[len(planes) // 2], runner, progress), model_diameter)
    evidence = _evidence_of_all(planes, runner, scale, progress)
    for _ in range(CORRECTIONS):
        if not _contradicts(evidence):
            break
        corrected = scale_for(model_diameter * evidence.factor / scale, model_diameter)
        if corrected == scale:
            break
        scale = corrected
        evidence = _evidence_of_all(planes, runner, scale, progress)
    return scale, model_diameter * evidence.factor / scale if evidence.nuclei > 0 else model_diameter


def _evidence_of_all(
    planes: Sequence[PlaneReader], runner: NetworkRunner, scale: float, progress: Progress
) -> SizeEvidence:
    """Add up what windows of all planes show."""
    return sum((_sampled_evidence(plane, runner, scale, progress) for plane in planes), NO_NUCLEI)


def _sampled_evidence(reader: PlaneReader, runner: NetworkRunner, scale: float, progress: Progress) -> SizeEvidence:
    """Run the network on the windows, and add up what its size head says."""
    # Always the same number of model pixels, however many image pixels those are: all scales cost the same.
    side = max(round(SAMPLE_SIDE / scale), 1)
    windows = [
        (*rows, *columns) for rows in _spread(reader.shape[0], side) for columns in _spread(reader.shape[1], side)
    ]
    top, left = reader.region[0], reader.region[2]
    evidence = NO_NUCLEI
    for number, (y0, y1, x0, x1) in enumerate(windows):
        # Read as the whole plane is: with its intensities, not the window's own.
        window = replace(reader, region=(top + y0, top + y1, left + x0, left + x1))
        progress.report(Advanced(0.0, f"looking at the nuclei's size, window {number + 1} of {len(windows)}"))
        evidence += predict_plane(window, scale, runner, Share(progress, 0.0, 0.0)).evidence
    return evidence


def _spread(size: int, side: int) -> Sequence[tuple[int, int]]:
    """Return `SAMPLES` intervals of a length, spread from one end to the other; one interval where they would touch."""
    if size <= SAMPLES * side:
        return [(0, size)]
    return [(int(start), int(start) + side) for start in np.linspace(0, size - side, SAMPLES)]
