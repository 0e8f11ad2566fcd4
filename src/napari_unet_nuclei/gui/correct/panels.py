"""The parts of the dock *Correct nuclei*: they show what they are told and say which button was pressed."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

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
    QVBoxLayout,
    QWidget,
)
from superqt import QCollapsible

from napari_unet_nuclei.core.labels.doubt.doubt import Candidate
from napari_unet_nuclei.core.labels.edit.add import USUAL_DIAMETER
from napari_unet_nuclei.gui.correct.keys import NEXT, REDO, REVIEW, TOOLS, UNDO, Command
from napari_unet_nuclei.gui.settings.threshold_panel import ThresholdPanel
from napari_unet_nuclei.gui.viewer.corrected_layer import CorrectedLayer
from napari_unet_nuclei.gui.widgets.wrapped_label import Sentence

RULE = "Keys act on the nucleus in the frame, else on the one under the mouse. Click a nucleus to frame it."
SCOPES = ("this plane", "all planes")


class CommandButtons(QWidget):
    """Buttons in two columns, each with its key.

    Parameters
    ----------
    commands : sequence of Command
    """

    pressed = Signal(str)
    """The verb of a button that was clicked."""

    def __init__(self, commands: Sequence[Command]) -> None:
        super().__init__()
        self.buttons: dict[str, QPushButton] = {}
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(4)
        for number, command in enumerate(commands):
            button = command_button(command)
            button.clicked.connect(partial(self._press, command.verb))
            self.buttons[command.verb] = button
            grid.addWidget(button, number // 2, number % 2)

    def _press(self, verb: str) -> None:
        self.pressed.emit(verb)


class QueuePanel(QWidget):
    """How far the review is, what is in the frame and why, and the keys that decide on it."""

    pressed = Signal(str)
    scope_changed = Signal(bool)
    """Whether all planes are gone through."""

    outlines_toggled = Signal(bool)
    """Whether labels are shown as outlines."""

    mark_clicked = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.count_label = QLabel()
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setFixedHeight(6)
        self.reason_label = Sentence()
        self.next_button = command_button(NEXT)
        self.next_button.setStyleSheet("font-weight: bold; min-height: 24px")
        self.commands = CommandButtons(REVIEW)
        self.scope_box = QComboBox()
        self.scope_box.addItems(SCOPES)
        self.scope_box.setToolTip("Go through the nuclei of the plane on the screen, or of the whole stack.")
        self.outlines_box = QCheckBox("Outlines only")
        self.outlines_box.setToolTip("Show the labels as outlines, so that the image is seen under them.")
        self.banner = Banner("Mark the plane as reviewed")
        self._lay_out()
        self.next_button.clicked.connect(lambda: self.pressed.emit(NEXT.verb))
        self.commands.pressed.connect(self.pressed)
        self.scope_box.currentIndexChanged.connect(lambda row: self.scope_changed.emit(row == 1))
        self.outlines_box.toggled.connect(self.outlines_toggled)
        self.banner.clicked.connect(self.mark_clicked)

    def _lay_out(self) -> None:
        head = QHBoxLayout()
        head.addWidget(self.count_label, stretch=1)
        head.addWidget(self.scope_box)
        head.addWidget(self.outlines_box)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addLayout(head)
        for widget in (self.bar, self.next_button, self.reason_label, self.commands, self.banner):
            layout.addWidget(widget)

    def show_count(self, done: int, left: int, *, is_looking: bool) -> None:
        """Show how many candidates are done and left."""
        self.count_label.setText("Looking for doubtful nuclei…" if is_looking else f"{done:,} done · {left:,} left")
        self.bar.setMaximum(max(done + left, 1))
        self.bar.setValue(done)

    def show_framed(self, text: str, *, missed: bool) -> None:
        """Say what is in the frame; where a nucleus may be missing there is only adding or none."""
        self.reason_label.setText(text or RULE)
        buttons = self.commands.buttons
        buttons["delete"].setText("None here  (D)" if missed else "Delete  (D)")
        for verb in ("accept", "split", "join"):
            buttons[verb].setEnabled(not missed)


class ToolsPanel(QWidget):
    """Tools that draw or act on any nucleus, with the few choices that they need."""

    pressed = Signal(str)
    split_by_changed = Signal(bool)
    """Whether points split by the image."""

    thresholds_changed = Signal(object)
    """The user moved a slider; carries the `DecodeThresholds`."""

    def __init__(self) -> None:
        super().__init__()
        self.commands = CommandButtons(TOOLS)
        self.by_shape, self.by_image = QRadioButton("shape"), QRadioButton("image")
        self.by_shape.setChecked(True)
        self.by_shape.setToolTip("Cut where the outline is narrow between the clicks.")
        self.by_image.setToolTip("Cut along the valleys of the image between the clicks.")
        self._choice = QButtonGroup(self)
        self.thresholds = ThresholdPanel()
        self.threshold_box = QCollapsible("Thresholds for a box", expandedIcon="▾", collapsedIcon="▸")
        self.threshold_box.addWidget(self.thresholds)
        self.undo = CommandButtons((UNDO, REDO))
        self._lay_out()
        for buttons in (self.commands, self.undo):
            buttons.pressed.connect(self.pressed)
        self.by_image.toggled.connect(self.split_by_changed)
        self.thresholds.changed.connect(self._announce_thresholds)

    def _lay_out(self) -> None:
        choice = QHBoxLayout()
        choice.addWidget(QLabel("Clicks split by"))
        for button in (self.by_shape, self.by_image):
            self._choice.addButton(button)
            choice.addWidget(button)
        choice.addStretch(1)
        folded = self.threshold_box.layout()
        assert folded is not None, "a collapsible has one"
        folded.setContentsMargins(0, 0, 0, 0)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.undo)
        layout.addWidget(self.commands)
        layout.addLayout(choice)
        layout.addWidget(self.threshold_box)

    def _announce_thresholds(self) -> None:
        self.thresholds_changed.emit(self.thresholds.thresholds())

    def show_thresholds(self, corrected: CorrectedLayer) -> None:
        """Begin with the thresholds that labels were decoded with; without them no box can be found anew."""
        thresholds = corrected.thresholds
        self.threshold_box.setVisible(thresholds is not None)
        if thresholds is not None:
            self.thresholds.show_result(thresholds, float(corrected.provenance.get("diameter", USUAL_DIAMETER)))

    def show_waiting(self, verb: str) -> None:
        """Press the button of the tool that waits for the mouse; release the others."""
        for name, button in self.commands.buttons.items():
            button.setStyleSheet("font-weight: bold; border: 1px solid #ffe14d" if name == verb else "")

    def show_history(self, undo_title: str, redo_title: str) -> None:
        """Say what would be taken back, or made again."""
        for verb, title in (("undo", undo_title), ("redo", redo_title)):
            button = self.undo.buttons[verb]
            button.setEnabled(bool(title))
            button.setToolTip(f"{verb.capitalize()}: {title}" if title else f"Nothing to {verb}.")


class Banner(QWidget):
    """A sentence with a button, shown when there is an offer.

    Parameters
    ----------
    text : str
        On the button.
    """

    clicked = Signal()

    def __init__(self, text: str) -> None:
        super().__init__()
        self.label = Sentence()
        self.button = QPushButton(text)
        self.button.setStyleSheet("font-weight: bold")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.label)
        layout.addWidget(self.button)
        self.button.clicked.connect(self.clicked)
        self.hide()

    def offer(self, text: str) -> None:
        """Make an offer; an empty text takes it back."""
        self.label.setText(text)
        self.setVisible(bool(text))


def described(candidate: Candidate | None, nuclei: Sequence[int], *, accepted: bool) -> str:
    """Say what is in the frame, and why; what was accepted is in doubt no longer."""
    if candidate is not None and candidate.kind == "missed":
        return f"Missed? {_sentence(candidate.reason)} G adds it, D if there is none."
    if not nuclei:
        return ""
    if len(nuclei) > 1 or accepted:
        kind = "Nucleus" if len(nuclei) == 1 else "Nuclei"
        return f"{kind} {', '.join(map(str, nuclei))}{', accepted' if accepted else ''}."
    if candidate is None or not candidate.doubt:
        return f"Nucleus {nuclei[0]}."
    return f"Nucleus {nuclei[0]}, doubt {100 * candidate.doubt:.0f} %: {candidate.reason}."


def command_button(command: Command) -> QPushButton:
    """Return a button that says what it does and by which key."""
    button = QPushButton(f"{command.text}  ({command.key})" if command.key else command.text)
    button.setToolTip(command.tooltip)
    return button


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."
