"""Find the nuclei of stacks in three dimensions: one size and one spacing for all, a volume for every time point."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from napari_unet_nuclei.core.errors import VolumeTooLargeError
from napari_unet_nuclei.core.image.normalise import NOISE_MULTIPLE, estimate_noise
from napari_unet_nuclei.core.image.plane import PlaneReader
from napari_unet_nuclei.core.labels.decode_volume import VolumeDecoder, own_thresholds
from napari_unet_nuclei.core.progress import Advanced, Progress, Share, with_shares
from napari_unet_nuclei.core.segment.automatic_size import find_scale, first_look
from napari_unet_nuclei.core.segment.decoders import VolumesDecoder
from napari_unet_nuclei.core.segment.network_runner import NetworkRunner
from napari_unet_nuclei.core.segment.nuclei import NETWORK_SHARE, FoundNuclei, given_diameter
from napari_unet_nuclei.core.segment.planes import LARGEST_STACK
from napari_unet_nuclei.core.segment.predict import chosen_thresholds
from napari_unet_nuclei.core.segment.remedy import Remedy
from napari_unet_nuclei.core.segment.request import SegmentRequest
from napari_unet_nuclei.core.segment.volumes.predict import predict_volume
from napari_unet_nuclei.core.segment.volumes.spacing import Spacing, doubts, estimated_spacing, known_spacing
from napari_unet_nuclei.core.segment.volumes.stack import WorkingGrid

TAKEN_FOR = 22.0
"""Pixels of the nuclei that `WORKING_DIAMETER` belongs to; of a model that takes others, the grid is another."""

LOOKED_AT = (0.2, 0.8)
"""Share of the depth within which planes are looked at for the size of nuclei: at the ends they show caps."""

LOOKS = 5
"""Planes that are looked at."""

SIZING = 0.1
"""Share of the network's progress in which size and spacing are found out."""

LARGEST = 256 * 2**20
"""Working voxels of all volumes of an image that are worked on in memory, at up to 20 bytes each."""


MOSTLY_NOISE = 0.9
"""Share of the range of intensities, in multiples of the noise, from which a plane shows little else."""

LOST_IN_NOISE = Remedy(
    "No nuclei: nothing in this stack can be told from its noise. Record it with more light, or average several scans.",
    "Try the mean of all planes",
    {"planes": "mean"},
    none_found=True,
)


@dataclass(frozen=True)
class FoundVolumes:
    """Nuclei in three dimensions, the spacing that they were found with, and what is doubtful about it."""

    nuclei: FoundNuclei
    spacing: Spacing
    doubts: tuple[Remedy, ...]


def find_volumes(
    request: SegmentRequest,
    runner: NetworkRunner,
    readers: Sequence[PlaneReader],
    stacks: Sequence[Sequence[int]],
    progress: Progress,
    decides: int = 0,
    estimate: float = 0.0,
) -> FoundVolumes:
    """Find the nuclei of every stack.

    ``stacks`` tell which of the planes lie on top of each other; the others as for `find_nuclei`.
    """
    deciding = next(stack for stack in stacks if decides in stack)
    planes = [readers[number] for number in deciding]
    network = Share(progress, 0.0, NETWORK_SHARE)
    sizing = Share(network, 0.0, SIZING)
    diameter, spacing = volume_size(request, runner, planes, deciding.index(decides), sizing, estimate)
    unit = runner.card.diameter / TAKEN_FOR
    shape = (len(deciding), *planes[0].shape)
    voxels = len(stacks) * math.prod(WorkingGrid.of(shape, spacing.ratio, diameter, unit).shape)
    if voxels > LARGEST or len(stacks) * math.prod(shape) > LARGEST_STACK:
        raise VolumeTooLargeError(too_large(max(voxels, len(stacks) * math.prod(shape))))
    decoders = []
    for stack, share in with_shares(stacks, Share(network, SIZING, 1.0)):
        maps = predict_volume([readers[number] for number in stack], spacing.ratio, diameter, unit, runner, share)
        decoders.append(VolumeDecoder(maps))
    decoder = VolumesDecoder(decoders, stacks)
    own = own_thresholds(diameter)
    thresholds = chosen_thresholds(own, request.settings)
    progress.report(Advanced(NETWORK_SHARE, "finding the nuclei in the maps"))
    found = decoder.decode(thresholds, lambda: progress.report(Advanced(NETWORK_SHARE, "finding the nuclei")))
    nuclei = FoundNuclei(found.labels, found.scores, None, thresholds, own, diameter, decoder)
    if not len(found.scores) and _is_lost_in_noise(planes[deciding.index(decides)]):
        return FoundVolumes(nuclei, spacing, (LOST_IN_NOISE,))
    return FoundVolumes(nuclei, spacing, doubts(spacing, found.labels[list(deciding)], request.pixel_size))


def _is_lost_in_noise(plane: PlaneReader) -> bool:
    """Tell whether the range of intensities had to be widened for the noise of a plane."""
    height, width = plane.shape
    return estimate_noise(plane.read((0, height, 0, width))[0]) * NOISE_MULTIPLE > MOSTLY_NOISE


def volume_size(
    request: SegmentRequest,
    runner: NetworkRunner,
    planes: Sequence[PlaneReader],
    decides: int,
    progress: Progress,
    estimate: float = 0.0,
) -> tuple[float, Spacing]:
    """Find out how large nuclei are in pixels, and how far the planes of a stack are apart; as for `find_volumes`."""
    decided = request.decided
    if decided is not None and decided.spacing is not None:
        return decided.diameter, decided.spacing
    diameter = _diameter(request, runner, planes, decides, Share(progress, 0.0, 0.0), estimate)
    known = known_spacing(request.settings, request.pixel_size)
    return diameter, known or estimated_spacing(planes, diameter, runner, progress)


def too_large(voxels: int) -> str:
    """Say that an image is too large for memory, and what to do."""
    return (
        f"In three dimensions, this image takes {voxels / 1e6:,.0f} million voxels, more than the "
        f"{LARGEST / 1e6:,.0f} million that are worked on in memory. Have its labels written to disk, block by block "
        "(in a terminal --block 320, in Python segment_slide), or segment a region of it."
    )


def _diameter(
    request: SegmentRequest,
    runner: NetworkRunner,
    planes: Sequence[PlaneReader],
    decides: int,
    progress: Progress,
    estimate: float,
) -> float:
    """Return the diameter in pixels that the user gave, or that several planes of a stack show together."""
    card = runner.card
    if 0 in planes[0].shape or not (request.settings.diameter_auto and card.tells_size):
        return given_diameter(request, card.diameter)
    places = np.linspace(*LOOKED_AT, LOOKS) * (len(planes) - 1)
    chosen = sorted({round(float(place)) for place in places})
    seen = estimate or first_look(planes[decides], runner, progress)
    # Sections of a round nucleus are a little narrower than it; too large an estimate does little harm.
    _, diameter = find_scale([planes[place] for place in chosen], runner, progress, seen)
    return diameter
