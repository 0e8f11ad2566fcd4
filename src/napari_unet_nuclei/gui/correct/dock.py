"""The dock *Correct nuclei*: from one doubtful nucleus to the next, with tools that mend it."""

# Annotations are not deferred here: napari finds out by them that it has to give its viewer.

from typing import TYPE_CHECKING

from napari.utils.notifications import show_warning
from qtpy.QtCore import QEvent, QTimer
from qtpy.QtGui import QHideEvent, QShowEvent
from qtpy.QtWidgets import QVBoxLayout

from napari_unet_nuclei.gui.correct.gestures import Gestures
from napari_unet_nuclei.gui.correct.guide import Guide
from napari_unet_nuclei.gui.correct.keeper import Keeper
from napari_unet_nuclei.gui.correct.keys import Keys
from napari_unet_nuclei.gui.correct.offer import Offers
from napari_unet_nuclei.gui.correct.panels import QueuePanel, ToolsPanel, described
from napari_unet_nuclei.gui.correct.picker import LayerPicker
from napari_unet_nuclei.gui.correct.reviewed import ReviewedPanel
from napari_unet_nuclei.gui.correct.session import CorrectSession
from napari_unet_nuclei.gui.correct.tools import Tools
from napari_unet_nuclei.gui.correct.walk import Walk
from napari_unet_nuclei.gui.jobs.job_panel import JobPanel
from napari_unet_nuclei.gui.viewer.corrected_layer import copy_in_memory
from napari_unet_nuclei.gui.viewer.dock import Dock
from napari_unet_nuclei.gui.widgets.rest_timer import rest_timer
from napari_unet_nuclei.gui.widgets.scroll_column import ScrollColumn
from napari_unet_nuclei.gui.widgets.titled import titled

if TYPE_CHECKING:
    import napari
    from napari.layers import Labels


REST = 150
"""Milliseconds on a plane after which its nuclei are looked at."""

OUTLINE = 1
"""Width in pixels of the outlines that labels are shown as."""


