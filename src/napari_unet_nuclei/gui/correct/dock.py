"""The dock *Correct nuclei*: go from one doubtful nucleus to the next, with tools that fix it."""

# Annotations are not deferred here: napari reads them to find out that it has to pass its viewer.

from typing import TYPE_CHECKING

from napari.utils.notifications import show_warning
from qtpy.QtCore import QEvent
from qtpy.QtGui import QHideEvent, QShowEvent
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from napari_unet_nuclei.core.corrections.review import Tally
from napari_unet_nuclei.core.errors import NucleiError
from napari_unet_nuclei.gui.correct.canvas_input import CanvasInput
from napari_unet_nuclei.gui.correct.class_walk import ClassWalk
from napari_unet_nuclei.gui.correct.current import CurrentCorrection
from napari_unet_nuclei.gui.correct.keys import COMMANDS, MISSED, NEXT, NEXT_CLASS, REDO, TRACK_TOOLS, UNDO
from napari_unet_nuclei.gui.correct.navigator import Navigator
from napari_unet_nuclei.gui.correct.overlay import CanvasNote, Overlay
from napari_unet_nuclei.gui.correct.panels import ClassPanel, QueuePanel, ReviewedPanel, ToolsPanel, described
from napari_unet_nuclei.gui.correct.picker import LayerPicker
from napari_unet_nuclei.gui.correct.restoring import Restorer
from napari_unet_nuclei.gui.correct.saving import CorrectionSaver
from napari_unet_nuclei.gui.correct.stack_tools import TrackTools
from napari_unet_nuclei.gui.jobs.job_panel import JobPanel
from napari_unet_nuclei.gui.saving.dialog import open_save_dialog
from napari_unet_nuclei.gui.viewer.corrected_layer import CorrectedLayer, copy_in_memory
from napari_unet_nuclei.gui.viewer.dock import FINETUNE, Dock, open_dock
from napari_unet_nuclei.gui.widgets.dock_keys import DockKeys
from napari_unet_nuclei.gui.widgets.forms import fill, titled
from napari_unet_nuclei.gui.widgets.rest_timer import rest_timer
from napari_unet_nuclei.gui.widgets.scroll_column import ScrollColumn

if TYPE_CHECKING:
    import napari
    from napari.layers import Labels


REST = 150
"""Milliseconds on a plane after which its candidates are listed; a slider that is dragged passes many planes."""

OUTLINE = 1
"""Width in pixels of labels that are shown as outlines."""


