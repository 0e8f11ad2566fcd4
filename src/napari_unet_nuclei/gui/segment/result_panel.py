"""The result of a run: how its labels are shown, the sliders, and the call that repeats it."""

from __future__ import annotations

from qtpy.QtWidgets import QGridLayout, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from napari_unet_nuclei.core.image.pixel_size import PixelSize
from napari_unet_nuclei.gui.segment.live_labels import LiveLabels
from napari_unet_nuclei.gui.segment.stored_labels import StoredLabels
from napari_unet_nuclei.gui.settings.threshold_panel import ThresholdPanel
from napari_unet_nuclei.gui.viewer.display import DisplaySwitch
from napari_unet_nuclei.gui.widgets.forms import SPACING, fill
from napari_unet_nuclei.gui.widgets.wrapped_label import Sentence

CLASSES_SHOWN = 6
"""Maximum number of classes listed; the table has all."""

LARGE = 1.5
"""Size of the number of nuclei, in multiples of other text."""


class ResultPanel(QWidget):
    """Display, facts, `ThresholdPanel`, and buttons to copy the call."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.display = DisplaySwitch()
        self.detail_label = Sentence()
        self.thresholds = ThresholdPanel()
        self.command_button = QPushButton("Copy as command")
        self.python_button = QPushButton("Copy as Python")
        buttons = fill(QHBoxLayout(), self.command_button, self.python_button)
        fill(QVBoxLayout(self), self.display, self.thresholds, self.detail_label, buttons)

    def show_result(self, live: LiveLabels | StoredLabels) -> None:
        """Show the layer, typical size or classes, and where the table is."""
        result, classes = live.result, live.classes
        found = _class_shares(live) if classes else _typical_size(result.diameter, live.request.pixel_size)
        self.detail_label.setText(f"in '{live.layer.name}'\n{found}\n{live.table_state}")
        self.display.setVisible(not classes)

    def set_call_problem(self, problem: str) -> None:
        """Disable copying the call and show why; an empty text enables it."""
        tooltips = {
            self.command_button: "Copy the command that reproduces these labels in a terminal.",
            self.python_button: "Copy the Python code that reproduces these labels.",
        }
        for button, tooltip in tooltips.items():
            button.setEnabled(not problem)
            button.setToolTip(problem or tooltip)


def _class_shares(live: LiveLabels | StoredLabels) -> str:
    """Return the classes with the largest shares, one per line."""
    if live.table is None:
        return ", ".join(live.classes[:CLASSES_SHOWN])
    shares = live.table.groupby("class", sort=False)["share"].mean().sort_values(ascending=False)
    return "\n".join(f"{name} {share:.1%}" for name, share in shares.head(CLASSES_SHOWN).items())


def _typical_size(diameter: float, pixel_size: PixelSize) -> str:
    """Return a diameter in pixels, and in µm if the pixel size is known."""
    if not pixel_size.known:
        return f"typical diameter {diameter:.1f} px"
    return f"typical diameter {diameter:.1f} px, {diameter * (pixel_size.y * pixel_size.x) ** 0.5:.1f} µm"


class ResultFoot(QWidget):
    """The count, what a slider has changed, and buttons to correct, measure, save, and do the same to a folder."""

    def __init__(self) -> None:
        super().__init__()
        self.count_label, self.change_label, self.busy_label = QLabel(), QLabel(), QLabel("working…")
        self._enlarge_count()
        self.change_label.setToolTip("Nuclei that the last change of a slider added and took away.")
        self.busy_label.setToolTip("The sliders are being applied.")
        self.correct_button = QPushButton("Correct…")
        self.correct_button.setToolTip("Go through the doubtful nuclei one by one, in the dock Correct nuclei.")
        self.table_button = QPushButton("Table and plot…")
        self.table_button.setToolTip("Measure the nuclei, in the dock Measure nuclei.")
        self.follow_button = QPushButton("Follow over time…")
        self.follow_button.setToolTip("Give every nucleus one id over time, in the dock Follow over time.")
        self.save_button = QPushButton("Save…")
        self.save_button.setToolTip("Write labels, table, ImageJ ROIs, QuPath GeoJSON or a picture.")
        self.folder_button = QPushButton("Do this to a folder…")
        self.folder_button.setToolTip("Segment many files with the same settings, in the dock Batch segment folder.")
        self.card = Sentence(selectable=True)
        self.card.setToolTip("The nucleus that was clicked on the picture.")
        self._has_result = False
        self._is_busy = False
        self._lay_out()
        self.show_result(None)

    @property
    def buttons(self) -> tuple[QPushButton, ...]:
        """Ways on from the result."""
        return self.correct_button, self.table_button, self.save_button, self.folder_button, self.follow_button

    def _enlarge_count(self) -> None:
        """Make the count larger than other text, whose size the user may have changed in napari's settings."""
        self.change_label.ensurePolished()
        usual = self.change_label.font().pointSizeF()
        # By a style sheet, as napari's own fixes the font.
        self.count_label.setStyleSheet(f"font-size: {usual * LARGE:.0f}pt" if usual > 0 else "")

    def _lay_out(self) -> None:
        line = fill(QHBoxLayout(), self.count_label, self.change_label, self.busy_label)
        line.setStretch(2, 1)
        grid = QGridLayout()
        grid.setSpacing(SPACING)
        for number, button in enumerate(self.buttons):
            grid.addWidget(button, number // 2, number % 2)
        fill(QVBoxLayout(self), self.card, line, grid)
        self.show_card("")

    def show_card(self, text: str) -> None:
        """Say what is known of the nucleus that was clicked; an empty text says nothing."""
        self.card.setText(text)
        self.card.setVisible(bool(text))

    def show_result(self, shown: LiveLabels | StoredLabels | None) -> None:
        """Show the number of nuclei or classes; without a result, hide."""
        self._has_result = shown is not None
        self.setVisible(shown is not None)
        if shown is None:
            return
        self._enlarge_count()
        classes = shown.classes
        live = isinstance(shown, LiveLabels)
        in_view = shown.in_view if isinstance(shown, LiveLabels) else ""
        self.count_label.setText(in_view or (f"{len(classes)} classes" if classes else shown.result.count_text))
        self.busy_label.setText("the rest follows…" if in_view else "working…")
        doubtful = shown.doubtful if isinstance(shown, LiveLabels) else None
        self.correct_button.setText("Correct…" if not doubtful else f"Correct {doubtful:,} doubtful…")
        self.change_label.setText(shown.change_text if isinstance(shown, LiveLabels) else "")
        self.busy_label.setVisible(isinstance(shown, LiveLabels) and (shown.is_decoding or bool(in_view)))
        self.save_button.setVisible(live)
        for button in (self.correct_button, self.folder_button):
            button.setVisible(not classes)
        # Labels in a store are mostly too large for the window, and the command follows them.
        self.follow_button.setVisible(isinstance(shown, LiveLabels) and not classes and _is_movie(shown))
        self._refresh()

    def set_busy(self, busy: bool) -> None:
        """Disable all ways on during a run."""
        self._is_busy = busy
        self._refresh()

    def _refresh(self) -> None:
        for button in self.buttons:
            button.setEnabled(self._has_result and not self._is_busy)


def _is_movie(live: LiveLabels) -> bool:
    """Tell whether several times, or planes along an axis that may be time, were segmented."""
    lengths = zip(live.result.axes, live.result.labels.shape, strict=True)
    return any(letter in "TQ" and length > 1 for letter, length in lengths)
