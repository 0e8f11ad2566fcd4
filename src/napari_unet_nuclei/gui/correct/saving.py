"""Save corrections: when asked, while the user rests, and before anything closes."""

from __future__ import annotations

import threading
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Shapes
from qtpy.QtCore import QEvent, QObject, Signal
from qtpy.QtWidgets import QMainWindow, QMessageBox, QWidget

from napari_unet_nuclei.core.corrections.correction import region_to_keep
from napari_unet_nuclei.core.corrections.store import corrections_folder, save_correction
from napari_unet_nuclei.core.errors import NucleiError
from napari_unet_nuclei.core.labels.edit.edit import read_patch
from napari_unet_nuclei.core.labels.regions import slices
from napari_unet_nuclei.core.progress import Advanced, Progress, Silent
from napari_unet_nuclei.core.types import Index, Mask
from napari_unet_nuclei.gui.correct.current import CurrentCorrection
from napari_unet_nuclei.gui.correct.session import CorrectSession
from napari_unet_nuclei.gui.jobs.latest_job import LatestJob
from napari_unet_nuclei.gui.viewer.corrected_layer import correction_name, correction_of
from napari_unet_nuclei.gui.viewer.reviewed_layer import PLANES_KEY, reviewed_layers, reviewed_mask
from napari_unet_nuclei.gui.widgets.ancestor import ancestor
from napari_unet_nuclei.gui.widgets.rest_timer import rest_timer

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Labels

REST = 20_000
"""Milliseconds without a change after which corrections are saved automatically."""


@dataclass(frozen=True, eq=False)
class _Request:
    """Calls that save planes of a session, and the state of the session that is on disk afterwards."""

    session: CorrectSession
    planes: list[Callable[[], None]]
    versions: dict[Index, int]
    masks: dict[Index, int]