class CorrectDock(Dock):
    """Correct the nuclei of a labels layer, and save the corrections."""

    tab_title = "Correct"
    page = "correct"

    def __init__(self, napari_viewer: "napari.viewer.Viewer") -> None:
        super().__init__()
        self._viewer = napari_viewer
        self._is_closed = False
        # Every part below asks this one what is being corrected, and follows its `changed` signal.
        self.current = CurrentCorrection(self)
        self.overlay = Overlay(napari_viewer, self.current, self)
        self.canvas_input = CanvasInput(napari_viewer, self.current, self.overlay, self)
        self.navigator = Navigator(napari_viewer, self.current, self.overlay, self)
        self.tools = TrackTools(self.current, self.navigator, self.canvas_input, self)
        self.class_walk = ClassWalk(self.current, self.navigator, self.tools.pointed, self)
        class_verbs = {str(number): str(number) for number in range(10)} | {NEXT_CLASS.key: NEXT_CLASS.verb}
        self.class_keys = DockKeys(self, class_verbs, self.class_walk.do)
        self.note = CanvasNote(napari_viewer, self)
        self.saver = CorrectionSaver(napari_viewer, self.current, self)
        verbs = {one.key: one.verb for one in COMMANDS if one.key}
        self.keys = DockKeys(self, verbs, self.do, repeating=(UNDO.key, REDO.key))
        self.track_keys = DockKeys(self, {one.key: one.verb for one in TRACK_TOOLS}, self.do)
        self.picker = LayerPicker(napari_viewer)
        self.queue_panel, self.tools_panel = QueuePanel(), ToolsPanel()
        self.class_panel = ClassPanel()
        self.class_box = titled("Classes", self.class_panel)
        self.reviewed_panel = ReviewedPanel(napari_viewer, self.current)
        self.panel = JobPanel("Save corrections", "Save image, nuclei and reviewed regions, to train models later.")
        self.files_button = QPushButton("Save…")
        self.files_button.setToolTip(
            "Write the corrected labels to files: labels, table, outlines for ImageJ and QuPath, a picture."
        )
        # Connected before the restorer, whose search may fail at once: its error must not be cleared.
        self.current.changed.connect(self._show_current)
        self.restorer = Restorer(napari_viewer, self.current, self.picker, self)
        self._refreshing = rest_timer(self, self._refresh)
        self._resting = rest_timer(self, self._look_at_plane, REST)
        self._closing = rest_timer(self, self._close_sessions)
        self._lay_out()
        self._connect_panels()
        self._connect_viewer()
        self._show_current()
        self._choose()

    def _lay_out(self) -> None:
        self.panel.cancel_button.hide()
        self.finetune_button = QPushButton("Fine-tune a model with these…")
        self.finetune_button.setToolTip("Save the corrections, and open the dock Fine-tune.")
        foot = QWidget()
        fill(QHBoxLayout(foot), self.finetune_button, self.files_button).setStretch(0, 1)
        self.panel.put_above_buttons(foot)
        column = ScrollColumn(
            self.picker,
            titled("Review", self.queue_panel),
            self.class_box,
            titled("Tools", self.tools_panel),
            titled("Reviewed region", self.reviewed_panel),
        )
        # Whatever comes and goes stands below the column, which then only shows less: no button moves.
        banners = (self.queue_panel.banner, self.picker.copy_banner, self.picker.restore_banner)
        fill(QVBoxLayout(self), column, *banners, self.panel).setStretch(0, 1)

    def _connect_panels(self) -> None:
        self.current.edited.connect(self._refreshing.start)
        self.picker.changed.connect(self._choose)
        self.picker.copy_banner.clicked.connect(self._work_on_copy)
        queue, tools = self.queue_panel, self.tools_panel
        for buttons in (
            queue.next,
            queue.commands,
            queue.missed_commands,
            tools.commands,
            tools.more_commands,
            tools.volume_commands,
            tools.track_commands,
            tools.undo,
        ):
            buttons.pressed.connect(self.press)
        self.class_panel.next.pressed.connect(self._press_class)
        self.class_walk.said.connect(self.panel.show_status)
        self.class_walk.failed.connect(self.panel.show_error)
        self.class_walk.changed.connect(self._refreshing.start)
        queue.scope_changed.connect(self.navigator.choose_scope)
        queue.outlines_box.toggled.connect(self._show_outlines)
        queue.banner.clicked.connect(self._take_offer)
        tools.by_image.toggled.connect(self.tools.split_by_image)
        tools.thresholds_changed.connect(self.tools.change_thresholds)
        self.reviewed_panel.changed.connect(self.saver.note_change)
        self.panel.run_clicked.connect(self.save)
        self.files_button.clicked.connect(self._save_files)
        self.finetune_button.clicked.connect(self._fine_tune)
        for message in (self.tools.status, self.saver.saved, self.restorer.restored, self.reviewed_panel.message):
            message.connect(self.panel.show_status)
        self.tools.expected.connect(self.note.say)
        self.tools.failed.connect(self._say_error)
        for failed in (self.current.failed, self.tools.failed, self.saver.failed, self.restorer.failed):
            failed.connect(self.panel.show_error)
        self.canvas_input.clicked.connect(self.navigator.take_click)
        self.canvas_input.waiting_changed.connect(self._refreshing.start)
        self.navigator.changed.connect(self._refreshing.start)
        self.navigator.finished.connect(self._offer_mark)

    def _connect_viewer(self) -> None:
        viewer = self._viewer
        self.front_changed.connect(self._refresh_keys)
        self.front_changed.connect(self._follow_front)
        viewer.layers.selection.events.active.connect(self._refresh_keys)
        viewer.layers.events.removed.connect(self._note_removed)
        for event in (viewer.dims.events.point, viewer.dims.events.ndisplay, viewer.dims.events.order):
            event.connect(self._note_plane)

    def keys_told(self) -> list[tuple[str, str]]:
        """Return the keys of this dock, and what they do."""
        missed = {one.key: one.text for one in MISSED}
        classes = [(NEXT_CLASS.key, NEXT_CLASS.text), ("1 to 9", "Give the nucleus this class; 0 takes it away.")]
        session = self.current.session
        is_followed = session is not None and session.tracks is not None
        tracks = [(one.key, one.text) for one in TRACK_TOOLS] if is_followed else []
        return (
            [
                (one.key, f"{one.text}{f' (where one may be missed: {missed[one.key]})' if one.key in missed else ''}")
                for one in COMMANDS
                if one.key
            ]
            + (classes if self.class_walk.table is not None else [])
            + tracks
        )

    def take_labels(self, layer: "Labels") -> None:
        """Correct a layer of the viewer from now on."""
        self.picker.choose(layer)

    def do(self, verb: str) -> None:
        """Carry out the command of a key."""
        if verb == UNDO.verb and self.class_walk.can_undo:
            self.class_walk.undo()
            return
        if verb not in (NEXT.verb, UNDO.verb, REDO.verb):
            self.class_walk.forget_steps()
        self.tools.do(verb)
        self._refreshing.start()

    def next_class(self) -> None:
        """Go to the nucleus whose class is most doubtful, with the keys at hand."""
        session = self.current.session
        if session is not None:
            self._viewer.layers.selection.active = session.layer
        self.class_walk.do(NEXT_CLASS.verb)

    def _press_class(self, _verb: str) -> None:
        self.next_class()

    def press(self, verb: str) -> None:
        """Carry out the command of a button, and make the labels the active layer, so that keys work as well."""
        session = self.current.session
        if session is not None:
            self._viewer.layers.selection.active = session.layer
            # The key adds what is under the mouse, which is on the button now.
            self.do("add_by_click" if verb == "add" else verb)

    def save(self) -> None:
        """Save what has changed, in the background."""
        session = self.current.session
        if session is not None:
            self.panel.show_status("Saving…")
            self.saver.save(session)

    def _save_files(self) -> None:
        """Open the dialog that writes the labels to files."""
        session = self.current.session
        if session is not None:
            image = self.picker.image
            open_save_dialog(self, self._viewer, session.layer, [image] if image is not None else [])

    def event(self, event: QEvent | None) -> bool:
        """Clean up when the dock is closed: napari takes it out of the window then, and sends no close event."""
        if event is not None and event.type() == QEvent.Type.ParentChange and self.parent() is None:
            self._leave()
        return super().event(event)

    def showEvent(self, event: QShowEvent | None) -> None:
        """Enable the keys, and watch the window that may close."""
        super().showEvent(event)
        # A widget whose dock was closed can be docked again.
        if self._is_closed:
            self._is_closed = False
            self._choose()
        self.saver.watch_window(self)
        self._refresh_keys()

    def hideEvent(self, event: QHideEvent | None) -> None:
        """Leave the keys to napari."""
        super().hideEvent(event)
        self._refresh_keys()

    def _choose(self) -> None:
        # The picker goes on following the viewer after the dock was closed.
        if self._is_closed:
            return
        problem = "" if self.picker.labels else "Segment an image, or open labels: there is no labels layer yet."
        try:
            self.current.choose(self.picker.labels, self.picker.image)
        except NucleiError as error:
            problem = str(error)
        self.picker.show_problem(problem)

    def _show_current(self) -> None:
        session = self.current.session
        self.queue_panel.offer_mark("")
        self.panel.show_status("" if session is None else _depth_text(session.corrected))
        for panel in (self.queue_panel, self.tools_panel, self.panel):
            panel.setEnabled(session is not None)
        if session is not None:
            self.queue_panel.outlines_box.setChecked(session.layer.contour > 0)
            self.tools_panel.show_thresholds(session.corrected)
            self.tools_panel.show_volume_tools(session.corrected)
        self._refresh_keys()
        self._refreshing.start()

    def _note_plane(self) -> None:
        self.queue_panel.offer_mark("")
        self._resting.start()
        self._refreshing.start()

    def _look_at_plane(self) -> None:
        self.navigator.look()
        self.reviewed_panel.refresh()

    def _follow_front(self) -> None:
        self.overlay.set_visible(self.is_in_front)

    def _note_removed(self) -> None:
        # Not at once: a layer whose corrections could not be saved is added again first.
        self._closing.start()

    def _close_sessions(self) -> None:
        for session in self.current.sessions:
            if session.layer not in self._viewer.layers:
                self.current.close(session)

    def _refresh_keys(self) -> None:
        """Take the keys while the corrected layer is active and no other tab hides the dock."""
        # The overlay is the active layer then, but only for a moment.
        if self.overlay.is_adding:
            return
        session, active = self.current.session, self._viewer.layers.selection.active
        ours = self.is_in_front and session is not None and active == session.layer
        self.keys.set_enabled(ours)
        self.class_keys.set_enabled(ours and self.class_walk.table is not None)
        self.track_keys.set_enabled(ours and session is not None and session.tracks is not None)
        if not ours:
            self.canvas_input.cancel()

    def _refresh(self) -> None:
        """Show the progress of the review, and what is framed."""
        # By a timer, once per turn of the event loop: a key sets off many of the signals that lead here.
        session, framed = self.current.session, self.navigator.framed
        self._refresh_classes()
        self.tools_panel.show_waiting(self.tools.waiting)
        if session is None:
            self.queue_panel.show_tally(Tally(), is_looking=False)
            self.queue_panel.show_framed("", missed=False)
            return
        if self.tools_panel.track_commands.isHidden() == (session.tracks is not None):
            self.tools_panel.track_commands.setVisible(session.tracks is not None)
            self._refresh_keys()
        self.queue_panel.scope_box.setVisible(
            len(session.corrected.plane_indices) > 1 and not self.navigator.extend_through_planes
        )
        tally, plane = session.review.tally(self.navigator.scope), self.navigator.plane
        self.queue_panel.show_tally(tally, is_looking=plane is not None and not session.review.is_listed(plane))
        if not tally.doubtful and tally.decided and tally.right:
            self.queue_panel.offer_rest(tally.right)
        elif tally.doubtful or tally.right:
            self.queue_panel.offer_mark("")
        candidate = framed.candidate if framed is not None else None
        if framed is not None and len(framed.boxes) == 1:
            candidate = session.review.find(framed.index, *framed.boxes)
        nuclei = list(framed.boxes) if framed is not None else []
        accepted = framed is not None and session.verdicts.accepts(framed.index, nuclei)
        self.queue_panel.show_framed(
            described(candidate, nuclei, accepted=accepted), missed=framed is not None and framed.is_missed
        )
        undo_title = "class given" if self.class_walk.can_undo else session.history.undo_title
        self.tools_panel.show_history(undo_title, session.history.redo_title)

    def _refresh_classes(self) -> None:
        """Show the classes where they were told, and take their keys."""
        text = self.class_walk.keys_text()
        if self.class_box.isHidden() == bool(text):
            self.class_box.setVisible(bool(text))
            self._refresh_keys()
        self.class_panel.text.setText(text)
        self.class_panel.framed.setText(self.class_walk.framed_text())

    def _show_outlines(self, outlines: bool) -> None:
        session = self.current.session
        if session is not None:
            session.layer.contour = OUTLINE if outlines else 0

    def _offer_mark(self) -> None:
        """Offer to mark the planes as reviewed whose queue is empty."""
        session, indices = self.current.session, self.navigator.finished_planes()
        if session is not None and indices:
            done, _ = session.review.count(self.navigator.scope)
            where = "this plane" if len(indices) == 1 else f"these {len(indices)} planes"
            self.queue_panel.offer_mark(f"Nothing is left: all {done:,} places of {where} are checked.")

    def _say_error(self, error: Exception) -> None:
        """Say on the canvas, too, why a tool did not act."""
        if isinstance(error, NucleiError):
            self.note.warn(str(error))

    def _fine_tune(self) -> None:
        """Save, and open the dock *Fine-tune*, which lists these corrections."""
        self.save()
        open_dock(self._viewer, FINETUNE)

    def _take_offer(self) -> None:
        """Do what the banner offers."""
        if self.queue_panel.offers_rest:
            self.press("accept_rest")
        else:
            self._mark_finished()

    def _mark_finished(self) -> None:
        self.reviewed_panel.mark(self.navigator.finished_planes())
        self.queue_panel.offer_mark("")
        self.panel.show_status("Marked as reviewed. Save corrections keeps it for training.")

    def _work_on_copy(self) -> None:
        if self.picker.labels is not None:
            self.picker.choose(copy_in_memory(self._viewer, self.picker.labels))

    def _leave(self) -> None:
        """Save, and remove what belongs to the dock; the labels stay as they are."""
        # First, as removing the overlay and closing sessions changes what the viewer announces.
        self._is_closed = True
        self.canvas_input.cancel()
        self.note.say("")
        self.keys.set_enabled(False)
        self.class_keys.set_enabled(False)
        self.track_keys.set_enabled(False)
        self.overlay.clear()
        for session in self.current.sessions:
            error = self.saver.save_now(session)
            if error is not None:
                show_warning(f"Corrections of '{session.layer.name}' are not saved: {error}")
            self.current.close(session)


def _depth_text(corrected: CorrectedLayer) -> str:
    """Say how labels of another origin were read, whose ids go on from plane to plane; empty for all others."""
    if corrected.lacks_scale:
        return (
            "Ids go on from plane to plane, but nothing says that the planes are a stack, so that nuclei are corrected "
            "plane by plane. For a stack, name the layer's axis z or give it a scale along z, and choose it again."
        )
    return "Ids go on from plane to plane: nuclei are corrected through all planes." if corrected.ids_go_on else ""
