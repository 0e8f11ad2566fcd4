"""Panels of the dock *Correct nuclei*: they show what they are given and announce which button was pressed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QButtonGroup,
    QCheckBox,
    QComboBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QRadioButton,
    QSizePolicy,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from napari_unet_nuclei.core.corrections.review import Tally
from napari_unet_nuclei.core.labels.doubt import Candidate
from napari_unet_nuclei.core.labels.edit.single import USUAL_DIAMETER
from napari_unet_nuclei.core.types import Index
from napari_unet_nuclei.gui.correct.current import CurrentCorrection
from napari_unet_nuclei.gui.correct.keys import (
    MISSED,
    MORE_TOOLS,
    NEXT,
    NEXT_CLASS,
    REDO,
    REVIEW,
    TOOLS,
    TRACK_TOOLS,
    UNDO,
    VOLUME_TOOLS,
    Command,
)
from napari_unet_nuclei.gui.settings.threshold_panel import ThresholdPanel
from napari_unet_nuclei.gui.viewer.corrected_layer import CorrectedLayer
from napari_unet_nuclei.gui.viewer.reviewed_layer import (
    add_reviewed_layer,
    is_plane_reviewed,
    mark_plane,
    reviewed_layers,
    reviewed_mask,
)
from napari_unet_nuclei.gui.widgets.banner import ActionLine
from napari_unet_nuclei.gui.widgets.fixed_call import FixedCall
from napari_unet_nuclei.gui.widgets.forms import SPACING, Folded, fill
from napari_unet_nuclei.gui.widgets.rest_timer import rest_timer
from napari_unet_nuclei.gui.widgets.reviewed_controls import reviewed_controls
from napari_unet_nuclei.gui.widgets.wrapped_label import RoomySentence, Sentence

if TYPE_CHECKING:
    from napari import Viewer
    from napari.utils.events import EventEmitter

RULE = "Keys act on the nucleus in the frame, else on the one under the mouse. Click a nucleus to frame it."
REASON_LINES = 3
"""Lines of the longest reason in the narrowest dock."""
MARK, ACCEPT_REST = "Mark the plane as reviewed", "Accept the rest"
"""Buttons of the banner."""

SCOPES = ("this plane", "all planes")


class CommandButtons(QWidget):
    """Buttons in two columns, each with its key."""

    pressed = Signal(str)
    """Verb of the button that was clicked."""

    def __init__(self, commands: Sequence[Command]) -> None:
        super().__init__()
        self.buttons: dict[str, QPushButton] = {}
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(SPACING)
        for number, command in enumerate(commands):
            button = QPushButton(f"{command.text}  ({command.key})" if command.key else command.text)
            button.setToolTip(command.tooltip)
            button.clicked.connect(FixedCall(button, self._press, command.verb).call)
            self.buttons[command.verb] = button
            grid.addWidget(button, number // 2, number % 2)
        for column in range(2):
            grid.setColumnStretch(column, 1)
        grid.setRowStretch(grid.rowCount(), 1)

    def _press(self, verb: str) -> None:
        self.pressed.emit(verb)


class QueuePanel(QWidget):
    """Progress of the review, the reason for the framed nucleus, and the commands that decide on it."""

    scope_changed = Signal(bool)
    """Whether all planes are reviewed."""

    def __init__(self) -> None:
        super().__init__()
        self.count_label = QLabel()
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setFixedHeight(6)
        self.reason_label = RoomySentence(REASON_LINES)
        self.next = CommandButtons((NEXT,))
        self.next.setStyleSheet("QPushButton { font-weight: bold; min-height: 24px }")
        self.commands, self.missed_commands = CommandButtons(REVIEW), CommandButtons(MISSED)
        # Of the same size, so that no other button comes to lie under the mouse when the question changes.
        self.answers = QStackedWidget()
        for answers in (self.commands, self.missed_commands):
            self.answers.addWidget(answers)
        self.answers.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Maximum)
        self.scope_box = QComboBox()
        self.scope_box.addItems(SCOPES)
        self.scope_box.setToolTip("Review the nuclei of the plane on the screen, or of the whole stack.")
        self.outlines_box = QCheckBox("Outlines only")
        self.outlines_box.setToolTip("Show the labels as outlines, so that the image is visible.")
        self.banner = ActionLine("Mark all nuclei that were checked as reviewed, so that they train models.")
        head = fill(QHBoxLayout(), self.count_label, self.scope_box, self.outlines_box)
        head.setStretch(0, 1)
        fill(QVBoxLayout(self), head, self.bar, self.next, self.reason_label, self.answers)
        self.scope_box.currentIndexChanged.connect(self._announce_scope)

    def _announce_scope(self, row: int) -> None:
        self.scope_changed.emit(row == 1)

    def show_tally(self, tally: Tally, *, is_looking: bool) -> None:
        """Show what is left, and how many of the doubtful nuclei are decided."""
        left = f"{tally.doubtful:,} doubtful · {tally.right:,} look right"
        self.count_label.setText("Looking for doubtful nuclei…" if is_looking else left)
        self.bar.setMaximum(max(tally.decided + tally.doubtful, 1))
        self.bar.setValue(tally.decided)

    def offer_mark(self, text: str) -> None:
        """Offer to mark planes as reviewed; an empty text withdraws the offer."""
        self.banner.say(text, MARK if text else "")

    def offer_rest(self, right: int) -> None:
        """Offer to accept nuclei that look right, once no doubtful one is left."""
        self.banner.say(f"Looks done: the other {right:,} look right.", ACCEPT_REST)

    @property
    def offers_rest(self) -> bool:
        """True while the banner offers to accept the rest."""
        return self.banner.button.text() == ACCEPT_REST

    def show_framed(self, text: str, *, missed: bool) -> None:
        """Describe what is in the frame; where a nucleus may be missing, offer only commands that apply."""
        self.reason_label.setText(text or RULE)
        self.answers.setCurrentWidget(self.missed_commands if missed else self.commands)


class ClassPanel(QWidget):
    """Classes of nuclei that *Measure* has told: how many are doubtful, and the way to them."""

    def __init__(self) -> None:
        super().__init__()
        # The second with room of its own, so that it moves no button.
        self.text, self.framed, self.next = Sentence(), RoomySentence(1), CommandButtons((NEXT_CLASS,))
        fill(QVBoxLayout(self), self.text, self.next, self.framed)


class ToolsPanel(QWidget):
    """Tools that draw or act on any nucleus, with their options."""

    thresholds_changed = Signal(object)
    """The user moved a slider; carries the `DecodeThresholds`."""

    def __init__(self) -> None:
        super().__init__()
        self.commands, self.more_commands = CommandButtons(TOOLS), CommandButtons(MORE_TOOLS)
        self.volume_commands, self.track_commands = CommandButtons(VOLUME_TOOLS), CommandButtons(TRACK_TOOLS)
        self.by_shape, self.by_image = QRadioButton("shape"), QRadioButton("image")
        self.by_shape.setChecked(True)
        self.by_shape.setToolTip("Cut where the outline is narrow between the clicks.")
        self.by_image.setToolTip("Cut along the valleys of the image between the clicks.")
        self._choice = QButtonGroup(self)
        for choice in (self.by_shape, self.by_image):
            self._choice.addButton(choice)
        self.thresholds = ThresholdPanel()
        self.threshold_box = Folded("Thresholds for a box", "For a box that is segmented again.", self.thresholds)
        self.undo = CommandButtons((UNDO, REDO))
        split_by = fill(QHBoxLayout(), QLabel("Clicks split by"), self.by_shape, self.by_image)
        split_by.addStretch(1)
        clicks = QWidget()
        clicks.setLayout(split_by)
        self.more_box = Folded(
            "More tools",
            "Tools that are seldom needed.",
            self.more_commands,
            self.volume_commands,
            clicks,
            self.threshold_box,
        )
        fill(QVBoxLayout(self), self.undo, self.commands, self.track_commands, self.more_box)
        self.thresholds.changed.connect(self._announce_thresholds)

    def _announce_thresholds(self) -> None:
        self.thresholds_changed.emit(self.thresholds.thresholds())

    def show_volume_tools(self, corrected: CorrectedLayer) -> None:
        """Show the tools for nuclei that extend through planes, where there are such."""
        self.volume_commands.setVisible(corrected.depth is not None)

    def show_thresholds(self, corrected: CorrectedLayer) -> None:
        """Show the thresholds of the labels; hide the sliders where there are none, as no box can be segmented then."""
        thresholds = corrected.thresholds
        self.threshold_box.setVisible(thresholds is not None)
        if thresholds is not None:
            self.thresholds.show_result(thresholds, float(corrected.provenance.get("diameter", USUAL_DIAMETER)))

    def show_waiting(self, verb: str) -> None:
        """Highlight the button of the tool that waits for the mouse."""
        waiting = (self.commands, self.more_commands, self.track_commands)
        for name, button in [item for commands in waiting for item in commands.buttons.items()]:
            button.setStyleSheet("font-weight: bold; border: 1px solid #ffe14d" if name == verb else "")

    def show_history(self, undo_title: str, redo_title: str) -> None:
        """Show what would be undone or redone."""
        for verb, title in (("undo", undo_title), ("redo", redo_title)):
            button = self.undo.buttons[verb]
            button.setEnabled(bool(title))
            button.setToolTip(f"{verb.capitalize()}: {title}" if title else f"Nothing to {verb}.")


class ReviewedPanel(QWidget):
    """The part of the shown plane in which the labels can be trusted."""

    message = Signal(str)

    changed = Signal()
    """Another part is reviewed."""

    def __init__(self, viewer: Viewer, current: CurrentCorrection) -> None:
        super().__init__()
        self._viewer = viewer
        self._current = current
        self._watched: list[EventEmitter] = []
        self.whole_box, self.draw_button = reviewed_controls("drag rectangles, or choose a polygon tool")
        self.share_label = Sentence()
        self._refreshing = rest_timer(self, self.refresh)
        fill(QVBoxLayout(self), self.whole_box, self.draw_button, self.share_label)
        # Not `toggled`, which would answer to `refresh` as well and mark the plane that it only shows.
        self.whole_box.clicked.connect(self._mark)
        self.draw_button.clicked.connect(self._draw)
        viewer.layers.selection.events.active.connect(self._name_button)
        current.changed.connect(self._follow)

    @property
    def _is_drawing(self) -> bool:
        """True while a shapes layer of the current labels is the active layer."""
        session, active = self._current.session, self._viewer.layers.selection.active
        return session is not None and active in reviewed_layers(self._viewer, session.layer)

    def mark(self, indices: list[Index]) -> None:
        """Mark whole planes as reviewed."""
        for index in indices:
            mark_plane(self._current.require().layer, index)

    def refresh(self) -> None:
        """Show the reviewed part of the plane on the screen."""
        session, index = self._current.session, self._shown_plane()
        self.setEnabled(index is not None)
        if session is None or index is None:
            self.share_label.setText("")
            return
        self._watch()
        mask = reviewed_mask(self._viewer, session.layer, index)
        self.whole_box.setChecked(is_plane_reviewed(session.layer, index))
        self.share_label.setText(_share_text(0.0 if mask is None else float(mask.mean())))

    def _shown_plane(self) -> Index | None:
        session = self._current.session
        return None if session is None else session.corrected.shown_plane(self._viewer)

    def _watch(self) -> None:
        """Listen to the current labels and their shapes layers, and to no others."""
        for event in self._watched:
            event.disconnect(self._note_change)
        session = self._current.session
        shapes = [] if session is None else reviewed_layers(self._viewer, session.layer)
        self._watched = [layer.events.data for layer in shapes]
        if session is not None:
            self._watched.append(session.layer.events.metadata)
        for event in self._watched:
            event.connect(self._note_change)

    def _follow(self) -> None:
        self._watch()
        self._name_button()
        self._refreshing.start()

    def _note_change(self, _event: object = None) -> None:
        self._refreshing.start()
        self.changed.emit()

    def _mark(self, reviewed: bool) -> None:
        index = self._shown_plane()
        if index is not None:
            mark_plane(self._current.require().layer, index, reviewed=reviewed)

    def _draw(self) -> None:
        """Go to the shapes layer to draw in, or back to the labels."""
        selection, layer = self._viewer.layers.selection, self._current.require().layer
        if self._is_drawing:
            selection.active = layer
            self.message.emit("")
            return
        shapes = add_reviewed_layer(self._viewer, layer)
        self._watch()
        selection.active = shapes
        shapes.mode = "add_rectangle"
        self.message.emit("Drag rectangles around what you reviewed; the layer controls have a polygon tool as well.")

    def _name_button(self) -> None:
        self.draw_button.setText("Back to the labels" if self._is_drawing else "Draw regions")


def described(candidate: Candidate | None, nuclei: Sequence[int], *, accepted: bool) -> str:
    """Describe what is in the frame, and why it is doubtful unless it was accepted."""
    if candidate is not None and candidate.kind == "missed":
        return f"Missed? {_sentence(candidate.reason)}"
    if not nuclei:
        return ""
    if candidate is not None and candidate.link >= 0 and len(nuclei) == 1:
        return f"Nucleus {nuclei[0]}: {candidate.reason}. Right (A)? Else link (L), divide (V), cut (Shift+K)."
    if len(nuclei) > 1 or accepted:
        kind = "Nucleus" if len(nuclei) == 1 else "Nuclei"
        return f"{kind} {', '.join(map(str, nuclei))}{', accepted' if accepted else ''}."
    if candidate is None or not candidate.doubt:
        return f"Nucleus {nuclei[0]}."
    return f"Nucleus {nuclei[0]}, doubt {100 * candidate.doubt:.0f} %: {candidate.reason}."


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _share_text(share: float) -> str:
    if not share:
        return "Nothing of this plane is reviewed yet: training would ignore it."
    percent = "Less than 1" if share < 0.01 else f"{100 * share:.0f}"
    return f"{percent} % of this plane is reviewed. Training ignores the rest."