class CorrectionSaver(QObject):
    """Save the corrections of all sessions."""

    saved = Signal(str)
    """What was saved, and where."""

    failed = Signal(object)

    # A class attribute, as Qt may call the event filter while Python is already deleting the object's own attributes.
    _window: QMainWindow | None = None

    def __init__(self, viewer: Viewer, current: CurrentCorrection, parent: QObject) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._current = current
        self._removed_masks: dict[Labels, dict[Index, Mask | None]] = {}
        self._unsaved_layers: list[tuple[Labels, NucleiError]] = []
        # Held while planes are written: closing saves in the window's thread, perhaps while the other one saves.
        self._one_at_a_time = threading.Lock()
        self._saving = LatestJob()
        self._saving.succeeded.connect(self._note_saved)
        self._saving.failed.connect(self.failed)
        self._rest = rest_timer(self, self._save_quietly, REST)
        self._removed = rest_timer(self, self._after_removal)
        # Not `removed`: the regions in which labels were reviewed are read from the viewer's layers.
        viewer.layers.events.removing.connect(self._note_removing)
        current.edited.connect(self.note_change)

    @property
    def is_busy(self) -> bool:
        """True while something is saved."""
        return self._saving.is_busy

    def note_change(self) -> None:
        """Restart the time until corrections are saved automatically."""
        self._rest.start()

    def save(self, session: CorrectSession) -> None:
        """Save what has changed, in the background; `saved` or `failed` announces the outcome."""
        request = self._request(session)
        if request.planes:
            self._saving.submit(partial(self._save, request))
        else:
            problem = "" if session.image else " Choose the image: corrections are saved together with it."
            self.saved.emit(f"There is nothing new to save.{problem}")

    def save_now(self, session: CorrectSession) -> NucleiError | None:
        """Save what has changed at once, before something closes; return what went wrong."""
        request = self._request(session)
        try:
            self._mark_saved(self._save(request, Silent()))
        except NucleiError as error:
            return error
        return None

    def watch_window(self, widget: QWidget) -> None:
        """Save before the main window closes that a widget belongs to, even if its dock floats."""
        window = ancestor(widget, QMainWindow)
        if window is not None and window is not self._window:
            self._window = window
            window.installEventFilter(self)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Save when the window is about to close; if that fails, the user decides."""
        if watched is not self._window or event is None or event.type() != QEvent.Type.Close:
            return super().eventFilter(watched, event)
        problems = [str(error) for session in self._current.sessions if (error := self.save_now(session)) is not None]
        if problems and not self._may_close("\n\n".join(problems)):
            event.ignore()
            return True
        return super().eventFilter(watched, event)

    def _may_close(self, problem: str) -> bool:
        buttons = QMessageBox.StandardButton
        answer = QMessageBox.warning(
            self._window,
            "Corrections are not saved",
            f"Your corrections could not be saved:\n\n{problem}\n\nClose anyway and lose them?",
            buttons.Discard | buttons.Cancel,
            buttons.Cancel,
        )
        return bool(answer == buttons.Discard)

    def _note_removing(self, event: Any) -> None:
        layer = self._viewer.layers[event.index]
        for session in self._current.sessions:
            if isinstance(layer, Shapes) and layer in reviewed_layers(self._viewer, session.layer):
                # Clearing the layer list removes the regions a moment before the labels: remember them until then.
                masks = {index: self._mask(session, index) for index in self._reviewed(session)}
                self._removed_masks[session.layer] = masks
                self._removed.start()
            elif layer == session.layer:
                error = self.save_now(session)
                if error is not None:
                    self._unsaved_layers.append((layer, error))
                    self._removed.start()

    def _after_removal(self) -> None:
        """Add removed layers again whose corrections could not be saved, and report why."""
        self._removed_masks.clear()
        unsaved, self._unsaved_layers = self._unsaved_layers, []
        for layer, error in unsaved:
            if self._window is not None and self._window.isVisible() and layer not in self._viewer.layers:
                self._viewer.add_layer(layer)
            self.failed.emit(error)

    def _save_quietly(self) -> None:
        """Save one changed session; the next one follows after another rest."""
        changed = [session for session in self._current.sessions if self._request(session).planes]
        # A second request would take the place of the first one, whose planes would stay unsaved.
        if changed and not self._saving.is_busy:
            self.save(changed[0])
        if changed:
            self._rest.start()

    def _request(self, session: CorrectSession) -> _Request:
        """Copy what has changed in a session since it was saved."""
        image, versions, masks = session.image, dict(session.unsaved), {}
        planes = []
        for index in sorted(self._reviewed(session) | set(versions)) if image is not None else ():
            mask = self._mask(session, index)
            # Changes of regions are not counted as those of nuclei are: compare what they cover with what is on disk.
            masks[index] = mask_checksum(mask)
            if index in versions or session.saved_masks.get(index) != masks[index]:
                planes.append(_plane_job(session, index, correction_name(session.corrected, image, index), mask))
        return _Request(session, planes, versions, masks)

    def _reviewed(self, session: CorrectSession) -> set[Index]:
        """List the planes that are or were reviewed."""
        if session.layer in self._removed_masks:
            return set(self._removed_masks[session.layer])
        # Those on disk as well: where nothing is reviewed any more, that has to be saved too.
        planes = {*session.layer.metadata.get(PLANES_KEY, ()), *session.saved_masks}
        if reviewed_layers(self._viewer, session.layer):
            planes |= {index for index in session.corrected.plane_indices if self._mask(session, index) is not None}
        return planes

    def _mask(self, session: CorrectSession, index: Index) -> Mask | None:
        if session.layer in self._removed_masks:
            return self._removed_masks[session.layer].get(index)
        return reviewed_mask(self._viewer, session.layer, index)

    def _save(self, request: _Request, progress: Progress) -> _Request:
        count = len(request.planes)
        with self._one_at_a_time:
            for number, save_plane in enumerate(request.planes):
                progress.report(Advanced(number / count, f"saving plane {number + 1} of {count}"))
                save_plane()
        return request

    def _note_saved(self, request: _Request) -> None:
        self._mark_saved(request)
        count = len(request.planes)
        self.saved.emit(f"Saved {'the plane' if count == 1 else f'{count} planes'} in {corrections_folder()}.")

    def _mark_saved(self, request: _Request) -> None:
        """Record what is on disk now; changes that were made while saving stay unsaved."""
        session = request.session
        session.saved_masks |= request.masks
        for index, version in request.versions.items():
            if session.unsaved.get(index) == version:
                del session.unsaved[index]


def _plane_job(session: CorrectSession, index: Index, name: str, mask: Mask | None) -> Callable[[], None]:
    """Copy the corrections of a plane now, and return a call that saves them."""
    corrected = session.corrected
    height, width = corrected.labels.shape[-2:]
    region = region_to_keep((height, width), mask, session.edited.get(index))
    labels = read_patch(corrected.view[index], region)
    reviewed = np.zeros(labels.shape, bool) if mask is None else mask[slices(region)]
    accepted = sorted(nucleus for plane, nucleus in session.verdicts.accepted if plane == index)
    dismissed = sorted(box for plane, box in session.verdicts.dismissed if plane == index)

    # The image is read by the thread that saves, as it may be a large one on disk.
    def save() -> None:
        existing = set(np.unique(labels).tolist())
        correction = correction_of(
            corrected,
            index,
            name,
            corrected.pixels(index, region),
            labels,
            reviewed,
            [nucleus for nucleus in accepted if nucleus in existing],
            corner=(region[0], region[2]),
            dismissed=dismissed,
        )
        save_correction(corrections_folder(), correction)

    return save


def mask_checksum(mask: Mask | None) -> int:
    """Return a number that tells reviewed masks apart; 0 for none."""
    return 0 if mask is None else zlib.crc32(np.packbits(mask).tobytes()) + 1
