"""How far the planes of a stack are apart: from the user, from the file, or from the shape of the nuclei."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from napari_unet_nuclei.core.errors import SettingsError
from napari_unet_nuclei.core.image.pixel_size import PixelSize
from napari_unet_nuclei.core.image.plane import PlaneReader
from napari_unet_nuclei.core.labels.decode import decode_plane
from napari_unet_nuclei.core.labels.join_planes import flatness, join_planes
from napari_unet_nuclei.core.progress import Progress, Share, with_shares
from napari_unet_nuclei.core.segment.automatic_size import scale_for
from napari_unet_nuclei.core.segment.decoders import stack_planes
from napari_unet_nuclei.core.segment.network_runner import NetworkRunner
from napari_unet_nuclei.core.segment.predict import predict_plane, thresholds_at
from napari_unet_nuclei.core.segment.remedy import Remedy
from napari_unet_nuclei.core.settings import SegmentSettings
from napari_unet_nuclei.core.types import Labels

LOOSE_OVERLAP = 0.3
"""IoU above which sections are joined to estimate the spacing: a nucleus that is cut short would seem flat."""

USABLE = 4
"""Nuclei, whole within the stack, from which the spacing can be estimated; estimates from so few were within 40 % on
real stacks, where that costs little."""

ENOUGH = 10
"""Nuclei, whole within the stack, that contradict a spacing which the file or the user states."""

USUAL = 2.0
"""Spacing in pixels, where there are not enough nuclei to tell: the middle of what confocal stacks have."""

CONTRADICTION = 1.6
"""Factor between a spacing and what the nuclei look like from which one of them is doubted. By true outlines, nuclei
are between 1.5 times as tall as wide, in plant tissue, and 1.4 times as flat, in monolayers."""

WINDOW = 512
"""Side of the window in which sections are looked at, in pixels of the model's scale."""

PLANES = 256
"""Planes that are looked at, at most."""


@dataclass(frozen=True)
class Spacing:
    """Distance of planes over that of pixels within them, and where it is from."""

    ratio: float
    source: Literal["given", "file", "estimated", "unknown"]

    def micrometres(self, pixel_size: PixelSize) -> float:
        """Distance of planes in µm; 0.0 where it is a guess, or pixels have no size."""
        return self.ratio * _pixel(pixel_size) if self.source in ("given", "file") and pixel_size.known else 0.0

    def described(self, pixel_size: PixelSize) -> dict[str, float | str]:
        """Describe it in plain JSON values, for the provenance."""
        return {"pixels": round(self.ratio, 4), "um": round(self.micrometres(pixel_size), 6), "from": self.source}

    def notices(self, planes: int) -> tuple[str, ...]:
        """Say what was guessed."""
        if self.source != "estimated":
            return ()
        estimate = (
            f"The file does not say how far the {planes} planes are apart: {self.ratio:.2g} pixels, as estimated "
        )
        return (f"{estimate}from round nuclei. Volumes in µm are left out: give the spacing for them (z spacing).",)


def known_spacing(settings: SegmentSettings, pixel_size: PixelSize) -> Spacing | None:
    """Return the spacing that the user or the file states; None where neither does.

    Raises `SettingsError` if it is given in µm for an image without a pixel size.
    """
    if not settings.z_spacing_auto:
        if settings.z_spacing_unit == "px":
            return Spacing(settings.z_spacing, "given")
        if not pixel_size.known:
            raise SettingsError(
                "The spacing of planes is given in µm, but the image has no pixel size. Give the spacing in pixels of "
                "a plane (unit px), or the pixel size."
            )
        return Spacing(settings.z_spacing / _pixel(pixel_size), "given")
    if pixel_size.known and pixel_size.z > 0:
        return Spacing(pixel_size.z / _pixel(pixel_size), "file")
    return None


def _pixel(pixel_size: PixelSize) -> float:
    """Side of a square with a pixel's area, µm."""
    return math.sqrt(pixel_size.y * pixel_size.x)


def estimated_spacing(
    readers: Sequence[PlaneReader], diameter: float, runner: NetworkRunner, progress: Progress
) -> Spacing:
    """Estimate the spacing of a stack from its nuclei: seen plane by plane, as many planes high as wide.

    ``diameter`` in pixels. Where too few nuclei lie wholly within the stack, the usual spacing is taken.
    """
    if 0 in readers[0].shape:
        return Spacing(USUAL, "unknown")
    card = runner.card
    scale = scale_for(diameter, card.diameter)
    height, width = readers[0].shape
    side = round(WINDOW / scale)
    y, x = max((height - side) // 2, 0), max((width - side) // 2, 0)
    top, left = readers[0].region[0], readers[0].region[2]
    region = (top + y, top + min(y + side, height), left + x, left + min(x + side, width))
    # As many planes in the middle of a deep stack as hold nuclei from end to end.
    first = max(len(readers) - PLANES, 0) // 2
    windows = [replace(reader, region=region) for reader in readers[first : first + PLANES]]
    thresholds = thresholds_at(card, scale)
    decoded = (
        decode_plane(predict_plane(window, scale, runner, share).maps, thresholds)
        for window, share in with_shares(windows, Share(progress, 0.0, 1.0))
    )
    sections = stack_planes(decoded, (len(windows), *windows[0].shape)).labels
    found = flatness(join_planes(sections, LOOSE_OVERLAP)[sections])
    if len(found) < USABLE:
        return Spacing(USUAL, "unknown")
    return Spacing(float(np.median(found)), "estimated")


def doubts(
    spacing: Spacing, labels: Labels, pixel_size: PixelSize, otherwise: Literal["joined", "each"] = "joined"
) -> tuple[Remedy, ...]:
    """Say what is doubtful about a spacing, given the nuclei (Z, Y, X) that were found with it.

    ``otherwise`` is how planes can be read which are no volume.
    """
    if spacing.source == "unknown":
        return (
            Remedy(
                "Nuclei were found in three dimensions. The file does not say how far the planes are apart, and too "
                f"few nuclei lie within the stack to estimate it: they were taken to be {USUAL:g} pixels apart. Give "
                "the spacing (z spacing), or, if the planes show different nuclei, choose planes each.",
                "Try planes joined one by one" if otherwise == "joined" else "Try each plane by itself",
                {"planes": otherwise},
            ),
        )
    found = flatness(labels)
    if spacing.source == "estimated" or len(found) < ENOUGH:
        return ()
    seen = float(np.median(found))
    if 1 / CONTRADICTION <= seen / spacing.ratio <= CONTRADICTION:
        return ()
    shape = "flat" if seen > spacing.ratio else "tall"
    unit = "µm" if pixel_size.known else "px"
    asked, likely = (one * (_pixel(pixel_size) if pixel_size.known else 1.0) for one in (spacing.ratio, seen))
    return (
        Remedy(
            f"With planes {asked:.3g} {unit} apart nuclei are {max(seen / spacing.ratio, spacing.ratio / seen):.1f} "
            f"times as {shape} as round ones, which contradicts the picture.",
            f"Try {likely:.3g} {unit}",
            {"z_spacing": float(f"{likely:.3g}"), "z_spacing_unit": unit},
        ),
    )
