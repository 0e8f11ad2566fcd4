"""The result of a run: the number of nuclei, the thresholds, and buttons to save and to copy the call."""

from __future__ import annotations

from qtpy.QtWidgets import QGridLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from napari_unet_nuclei.core.image.pixel_size import PixelSize
from napari_unet_nuclei.gui.segment.live_labels import LiveLabels
from napari_unet_nuclei.gui.segment.stored_labels import StoredLabels
from napari_unet_nuclei.gui.settings.threshold_panel import ThresholdPanel
from napari_unet_nuclei.gui.widgets.wrapped_label import Sentence

CLASSES_SHOWN = 6
"""Maximum number of classes listed; the table has all."""


class ResultPanel(QWidget):
    """The count, `ThresholdPanel`, and buttons to copy the call and to save."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._has_result = False
        self._is_busy = False
        self.count_label = QLabel()
        font = self.count_label.font()
        font.setPointSizeF(font.pointSizeF() * 1.5)
        self.count_label.setFont(font)
        self.count_label.setStyleSheet(f"font-size: {font.pointSizeF():.0f}pt")  # napari's style sheet fixes the font
        self.detail_label = Sentence()
        self.thresholds = ThresholdPanel()
        self.save_button = QPushButton("Save labels and table…")
        self.save_button.setToolTip("Write the labels (TIFF) and a table with a row per nucleus (CSV).")
        self.command_button = QPushButton("Copy as command")
        self.python_button = QPushButton("Copy as Python")
        self._lay_out()
        self.show_nothing()

    def _lay_out(self) -> None:
        buttons = QGridLayout()
        buttons.addWidget(self.save_button, 0, 0, 1, 2)
        buttons.addWidget(self.command_button, 1, 0)
        buttons.addWidget(self.python_button, 1, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for widget in (self.count_label, self.detail_label, self.thresholds):
            layout.addWidget(widget)
        layout.addLayout(buttons)

    def show_nothing(self) -> None:
        """Show that there is no result yet."""
        self.count_label.hide()
        self.detail_label.setText("After a run these act immediately, without running the network again.")
        self.save_button.setEnabled(False)

    def show_result(self, live: LiveLabels | StoredLabels) -> None:
        """Show the count, the layer, typical size or classes, and where the table is."""
        result, classes = live.result, live.classes
        nuclei = "1 nucleus" if result.count == 1 else f"{result.count:,} nuclei"
        self.count_label.setText(f"{len(classes)} classes" if classes else nuclei)
        self.count_label.show()
        found = _class_shares(live) if classes else _typical_size(result.diameter, live.request.pixel_size)
        self.detail_label.setText(f"in '{live.layer.name}'\n{found}\n{live.table_state}")
        self._has_result = True
        self.save_button.setVisible(isinstance(live, LiveLabels))
        self.save_button.setEnabled(not self._is_busy)

    def set_busy(self, busy: bool) -> None:
        """Disable saving during a run."""
        self._is_busy = busy
        self.save_button.setEnabled(self._has_result and not busy)

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
