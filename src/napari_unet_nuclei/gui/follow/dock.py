"""The dock *Follow over time*: one id per nucleus from birth to division, and corrections of what is doubtful."""

# No `from __future__ import annotations`: napari reads the annotation of the viewer parameter.

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.layers import Labels
from qtpy.QtWidgets import QCheckBox, QDoubleSpinBox, QFileDialog, QHBoxLayout, QPushButton, QVBoxLayout

from napari_unet_nuclei.core.errors import NucleiError
from napari_unet_nuclei.core.progress import Progress
from napari_unet_nuclei.core.settings import TrackSettings
from napari_unet_nuclei.core.tracking.doubt import Doubt
from napari_unet_nuclei.core.tracking.edit import TrackEditor
from napari_unet_nuclei.core.tracking.files import check_free, result_paths, write_results
from napari_unet_nuclei.core.tracking.tree import family_of
from napari_unet_nuclei.gui.follow.panels import Colour, ReviewPanel, TreeView
from napari_unet_nuclei.gui.jobs.job_panel import JobPanel
from napari_unet_nuclei.gui.settings.settings_form import SettingsForm
from napari_unet_nuclei.gui.tracks.request import FollowAnswer, ask, follow
from napari_unet_nuclei.gui.tracks.session import CHANGED, FollowSession
from napari_unet_nuclei.gui.viewer.dock import Dock
from napari_unet_nuclei.gui.viewer.frame import NucleusFrame
from napari_unet_nuclei.gui.viewer.layer_box import LayerBox, row_in
from napari_unet_nuclei.gui.viewer.view import label_under, on_click, world_point
from napari_unet_nuclei.gui.widgets.forms import Folded, Rows, fill, titled
from napari_unet_nuclei.gui.widgets.scroll_column import ScrollColumn
from napari_unet_nuclei.gui.widgets.wrapped_label import Sentence

if TYPE_CHECKING:
    import napari

EDITS: dict[str, Callable[..., None]] = {
    "cut": TrackEditor.cut,
    "link": TrackEditor.link,
    "join": TrackEditor.join,
    "divide": TrackEditor.divide,
}
"""Corrections by the verb of their button."""


