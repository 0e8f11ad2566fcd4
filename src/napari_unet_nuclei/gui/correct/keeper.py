"""Lets corrections outlive the viewer: saved when asked, while the user rests, and before anything closes."""

from __future__ import annotations

import threading
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Shapes
from qtpy.QtCore import QEvent, QObject, QTimer, Signal
from qtpy.QtWidgets import QMainWindow, QMessageBox, QWidget

from napari_unet_nuclei.core.corrections.index import CorrectionEntry
from napari_unet_nuclei.core.corrections.store import corrections_folder, read_correction
from napari_unet_nuclei.core.errors import NucleiError
from napari_unet_nuclei.core.labels.edit.edit import Change, edit_of, read_patch
from napari_unet_nuclei.core.labels.regions import slices
from napari_unet_nuclei.core.progress import Progress, Silent
from napari_unet_nuclei.core.types import Mask
from napari_unet_nuclei.gui.correct.review import ACCEPT
from napari_unet_nuclei.gui.correct.session import CorrectSession
from napari_unet_nuclei.gui.correct.store import (
    PlaneToSave,
    dismissed_in,
    find_saved,
    region_of_entry,
    region_to_save,
    save_planes,
)
from napari_unet_nuclei.gui.jobs.latest_job import LatestJob
from napari_unet_nuclei.gui.viewer.corrected_layer import CorrectedLayer, Index, correction_name, name_correction
from napari_unet_nuclei.gui.viewer.dock import ancestor
from napari_unet_nuclei.gui.viewer.reviewed_layer import PLANES_KEY, reviewed_layers, reviewed_mask, show_reviewed
from napari_unet_nuclei.gui.widgets.rest_timer import rest_timer

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Labels

REST = 20_000
"""Milliseconds without a change after which corrections are saved by themselves."""

RESTORE_TITLE = "Restore saved corrections"


@dataclass(frozen=True, eq=False)
class _Asked:
    """What is being saved."""

    session: CorrectSession
    planes: list[PlaneToSave]
    versions: dict[Index, int]
    masks: dict[Index, int]


