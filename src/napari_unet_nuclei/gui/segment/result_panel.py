"""The result of a run: how its labels are shown, the sliders, and the call that repeats it."""

from __future__ import annotations

from qtpy.QtWidgets import QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from napari_unet_nuclei.core.image.pixel_size import PixelSize
from napari_unet_nuclei.gui.segment.live_labels import LiveLabels
from napari_unet_nuclei.gui.segment.stored_labels import StoredLabels
from napari_unet_nuclei.gui.settings.threshold_panel import ThresholdPanel
from napari_unet_nuclei.gui.viewer.display import DisplaySwitch
from napari_unet_nuclei.gui.widgets.forms import fill
from napari_unet_nuclei.gui.widgets.wrapped_label import Sentence

CLASSES_SHOWN = 6
"""Maximum number of classes listed; the table has all."""


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