class FollowDock(Dock):
    """Follows the nuclei of a labels layer over time, and lets a person correct the tracks.

    Parameters
    ----------
    napari_viewer : napari.viewer.Viewer
    """

    tab_title = "Follow"
    page = "time"

    def __init__(self, napari_viewer: "napari.viewer.Viewer") -> None:
        super().__init__()
        self._viewer = napari_viewer
        self.session: FollowSession | None = None
        self._picked: list[int] = []
        self._is_outdated = False
        self.labels_picker = LayerBox("Labels over time: segmented here, corrected by hand, or opened from a file.")
        self.minutes = QDoubleSpinBox()
        self.minutes.setRange(0, 100_000)
        self.minutes.setDecimals(3)
        self.minutes.setSpecialValueText("as the layer says")
        self.minutes.setSuffix(" min")
        self.minutes.setToolTip("Minutes between frames, for speeds and doubling times.")
        self.form: SettingsForm[TrackSettings] = SettingsForm(TrackSettings)
        self.count_label = Sentence()
        self.tree = TreeView()
        self.review = ReviewPanel()
        self.save_button = QPushButton("Save…")
        self.save_button.setToolTip("Write labels with the ids of tracks, and tables of tracks and nuclei.")
        self.ctc, self.geff = QCheckBox("CTC"), QCheckBox("GEFF")
        self.ctc.setToolTip("Also write the format of the Cell Tracking Challenge.")
        self.geff.setToolTip("Also write GEFF, which Mastodon reads.")
        self.frame = NucleusFrame(self._viewer, self)
        self.panel = JobPanel("Follow", "Give every nucleus one id from its birth to its division.")
        self._lay_out()
        self._connect()
        self._list_layers()
        self._show_session()

    def _lay_out(self) -> None:
        settings = Folded("Settings", "How nuclei are followed; the defaults suit most movies.", self.form)
        choices = Rows(("Labels", self.labels_picker), ("Frame every", self.minutes))
        save = fill(QHBoxLayout(), self.save_button, self.ctc, self.geff)
        save.setStretch(0, 1)
        self.result_group = titled("Tracks", self.count_label, self.tree, self.review)
        group_layout = self.result_group.layout()
        assert isinstance(group_layout, QVBoxLayout), "as `titled` makes it"
        group_layout.addLayout(save)
        self.column = ScrollColumn(choices, settings, self.result_group)
        layout = fill(QVBoxLayout(self), self.column, self.panel)
        layout.setStretch(0, 1)
        layout.setContentsMargins(0, 0, 4, 4)

    def _connect(self) -> None:
        events = self._viewer.layers.events
        for event in (events.inserted, events.removed, events.reordered, events.renamed):
            event.connect(self._list_layers)
        self.labels_picker.currentIndexChanged.connect(self._check)
        self.panel.run_clicked.connect(self.run)
        self.panel.running_changed.connect(self._note_running)
        self.review.pressed.connect(self.answer)
        self.review.chosen.connect(self._go_to_doubt)
        self.tree.clicked.connect(self.go_to_track)
        self.save_button.clicked.connect(self._choose_folder)
        self.front_changed.connect(self._share_keys)
        on_click(self._viewer, self._pick_clicked)

    def take_labels(self, layer: Labels) -> None:
        """Follow a layer of the viewer, unless it cannot be, which is said."""
        self.labels_picker.choose(layer)
        if self.panel.run_button.isEnabled():
            self.run()

    def _list_layers(self) -> None:
        """List the labels layers, the latest first; the choice stays."""
        chosen = self.labels_picker.layer
        layers = [layer for layer in reversed(self._viewer.layers) if isinstance(layer, Labels)]
        kept = row_in(layers, chosen)
        self.labels_picker.offer(layers, max(kept, 0) if layers else -1)
        self._check()

    def _check(self) -> None:
        """Enable Follow, or say why not."""
        layer = self.labels_picker.layer
        problem = "" if isinstance(layer, Labels) else "Segment a movie, or open labels: there is no labels layer yet."
        if isinstance(layer, Labels):
            try:
                ask(layer, TrackSettings())
            except NucleiError as error:
                problem = str(error)
        self.panel.set_problem(problem)

    def run(self) -> None:
        """Follow the chosen labels."""
        layer, session = self.labels_picker.layer, self.session
        assert isinstance(layer, Labels), "Follow is disabled without labels"
        former = session.labels if session is not None and session.layer is layer else None
        try:
            request = ask(layer, self.form.value(), self.minutes.value(), former)
        except NucleiError as error:
            self.panel.show_error(error)
            return
        self.panel.run_job(partial(follow, request), self._take, title=f"Following {layer.name}")

    def _take(self, answer: FollowAnswer) -> None:
        """Show what was followed, unless its labels were replaced or removed meanwhile."""
        layer = answer.request.layer
        if layer not in self._viewer.layers or layer.data is not answer.request.array:
            self.panel.show_status("⚠ The labels were replaced while they were followed: press Follow again.")
            self._is_outdated = True
            return
        if self.session is not None and self.session.layer is layer:
            self.session.take(answer)
        else:
            self._begin(answer)
        result = answer.result
        self.panel.show_status("\n".join(f"⚠ {warning}" for warning in result.warnings) or "Followed.")
        self.panel.drop_notices(result.warnings)

    def _begin(self, answer: FollowAnswer) -> None:
        """Follow another layer."""
        if self.session is not None:
            self.session.close()
        session = FollowSession(self._viewer, answer)
        self.session, self._picked = session, []
        session.changed.connect(self._show_session)
        session.relabelled.connect(self._follow_again)
        session.painted.connect(self._mark_outdated)
        self._show_session()

    def _follow_again(self) -> None:
        """Follow labels that sliders have changed; ids, and with them colours, stay."""
        if self.session is not None and self.session.is_shown and not self.panel.is_running:
            self.labels_picker.choose(self.session.layer)
            self.run()

    def _note_running(self, running: bool) -> None:
        """Follow again what a slider has changed meanwhile."""
        if not running and self._is_outdated:
            self._is_outdated = False
            self._follow_again()

    def _mark_outdated(self) -> None:
        self.panel.show_status(f"⚠ {CHANGED}")

    def _show_session(self) -> None:
        """Show the tracks, and what is left to look at."""
        session = self.session
        self.result_group.setVisible(session is not None)
        self._share_keys()
        if session is None:
            return
        result, doubts = session.result, session.doubts()
        left = f"{len(doubts)} to look at" if doubts else "nothing is doubtful"
        self.count_label.setText(f"{result.found}; {left}.")
        self.review.show_doubts(doubts, session.lineages)
        self._picked = [row for row in self._picked if row < len(session.lineages.spots)]
        self._show_picked()

    def _show_picked(self) -> None:
        """Say which nuclei the buttons act on, and draw the family of the last one."""
        session, buttons = self.session, self.review.buttons
        if session is None:
            return
        lineages, picked = session.lineages, self._picked
        named = [f"{lineages.track[row]} in frame {lineages.spots.frame[row]}" for row in picked]
        self.review.picked.setText(f"Chosen: {', '.join(named)}." if named else "Click a nucleus, or a row above.")
        for verb in EDITS:
            buttons[verb].setEnabled(len(picked) > (verb != "cut"))
        buttons["undo"].setEnabled(session.can_undo)
        buttons["redo"].setEnabled(session.can_redo)
        track = int(lineages.track[picked[-1]]) if picked else 0
        family = family_of(lineages, track)
        self.tree.setVisible(bool(family))
        self.tree.show_family(family, lineages.spots.frames, self._colours)
        self._frame_last()
        if picked:
            self.tree.mark(track, int(lineages.spots.frame[picked[-1]]))

    def _frame_last(self) -> None:
        """Frame the nucleus that was chosen last, in its frame."""
        if self.session is not None and self._picked and self.session.is_shown:
            self.session.show_in(self.frame, self._picked[-1])
        else:
            self.frame.clear()

    def _colours(self) -> dict[int, Colour]:
        """Return the colours of the family that is drawn, as the layer has them."""
        if self.session is None or not self._picked:
            return {}
        layer, lineages = self.session.layer, self.session.lineages
        family = family_of(lineages, int(lineages.track[self._picked[-1]]))
        shown = {branch.track: layer.get_color(branch.track) for branch in family}
        return {track: tuple(colour[:3]) for track, colour in shown.items() if colour is not None}

    def answer(self, verb: str) -> None:
        """Do what a button says."""
        session, place = self.session, self.review.place()
        if session is None:
            return
        try:
            if verb == "accept" and self.review.current is not None:
                session.edit(TrackEditor.accept, self.review.current.row)
            elif verb in EDITS:
                session.edit(EDITS[verb], *self._picked[-1 if verb == "cut" else -2 :])
            elif verb == "undo":
                session.undo()
            elif verb == "redo":
                session.redo()
        except NucleiError as error:
            self.panel.show_error(error)
            return
        self.panel.show_status("")
        if verb in ("accept", "next"):
            self.review.select(max(place, 0) if verb == "accept" else place + 1)

    def _go_to_doubt(self, doubt: Doubt) -> None:
        """Show a doubtful nucleus, and choose it and the one that it comes from."""
        if self.session is not None:
            before = int(self.session.lineages.previous[doubt.row])
            self._picked = [row for row in (before, doubt.row) if row >= 0]
            self._go_to(doubt.row)

    def go_to_track(self, track: int, frame: int) -> None:
        """Show a nucleus that was clicked in the picture, or the last one before a gap."""
        session = self.session
        if session is not None:
            rows = session.lineages.rows(track)
            seen = rows[session.lineages.spots.frame[rows] <= frame]
            self._picked = [*self._picked[-1:], int(seen[-1])]
            self._go_to(self._picked[-1])

    def _go_to(self, row: int) -> None:
        assert self.session is not None, "nuclei come with a session"
        if not self.session.is_shown:
            self.panel.show_status("⚠ The labels layer is no longer in the viewer.")
            return
        self.session.go_to(row)
        self._show_picked()

    def _pick_clicked(self, event: Any) -> None:
        """Choose the nucleus under the mouse; background chooses none."""
        session = self.session
        if session is None or not session.is_shown or not self.is_in_front:
            return
        track = label_under(self._viewer, session.layer, event)
        frame = session.frame_at(world_point(self._viewer, session.layer, event))
        row = session.row_of(track, frame)
        self._picked = [*self._picked[-1:], row] if row is not None else []
        self._show_picked()

    def _share_keys(self) -> None:
        """Take the keys only while the dock is in front and there is something to correct."""
        self.review.set_keys(self.is_in_front and self.session is not None)

    def _choose_folder(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Folder for tracks")
        if folder:
            self.save(Path(folder))

    def save(self, folder: Path) -> None:
        """Write labels and tables into a folder."""
        session = self.session
        assert session is not None, "the button comes with a session"
        try:
            session.check()
        except NucleiError as error:
            self.panel.show_error(error)
            return
        name = session.layer.name.removesuffix(" labels")
        result = session.result
        paths = result_paths(folder, name, ctc=self.ctc.isChecked(), geff=self.geff.isChecked())

        def write(progress: Progress) -> Path:
            check_free(paths)
            write_results(result, paths, (), progress)
            return paths["tracked"]

        self.panel.run_job(write, self._show_saved, title=f"Saving {name}")

    def _show_saved(self, path: Path) -> None:
        self.panel.show_status(f"Saved {path} and its tables.")
