"""Offers corrections of an image that were saved before, also where there are no labels of it yet."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Labels
from qtpy.QtCore import QObject, Signal

from napari_unet_nuclei.core.corrections.index import INDEX, CorrectionEntry
from napari_unet_nuclei.core.corrections.store import corrections_folder
from napari_unet_nuclei.core.errors import NucleiError
from napari_unet_nuclei.gui.correct.keeper import Keeper
from napari_unet_nuclei.gui.correct.picker import LayerPicker
from napari_unet_nuclei.gui.correct.session import CorrectSession
from napari_unet_nuclei.gui.viewer.corrected_layer import CorrectedLayer, Index, corrected_layer
from napari_unet_nuclei.gui.viewer.layers import describe_layer, guess_layer_axes

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Image


class Offers(QObject):
    """Lets the user bring saved corrections back.

    Parameters
    ----------
    viewer : napari.Viewer
    keeper : Keeper
        Finds and reads them.
    picker : LayerPicker
        Shows the offer.
    """

    restored = Signal(str)
    failed = Signal(object)

    def __init__(self, viewer: Viewer, keeper: Keeper, picker: LayerPicker) -> None:
        super().__init__()
        self._viewer = viewer
        self._keeper = keeper
        self._picker = picker
        self._session: CorrectSession | None = None
        self._layer: Labels | None = None
        self._entries: Mapping[Index, CorrectionEntry] = {}
        keeper.found.connect(self._take)
        picker.restore_clicked.connect(self.restore)

    def look_for(self, session: CorrectSession | None, image: Image | None) -> None:
        """Look for what was saved of a session's image, or without one of an image."""
        if session is not None and session.layer == self._layer and self._entries:
            self._session = session  # begun for what is being restored
            return
        self._session, self._entries = session, {}
        self._picker.restore_banner.offer("")
        if session is not None and session.image is not None:
            self._layer = session.layer
            self._keeper.look_for(session.corrected)
        elif session is None and self._picker.labels is None and image is not None and _anything_saved():
            corrected = _without_labels(image)
            self._layer = None if corrected is None else corrected.layer
            if corrected is not None:
                self._keeper.look_for(corrected)

    def restore(self) -> None:
        """Bring back what was offered."""
        if self._layer is None or not self._entries:
            return
        if self._layer not in self._viewer.layers:
            self._viewer.add_layer(self._layer)
            self._picker.choose(self._layer)
        self._restore(self._entries)

    def _take(self, corrected: CorrectedLayer, entries: Mapping[Index, CorrectionEntry]) -> None:
        """Offer what was found; where the labels are what was saved, there is nothing to ask."""
        if corrected.layer != self._layer or not entries:
            return
        self._entries = entries
        if self._session is not None and self._keeper.is_same(self._session, entries):
            self._restore(entries)
            return
        latest = max(entry.saved for entry in entries.values())
        planes = "" if len(entries) == 1 else f" ({len(entries)} planes)"
        self._picker.restore_banner.offer(f"Corrections of this image{planes} were saved on {_local(latest)}.")

    def _restore(self, entries: Mapping[Index, CorrectionEntry]) -> None:
        assert self._session is not None, "labels in the viewer have a session"
        self._entries = {}
        self._picker.restore_banner.offer("")
        try:
            self._keeper.restore(self._session, entries)
        except NucleiError as error:
            self.failed.emit(error)
            return
        self.restored.emit("Saved corrections are back.")


def _anything_saved() -> bool:
    return (corrections_folder() / INDEX).exists()


def _without_labels(image: Image) -> CorrectedLayer | None:
    """Return labels without nuclei in the place of an image, not in the viewer; None where its axes are unknown."""
    try:
        described = describe_layer(image, guess_layer_axes(image))
        source = described.source
        empty = described.arrange(np.zeros((*source.leading_shape, *source.plane_shape), np.int32))
        origin = (0,) * (len(source.leading_axes) + 2)
        layer = Labels(np.ascontiguousarray(empty), name=f"{image.name} labels", **described.spatial(origin))
        return corrected_layer(layer, image)
    except NucleiError:
        return None


def _local(time: str) -> str:
    """Return a time of the list of corrections as people say it."""
    try:
        return f"{datetime.fromisoformat(time).astimezone():%d %B %Y, %H:%M}"
    except ValueError:
        return "an unknown date"