class CorrectDock(Dock):
    """Corrects the nuclei of a labels layer, and keeps what was corrected.

    Parameters
    ----------
    napari_viewer : napari.Viewer
    """

    tab_title = "Correct"

    def __init__(self, napari_viewer: "napari.viewer.Viewer") -> None:
        super().__init__()
        self._viewer = napari_viewer
        self._sessions: list[CorrectSession] = []
        self._is_closed = False
        self.session: CorrectSession | None = None
        self.guide = Guide(napari_viewer)
        self.gestures = Gestures(napari_viewer, self.guide)
        self.walk = Walk(napari_viewer, self.guide)
        self.tools = Tools(self.walk, self.gestures)
        self.keeper = Keeper(napari_viewer)
        self.keys = Keys(self, self.do)
        self.picker = LayerPicker(napari_viewer)
        self.queue_panel, self.tools_panel = QueuePanel(), ToolsPanel()
        self.reviewed_panel = ReviewedPanel(napari_viewer)
        self.offers = Offers(napari_viewer, self.keeper, self.picker)
        self.panel = JobPanel("Save corrections", "Keep image, nuclei and reviewed regions, to train models on later.")
        self._refreshing = rest_timer(self, self._refresh)
        self._resting = rest_timer(self, self._look_at_plane, REST)
        self._lay_out()
        self._connect_panels()
        self._connect_viewer()
        self._choose()

    def _lay_out(self) -> None:
        self.panel.cancel_button.hide()
        column = ScrollColumn(
            self.picker,
            titled("Review", self.queue_panel),
            titled("Tools", self.tools_panel),
            titled("Reviewed region", self.reviewed_panel),
        )
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(column, stretch=1)
        layout.addWidget(self.panel)

    def _connect_panels(self) -> None:
        self.picker.changed.connect(self._choose)
        self.picker.copy_clicked.connect(self._work_on_copy)
        self.queue_panel.pressed.connect(self.press)
        self.queue_panel.scope_changed.connect(self.walk.choose_scope)
        self.queue_panel.outlines_toggled.connect(self._show_outlines)
        self.queue_panel.mark_clicked.connect(self._mark_finished)
        self.tools_panel.pressed.connect(self.press)
        self.tools_panel.split_by_changed.connect(self.tools.split_by_image)
        self.tools_panel.thresholds_changed.connect(self.tools.change_thresholds)
        self.reviewed_panel.message.connect(self.panel.show_status)
        self.reviewed_panel.changed.connect(self.keeper.note_change)
        self.panel.run_clicked.connect(self.save)
        self.tools.status.connect(self.panel.show_status)
        self.tools.failed.connect(self.panel.show_error)
        self.keeper.saved.connect(self.panel.show_status)
        self.keeper.failed.connect(self.panel.show_error)
        self.offers.restored.connect(self.panel.show_status)
        self.offers.failed.connect(self.panel.show_error)
        self.gestures.clicked.connect(self.walk.take_click)
        self.gestures.waiting_changed.connect(self._refreshing.start)
        self.walk.changed.connect(self._refreshing.start)
        self.walk.finished.connect(self._offer_mark)

    def _connect_viewer(self) -> None:
        viewer = self._viewer
        self.front_changed.connect(self._refresh_keys)
        viewer.layers.selection.events.active.connect(self._refresh_keys)
        viewer.layers.events.removed.connect(self._note_removed)
        for event in (viewer.dims.events.point, viewer.dims.events.ndisplay, viewer.dims.events.order):
            event.connect(self._note_plane)

    def do(self, verb: str) -> None:
        """Do what a key stands for."""
        self.tools.do(verb)
        self._refreshing.start()

    def press(self, verb: str) -> None:
        """Do what a button stands for; the labels are the active layer then, so that the keys act as well."""
        if self.session is not None:
            self._viewer.layers.selection.active = self.session.layer
            self.do(verb)

    def save(self) -> None:
        """Save what has changed, in the background."""
        if self.session is not None:
            self.panel.show_status("Saving…")
            self.keeper.save(self.session)

    def event(self, event: QEvent | None) -> bool:
        """Take leave when the dock is closed, which napari tells a widget by taking it out of the window."""
        if event is not None and event.type() == QEvent.Type.ParentChange and self.parent() is None:
            self._leave()
        return super().event(event)

    def showEvent(self, event: QShowEvent | None) -> None:
        """Let the keys act, and watch the window that may close."""
        super().showEvent(event)
        if self._is_closed:
            self._is_closed = False
            self._choose()
        self.keeper.watch_window(self)
        self._refresh_keys()

    def hideEvent(self, event: QHideEvent | None) -> None:
        """Leave the keys to napari."""
        super().hideEvent(event)
        self._refresh_keys()

    def _choose(self) -> None:
        """Correct what was chosen."""
        if self._is_closed:
            return
        problem = self.picker.problem()
        self.picker.show_problem(problem)
        session = None if problem or self.picker.labels is None else self._session_of(self.picker.labels)
        other_image = session is not None and session.image != self.picker.image
        if session is not None and other_image:
            session.choose_image(self.picker.image)
        if session is not self.session or other_image or session is None:
            self._show_session(session)
            self.offers.look_for(session, self.picker.image)

    def _session_of(self, layer: "Labels") -> CorrectSession:
        """Return the session of a layer, begun where there is none: each keeps its history."""
        for session in self._sessions:
            if session.layer == layer:
                return session
        session = CorrectSession(layer, self.picker.image)
        session.failed.connect(self.panel.show_error)
        session.changed.connect(self._note_change)
        self._sessions.append(session)
        self.keeper.keep(session)
        return session

    def _show_session(self, session: CorrectSession | None) -> None:
        self.gestures.cancel()
        self.session = session
        self.walk.choose(session)
        self.queue_panel.banner.offer("")
        self.panel.show_status("")
        for panel in (self.queue_panel, self.tools_panel, self.panel):
            panel.setEnabled(session is not None)
        self.tools.thresholds = None
        corrected = None if session is None else session.corrected
        self.gestures.corrected = corrected
        self.reviewed_panel.choose(corrected)
        if corrected is not None:
            self.queue_panel.outlines_box.setChecked(corrected.layer.contour > 0)
            self.queue_panel.scope_box.setVisible(len(corrected.plane_indices) > 1)
            self.tools_panel.show_thresholds(corrected)
        self.walk.look()
        self._refresh_keys()
        self._refreshing.start()

    def _note_change(self) -> None:
        """Nuclei are others, or more is known of them."""
        if self.session is not None:
            self.gestures.corrected = self.session.corrected
            self.walk.follow_changes()
        self._refreshing.start()

    def _note_plane(self) -> None:
        """Another plane is shown: look at it when the slider rests."""
        self.queue_panel.banner.offer("")
        self._resting.start()
        self._refreshing.start()

    def _look_at_plane(self) -> None:
        self.walk.look()
        self.reviewed_panel.refresh()

    def _note_removed(self) -> None:
        """Let go of sessions whose layers are gone; one that could not be saved comes back before."""
        QTimer.singleShot(0, self._drop_sessions)

    def _drop_sessions(self) -> None:
        for session in [one for one in self._sessions if one.layer not in self._viewer.layers]:
            session.close()
            self._sessions.remove(session)
            self.keeper.release(session)

    def _refresh_keys(self) -> None:
        """The keys are ours while the corrected layer is the active one, and the dock is before all other tabs."""
        if self.guide.is_adding:
            return
        active = self._viewer.layers.selection.active
        ours = self.is_in_front and self.session is not None and active == self.session.layer
        self.keys.set_enabled(ours)
        if not ours:
            self.gestures.cancel()

    def _refresh(self) -> None:
        """Show how far the review is, and what has the frame."""
        session, framed = self.session, self.walk.framed
        self.tools_panel.show_waiting(self.tools.waiting)
        if session is None:
            self.queue_panel.show_count(0, 0, is_looking=False)
            self.queue_panel.show_framed("", missed=False)
            return
        done, left = session.review.count(self.walk.scope)
        plane = self.walk.plane
        self.queue_panel.show_count(done, left, is_looking=plane is not None and not session.review.is_listed(plane))
        if left:
            self.queue_panel.banner.offer("")
        candidate = framed.candidate if framed is not None else None
        if framed is not None and len(framed.boxes) == 1:
            candidate = session.review.find(framed.index, *framed.boxes)
        nuclei = list(framed.boxes) if framed is not None else []
        accepted = framed is not None and session.verdicts.accepts(framed.index, nuclei)
        self.queue_panel.show_framed(
            described(candidate, nuclei, accepted=accepted), missed=framed is not None and framed.is_missed
        )
        self.tools_panel.show_history(session.history.undo_title, session.history.redo_title)

    def _show_outlines(self, outlines: bool) -> None:
        if self.session is not None:
            self.session.layer.contour = OUTLINE if outlines else 0

    def _offer_mark(self) -> None:
        """Nothing is left: offer to mark what was gone through as reviewed."""
        indices = self.walk.finished_planes()
        if self.session is not None and indices:
            done, _ = self.session.review.count(self.walk.scope)
            where = "this plane" if len(indices) == 1 else f"these {len(indices)} planes"
            self.queue_panel.banner.offer(f"Nothing is left: all {done:,} places of {where} are looked at.")

    def _mark_finished(self) -> None:
        self.reviewed_panel.mark(self.walk.finished_planes())
        self.queue_panel.banner.offer("")
        self.panel.show_status("Marked as reviewed. Save corrections keeps it for training.")

    def _work_on_copy(self) -> None:
        """Correct a copy of labels that cannot be changed."""
        if self.picker.labels is not None:
            self.picker.choose(copy_in_memory(self._viewer, self.picker.labels))

    def _leave(self) -> None:
        """Save, and take along what belongs to the dock alone; the labels stay as they are."""
        self._is_closed = True
        self.gestures.cancel()
        self.keys.set_enabled(False)
        self.guide.clear()
        for session in self._sessions:
            error = self.keeper.save_now(session)
            if error is not None:
                show_warning(f"Corrections of '{session.layer.name}' are not saved: {error}")
            session.close()
            self.keeper.release(session)
        self._sessions.clear()
        self.session = None
        self.walk.choose(None)
