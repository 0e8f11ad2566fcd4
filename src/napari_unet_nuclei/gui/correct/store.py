"""Corrections of a layer's planes on disk: what is saved of them, and how they are found again by their image."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_unet_nuclei.core.corrections.correction import CONTEXT, Correction, hash_image
from napari_unet_nuclei.core.corrections.index import CorrectionEntry
from napari_unet_nuclei.core.corrections.store import list_corrections, save_correction
from napari_unet_nuclei.core.labels.regions import grown, slices
from napari_unet_nuclei.core.progress import Advanced, Progress
from napari_unet_nuclei.core.types import AnyArray, Mask, Region
from napari_unet_nuclei.gui.viewer.corrected_layer import PLANE, CorrectedLayer, Index

if TYPE_CHECKING:
    pass

LARGEST_WHOLE = 16 * 2**20
"""Planes of more pixels are saved only where they were worked on."""

DISMISSED = "dismissed"
"""Name in a correction's provenance: places where no nucleus is."""


@dataclass(frozen=True, eq=False)
class PlaneToSave:
    """A plane as it was when saving was asked for.

    Attributes
    ----------
    corrected : CorrectedLayer
        Tells where the pixels of the image are, which are read when it is saved.
    index : Index
    region : Region
        What of the plane is saved.
    labels, reviewed : ndarray
        Copies, of the region.
    accepted : tuple of int
    dismissed : tuple of Region
        In pixels of the plane.
    name : str
        Under which it is kept.
    """

    corrected: CorrectedLayer
    index: Index
    region: Region
    labels: AnyArray
    reviewed: Mask
    accepted: tuple[int, ...]
    dismissed: tuple[Region, ...]
    name: str


def region_to_save(corrected: CorrectedLayer, worked: Region | None, reviewed: Mask | None) -> Region:
    """Return what of a plane is saved: all, or of a large one what was worked on, with some pixels round it."""
    height, width = corrected.labels.shape[-2:]
    whole = (0, height, 0, width)
    if height * width <= LARGEST_WHOLE:
        return whole
    touched = np.zeros((height, width), bool) if reviewed is None else reviewed.copy()
    if worked is not None:
        touched[slices(worked)] = True
    rows, columns = np.flatnonzero(touched.any(axis=1)), np.flatnonzero(touched.any(axis=0))
    if not rows.size:
        return whole
    box = (int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1)
    return grown(box, CONTEXT, (height, width))


def save_planes(folder: Path, planes: Sequence[PlaneToSave], progress: Progress) -> None:
    """Save planes.

    Raises
    ------
    NucleiError
        If one cannot be saved: the disk is full, the folder is not yours. What was saved before is as it was.
    """
    for number, plane in enumerate(planes):
        progress.report(Advanced(number / len(planes), f"saving plane {number + 1} of {len(planes)}"))
        save_correction(folder, _correction(plane))
    progress.report(Advanced(1.0, "saved"))


def find_saved(folder: Path, corrected: CorrectedLayer) -> Callable[[Progress], dict[Index, CorrectionEntry]]:
    """Return the job that finds what was saved of the planes of an image, the latest of each, by their pixels.

    The job raises a `DatasetError` if the list of corrections cannot be read.
    """

    def job(progress: Progress) -> dict[Index, CorrectionEntry]:
        found: dict[Index, CorrectionEntry] = {}
        hashes: dict[tuple[Index, Region], tuple[str, str]] = {}
        for entry in list_corrections(folder):
            for index, region in _places(corrected, entry):
                progress.report(Advanced(0.0, "looking for saved corrections"))
                if (index, region) not in hashes:
                    pixels, axes = _pixels(corrected, index, region)
                    hashes[index, region] = (hash_image(pixels), axes)
                same = hashes[index, region] == (entry.image_hash, entry.axes)
                if same and (index not in found or found[index].saved <= entry.saved):
                    found[index] = entry
        return found

    return job


def region_of_entry(corrected: CorrectedLayer, entry: CorrectionEntry) -> Region:
    """Return where in a plane of labels a correction lies."""
    first = corrected.first_pixel[-2:]
    height, width = _plane_shape(entry)
    y, x = entry.origin[0] - first[0], entry.origin[1] - first[1]
    return y, y + height, x, x + width


def dismissed_in(correction: Correction, corrected: CorrectedLayer) -> list[Region]:
    """Return the places, in pixels of the labels' plane, that a correction says hold no nucleus."""
    y, x = corrected.first_pixel[-2:]
    stored = correction.provenance.get(DISMISSED)
    boxes = [box for box in stored if isinstance(box, list) and len(box) == 4] if isinstance(stored, list) else []
    return [(y0 - y, y1 - y, x0 - x, x1 - x) for y0, y1, x0, x1 in boxes]


def _correction(plane: PlaneToSave) -> Correction:
    corrected = plane.corrected
    origin = corrected.first_pixel
    pixels, axes = _pixels(corrected, plane.index, plane.region)
    in_image = tuple(first + i for first, i in zip(origin[:-2], plane.index, strict=True))
    (y, x), (top, _, left, _) = origin[-2:], plane.region
    stays = set(np.unique(plane.labels).tolist())
    return Correction(
        name=plane.name,
        image=pixels,
        axes=axes,
        labels=plane.labels,
        reviewed=plane.reviewed,
        accepted=tuple(nucleus for nucleus in plane.accepted if nucleus in stays),
        pixel_size=corrected.pixel_size,
        origin=(y + top, x + left),
        channel=corrected.nuclei_channel if axes == "CYX" else None,
        provenance={
            **corrected.provenance,
            PLANE: list(in_image),
            DISMISSED: [[y0 + y, y1 + y, x0 + x, x1 + x] for y0, y1, x0, x1 in plane.dismissed],
        },
    )


def _pixels(corrected: CorrectedLayer, index: Index, region: Region) -> tuple[AnyArray, str]:
    """Return the image under a region; a single channel needs no axis, as corrections are kept."""
    pixels, axes = corrected.pixels(index, region)
    return (pixels[0], "YX") if axes == "CYX" and len(pixels) == 1 else (pixels, axes)


def _places(corrected: CorrectedLayer, entry: CorrectionEntry) -> Iterator[tuple[Index, Region]]:
    """Yield where in the labels a correction may belong, by its size and by the plane that it was made in."""
    if corrected.image is None:
        return
    region = region_of_entry(corrected, entry)
    height, width = corrected.labels.shape[-2:]
    if region[0] < 0 or region[2] < 0 or region[1] > height or region[3] > width:
        return
    origin = corrected.first_pixel
    stored = entry.provenance.get(PLANE)
    for index in corrected.plane_indices:
        in_image = [first + i for first, i in zip(origin[:-2], index, strict=True)]
        if stored is None or stored == in_image or len(corrected.plane_indices) == 1:
            yield index, region


def _plane_shape(entry: CorrectionEntry) -> tuple[int, int]:
    first = 1 if entry.axes == "CYX" else 0
    return entry.shape[first], entry.shape[first + 1]