class Keeper(QObject):
    """Saves and restores the corrections of sessions.

    Parameters
    ----------
    viewer : napari.Viewer
    """

    saved = Signal(str)
    """What was saved, and where."""

    failed = Signal(object)

    found = Signal(object, object)
    """A `CorrectedLayer` and what was saved of its planes: entries by index; none where nothing was."""

    def __init__(self, viewer: Viewer) -> None:
        super().__init__()
        self._viewer = viewer
        self._sessions: dict[CorrectSession, dict[Index, int]] = {}  # checksums of the masks that are on disk
        self._masks: dict[Labels, dict[Index, Mask | None]] = {}
        self._window: QMainWindow | None = None
        self._one_at_a_time = threading.Lock()
        self._saving, self._finding = LatestJob(), LatestJob()
        self._saving.succeeded.connect(self._note_saved)
        self._finding.succeeded.connect(self._pass_on)
        for job in (self._saving, self._finding):
            job.failed.connect(self.failed)
        self._rest = rest_timer(self, self._save_quietly, REST)
        viewer.layers.events.removing.connect(self._note_removing)

    @property
    def is_busy(self) -> bool:
        """True while something is saved or looked for."""
        return self._saving.is_busy or self._finding.is_busy

    def keep(self, session: CorrectSession) -> None:
        """Take care of a session from now on."""
        self._sessions[session] = {}
        session.changed.connect(self.note_change)

    def note_change(self) -> None:
        """Save after a rest from now."""
        self._rest.start()

    def release(self, session: CorrectSession) -> None:
        """Take care of a session no longer."""
        self._sessions.pop(session, None)

    def look_for(self, corrected: CorrectedLayer) -> None:
        """Look in the background for what was saved of an image; `found` tells."""
        search = find_saved(corrections_folder(), corrected)
        self._finding.submit(lambda progress: (corrected, search(progress)))

    def save(self, session: CorrectSession) -> None:
        """Save in the background what has changed; `saved` or `failed` tells."""
        asked = self._asked(session)
        if not asked.planes:
            problem = "" if session.corrected.image else " Choose the image: corrections are saved together with it."
            self.saved.emit(f"There is nothing new to save.{problem}")
            return

        def job(progress: Progress) -> _Asked:
            self._save(asked, progress)
            return asked

        self._saving.submit(job)

    def save_now(self, session: CorrectSession) -> NucleiError | None:
        """Save at once what has changed, as before something closes; return what went wrong."""
        asked = self._asked(session)
        try:
            self._save(asked, Silent())
        except NucleiError as error:
            return error
        self._mark_saved(asked)
        return None

    def is_same(self, session: CorrectSession, entries: Mapping[Index, CorrectionEntry]) -> bool:
        """Tell whether a session's labels are what was saved, so that only decisions are missing."""
        try:
            saved = {index: read_correction(corrections_folder(), entry.name) for index, entry in entries.items()}
        except NucleiError:
            return False
        return all(
            np.array_equal(
                read_patch(session.corrected.view[index], region_of_entry(session.corrected, entries[index])),
                correction.labels,
            )
            for index, correction in saved.items()
        )

    def restore(self, session: CorrectSession, entries: Mapping[Index, CorrectionEntry]) -> None:
        """Bring saved nuclei, decisions and reviewed regions into a session, in one step of its history per plane.

        Raises
        ------
        NucleiError
            If a correction cannot be read.
        """
        for index, entry in entries.items():
            correction = read_correction(corrections_folder(), entry.name)
            region = region_of_entry(session.corrected, entry)
            plane = session.corrected.view[index]
            dismissed = [(index, box) for box in dismissed_in(correction, session.corrected)]
            if np.array_equal(read_patch(plane, region), correction.labels):
                session.decide(ACCEPT, index, region, [(index, one) for one in correction.accepted], dismissed)
            else:
                change = Change(region, np.ones(correction.labels.shape, bool), correction.labels)
                edit = edit_of(plane, [change], RESTORE_TITLE)
                session.edit(index, edit, accepted=correction.accepted, dismissed=dismissed)
            reviewed = np.zeros(plane.shape, bool)
            reviewed[slices(region)] = correction.reviewed
            show_reviewed(self._viewer, session.layer, index, reviewed)
            assert session.image is not None, "corrections are found by their image"
            name_correction(session.corrected, session.image, index, entry.name)
            self._sessions[session][index] = _checksum(self._mask(session, index))
            session.unsaved.pop(index, None)

    def watch_window(self, widget: QWidget) -> None:
        """Save before the window that a widget lies in closes, also where its dock floats."""
        window = ancestor(widget, QMainWindow)
        if window is not None and window is not self._window:
            self._window = window
            window.installEventFilter(self)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Save when the window is asked to close; where that fails the user decides."""
        if watched is not self._window or event is None or event.type() != QEvent.Type.Close:
            return super().eventFilter(watched, event)
        problems = [str(error) for session in self._sessions if (error := self.save_now(session)) is not None]
        if problems and not self._may_close("\n\n".join(problems)):
            event.ignore()
            return True
        return super().eventFilter(watched, event)

    def _may_close(self, problem: str) -> bool:
        buttons = QMessageBox.StandardButton
        answer = QMessageBox.warning(
            self._window,
            "Corrections are not saved",
            f"Your corrections could not be saved:\n\n{problem}\n\nClose all the same, and lose them?",
            buttons.Discard | buttons.Cancel,
            buttons.Cancel,
        )
        return bool(answer == buttons.Discard)

    def _note_removing(self, event: Any) -> None:
        """Save before labels go; remember reviewed regions that go a moment before their labels do."""
        layer = self._viewer.layers[event.index]
        for session in list(self._sessions):
            if isinstance(layer, Shapes) and layer in reviewed_layers(self._viewer, session.layer):
                self._masks[session.layer] = {index: self._mask(session, index) for index in self._reviewed(session)}
                QTimer.singleShot(0, self._masks.clear)
            elif layer == session.layer:
                error = self.save_now(session)
                if error is not None:
                    QTimer.singleShot(0, partial(self._bring_back, layer, error))

    def _bring_back(self, layer: Labels, error: NucleiError) -> None:
        """Put labels back whose corrections could not be saved, and say why."""
        if self._window is not None and self._window.isVisible() and layer not in self._viewer.layers:
            self._viewer.add_layer(layer)
        self.failed.emit(error)

    def _save_quietly(self) -> None:
        """Save one session that has changed, unless one is being saved; the next one follows after another rest."""
        changed = [session for session in self._sessions if self._asked(session).planes]
        if changed and not self._saving.is_busy:
            self.save(changed[0])
        if changed:
            self._rest.start()

    def _asked(self, session: CorrectSession) -> _Asked:
        """Copy what has changed of a session since it was saved."""
        corrected, image, saved = session.corrected, session.image, self._sessions[session]
        versions, masks = dict(session.unsaved), {}
        planes = []
        for index in self._reviewed(session) | set(versions) if image is not None else ():
            mask = self._mask(session, index)
            masks[index] = _checksum(mask)
            if index not in versions and saved.get(index) == masks[index]:
                continue
            region = region_to_save(corrected, session.worked.get(index), mask)
            labels = read_patch(corrected.view[index], region)
            reviewed = np.zeros(labels.shape, bool) if mask is None else mask[slices(region)]
            accepted = tuple(sorted(one for plane, one in session.verdicts.accepted if plane == index))
            dismissed = tuple(sorted(box for plane, box in session.verdicts.dismissed if plane == index))
            name = correction_name(corrected, image, index)
            planes.append(PlaneToSave(corrected, index, region, labels, reviewed, accepted, dismissed, name))
        return _Asked(session, planes, versions, masks)

    def _reviewed(self, session: CorrectSession) -> set[Index]:
        """List the planes that may be reviewed, or were."""
        if session.layer in self._masks:
            return set(self._masks[session.layer])
        planes = {*session.layer.metadata.get(PLANES_KEY, ()), *self._sessions[session]}
        if reviewed_layers(self._viewer, session.layer):
            planes |= {index for index in session.corrected.plane_indices if self._mask(session, index) is not None}
        return planes

    def _mask(self, session: CorrectSession, index: Index) -> Mask | None:
        if session.layer in self._masks:
            return self._masks[session.layer].get(index)
        return reviewed_mask(self._viewer, session.layer, index)

    def _save(self, asked: _Asked, progress: Progress) -> None:
        with self._one_at_a_time:
            save_planes(corrections_folder(), asked.planes, progress)

    def _note_saved(self, asked: _Asked) -> None:
        self._mark_saved(asked)
        count = len(asked.planes)
        self.saved.emit(f"Saved {'the plane' if count == 1 else f'{count} planes'} in {corrections_folder()}.")

    def _pass_on(self, answer: tuple[CorrectedLayer, dict[Index, CorrectionEntry]]) -> None:
        self.found.emit(*answer)

    def _mark_saved(self, asked: _Asked) -> None:
        """Note what is on disk now; what was changed meanwhile is not."""
        if asked.session not in self._sessions:
            return
        self._sessions[asked.session] |= asked.masks
        for index, version in asked.versions.items():
            if asked.session.unsaved.get(index) == version:
                del asked.session.unsaved[index]


def _checksum(mask: Mask | None) -> int:
    return 0 if mask is None else zlib.crc32(np.packbits(mask).tobytes()) + 1
