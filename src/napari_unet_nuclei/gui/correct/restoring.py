"""Find corrections of the current image that were saved earlier, and offer to restore them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Labels
from qtpy.QtCore import QObject, Signal

from napari_unet_nuclei.core.corrections.correction import DISMISSED, PLANE, Correction, hash_image
from napari_unet_nuclei.core.corrections.index import INDEX, CorrectionEntry
from napari_unet_nuclei.core.corrections.review import ACCEPT
from napari_unet_nuclei.core.corrections.store import corrections_folder, list_corrections, read_correction
from napari_unet_nuclei.core.errors import NucleiError
from napari_unet_nuclei.core.labels.edit.edit import Change, edit_of, read_patch
from napari_unet_nuclei.core.labels.regions import slices
from napari_unet_nuclei.core.progress import Advanced, Progress
from napari_unet_nuclei.core.types import Index, Region
from napari_unet_nuclei.gui.correct.current import CurrentCorrection
from napari_unet_nuclei.gui.correct.picker import LayerPicker
from napari_unet_nuclei.gui.correct.saving import mask_checksum
from napari_unet_nuclei.gui.correct.session import CorrectSession
from napari_unet_nuclei.gui.jobs.latest_job import LatestJob
from napari_unet_nuclei.gui.viewer.corrected_layer import CorrectedLayer, corrected_layer, name_correction
from napari_unet_nuclei.gui.viewer.layers import describe_layer, guess_layer_axes
from napari_unet_nuclei.gui.viewer.reviewed_layer import reviewed_mask, show_reviewed

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Image

Entries = Mapping[Index, CorrectionEntry]
"""Saved corrections by the plane of the labels that they belong to."""


@dataclass(frozen=True, eq=False)
class _Found:
    """Saved corrections, and the labels that they were looked up for: current ones, or empty ones not yet shown."""

    corrected: CorrectedLayer
    entries: Entries


class Restorer(QObject):
    """Look for saved corrections whenever something else is corrected, and restore them when asked."""

    restored = Signal(str)
    failed = Signal(object)

    def __init__(self, viewer: Viewer, current: CurrentCorrection, picker: LayerPicker, parent: QObject) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._current = current
        self._picker = picker
        self._offered: _Found | None = None
        self._finding = LatestJob()
        self._finding.succeeded.connect(self._offer)
        self._finding.failed.connect(self.failed)
        current.changed.connect(self._look)
        picker.restore_banner.clicked.connect(self.restore)

    @property
    def is_busy(self) -> bool:
        """True while saved corrections are looked for."""
        return self._finding.is_busy

    def restore(self) -> None:
        """Restore what was offered; where there are no labels yet, add a layer for them."""
        found, image = self._offered, self._current.image
        if found is None:
            return
        if self._current.session is None:
            # Signals are delivered at once: once the layer is added and chosen, its session has begun.
            self._viewer.add_layer(found.corrected.layer)
            self._picker.choose(found.corrected.layer, image)
        self._restore(found)

    def _look(self) -> None:
        """Withdraw the offer for the former labels, and look for corrections of the current ones."""
        self._finding.cancel()
        self._withdraw()
        session, image = self._current.session, self._current.image
        corrected = None if session is None or session.image is None else session.corrected
        # Asked first: describing an image and hashing its planes takes time.
        is_anything_saved = (corrections_folder() / INDEX).exists()
        if session is None and self._picker.labels is None and image is not None and is_anything_saved:
            corrected = _without_labels(image)
        if corrected is not None:
            self._finding.submit(partial(_find, corrections_folder(), corrected))

    def _withdraw(self) -> None:
        self._offered = None
        self._picker.offer_restore("")

    def _offer(self, found: _Found) -> None:
        """Offer what was found; decisions on labels that are as saved are restored without asking."""
        if not found.entries:
            return
        session = self._current.session
        if session is not None and _is_same(session, found.entries):
            self._restore(found)
            return
        self._offered = found
        latest = max(entry.saved for entry in found.entries.values())
        planes = "" if len(found.entries) == 1 else f" ({len(found.entries)} planes)"
        self._picker.offer_restore(f"Corrections of this image{planes} were saved on {_local(latest)}.")

    def _restore(self, found: _Found) -> None:
        self._finding.cancel()
        self._withdraw()
        session = self._current.session
        if session is None or session.layer != found.corrected.layer:
            return  # the layer could not be added, or its labels cannot be corrected
        try:
            for index, entry in found.entries.items():
                self._restore_plane(session, index, entry)
        except NucleiError as error:
            self.failed.emit(error)
            return
        self.restored.emit("Saved corrections are restored.")

    def _restore_plane(self, session: CorrectSession, index: Index, entry: CorrectionEntry) -> None:
        """Restore nuclei, decisions and the reviewed region of a plane, in one step of the history."""
        correction = read_correction(corrections_folder(), entry.name)
        region = _region_of(session.corrected, entry)
        plane = session.corrected.view[index]
        dismissed = [(index, box) for box in _dismissed_in(correction, session.corrected)]
        if np.array_equal(read_patch(plane, region), correction.labels):
            session.decide(ACCEPT, index, region, [(index, one) for one in correction.accepted], dismissed)
        else:
            change = Change(region, np.ones(correction.labels.shape, bool), correction.labels)
            edit = edit_of(plane, [change], "Restore saved corrections")
            session.edit(index, edit, accepted=correction.accepted, dismissed=dismissed)
        reviewed = np.zeros(plane.shape, bool)
        reviewed[slices(region)] = correction.reviewed
        show_reviewed(self._viewer, session.layer, index, reviewed)
        assert session.image is not None, "corrections are found by their image"
        # Under the same name, so that what is corrected from here on replaces this file instead of adding one.
        name_correction(session.corrected, session.image, index, entry.name)
        # Of the mask read back, as regions that were drawn before count as well.
        session.saved_masks[index] = mask_checksum(reviewed_mask(self._viewer, session.layer, index))
        session.unsaved.pop(index, None)


def _find(folder: Path, corrected: CorrectedLayer, progress: Progress) -> _Found:
    """Find the latest saved correction of each plane, by the pixels of the image."""
    found: dict[Index, CorrectionEntry] = {}
    # Many corrections share a place, and hashing reads the image.
    hashes: dict[tuple[Index, Region], tuple[str, str]] = {}
    for entry in list_corrections(folder):
        for index, region in _places(corrected, entry):
            progress.report(Advanced(0.0, "looking for saved corrections"))
            if (index, region) not in hashes:
                hashes[index, region] = _image_hash(corrected, index, region)
            same = hashes[index, region] == (entry.image_hash, entry.axes)
            if same and (index not in found or found[index].saved <= entry.saved):
                found[index] = entry
    return _Found(corrected, found)


def _image_hash(corrected: CorrectedLayer, index: Index, region: Region) -> tuple[str, str]:
    pixels, axes = corrected.pixels(index, region)
    # A single channel is saved without its axis.
    return (hash_image(pixels[0]), "YX") if axes == "CYX" and len(pixels) == 1 else (hash_image(pixels), axes)


def _places(corrected: CorrectedLayer, entry: CorrectionEntry) -> Iterator[tuple[Index, Region]]:
    """Yield where a correction may belong in the labels, by its size and the plane that it was made in."""
    if corrected.image is None:
        return
    region = _region_of(corrected, entry)
    height, width = corrected.labels.shape[-2:]
    if region[0] < 0 or region[2] < 0 or region[1] > height or region[3] > width:
        return
    stored = entry.provenance.get(PLANE)
    for index in corrected.plane_indices:
        # A plane may have been cut out of its stack and opened alone since.
        if stored is None or stored == list(corrected.image_index(index)) or len(corrected.plane_indices) == 1:
            yield index, region


def _region_of(corrected: CorrectedLayer, entry: CorrectionEntry) -> Region:
    """Return where a correction lies in a plane of the labels."""
    # Origins are stored in pixels of the image, of which the labels may cover a part.
    first = corrected.first_pixel[-2:]
    leading = 1 if entry.axes == "CYX" else 0
    height, width = entry.shape[leading : leading + 2]
    y, x = entry.origin[0] - first[0], entry.origin[1] - first[1]
    return y, y + height, x, x + width


def _dismissed_in(correction: Correction, corrected: CorrectedLayer) -> list[Region]:
    """Return the dismissed places of a correction, in pixels of the labels' plane."""
    y, x = corrected.first_pixel[-2:]
    # The file may come from elsewhere: whatever is no box is ignored.
    stored = correction.provenance.get(DISMISSED)
    boxes = [box for box in stored if isinstance(box, list) and len(box) == 4] if isinstance(stored, list) else []
    return [(y0 - y, y1 - y, x0 - x, x1 - x) for y0, y1, x0, x1 in boxes]


def _is_same(session: CorrectSession, entries: Entries) -> bool:
    """Return whether the labels are as saved, so that only decisions are missing."""
    corrected = session.corrected
    try:
        saved = {index: read_correction(corrections_folder(), entry.name) for index, entry in entries.items()}
    except NucleiError:
        return False
    return all(
        np.array_equal(read_patch(corrected.view[index], _region_of(corrected, entries[index])), correction.labels)
        for index, correction in saved.items()
    )


def _without_labels(image: Image) -> CorrectedLayer | None:
    """Return empty labels on an image, not in the viewer; None where the image's axes are unknown."""
    try:
        described = describe_layer(image, guess_layer_axes(image))
        source = described.source
        empty = described.arrange(np.zeros(source.channel_shape, np.int32))
        origin = (0,) * (len(source.leading_axes) + 2)
        layer = Labels(np.ascontiguousarray(empty), name=f"{image.name} labels", **described.spatial(origin))
        return corrected_layer(layer, image)
    except NucleiError:
        return None


def _local(time: str) -> str:
    try:
        return f"{datetime.fromisoformat(time).astimezone():%d %B %Y, %H:%M}"
    except ValueError:
        return "an unknown date"
