"""Show labels as outlines, filled, or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QButtonGroup, QHBoxLayout, QPushButton, QWidget

from napari_unet_nuclei.gui.widgets.fixed_call import FixedCall
from napari_unet_nuclei.gui.widgets.forms import fill

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Labels

Display = Literal["Outlines", "Filled", "Hidden"]

DISPLAYS: dict[Display, str] = {
    "Outlines": "Show the edges of the nuclei, so that the image is visible inside them.",
    "Filled": "Fill the nuclei with colour; neighbours differ.",
    "Hidden": "Show the image alone.",
}
"""Ways to show labels, with what each is good for."""

DISPLAY_KEY = "O"
"""Goes from one way to the next; napari leaves it free."""

OUTLINE = 2
"""Width of outlines in canvas pixels: a single one is hardly seen over a picture."""

WIDEST_OUTLINE = 1 / 8
"""Widest outline, as a share of the typical diameter: a wider one would fill small nuclei."""


class DisplaySwitch(QWidget):
    """Three buttons side by side, of which one is down."""

    chosen = Signal(str)
    """The user chose one of `DISPLAYS`."""

    def __init__(self) -> None:
        super().__init__()
        self.buttons: dict[Display, QPushButton] = {}
        self._group = QButtonGroup(self)
        row = fill(QHBoxLayout(self))
        row.setSpacing(0)
        for display, tooltip in DISPLAYS.items():
            button = QPushButton(display)
            button.setCheckable(True)
            button.setToolTip(f"{tooltip} Key {DISPLAY_KEY}: the next of the three.")
            # napari's style sheet does not mark a button that is down.
            button.setStyleSheet("QPushButton:checked { border: 1px solid palette(highlight); font-weight: bold }")
            button.clicked.connect(FixedCall(button, self._choose, display).call)
            self._group.addButton(button)
            self.buttons[display] = button
            row.addWidget(button)

    def show_display(self, display: Display) -> None:
        """Show which one is in force."""
        self.buttons[display].setChecked(True)

    def _choose(self, display: Display) -> None:
        self.chosen.emit(display)


def display_of(layer: Labels) -> Display:
    """Return how a layer is shown."""
    if not layer.visible:
        return "Hidden"
    return "Outlines" if layer.contour > 0 else "Filled"


def next_display(display: Display) -> Display:
    """Return the next of the three."""
    names = list(DISPLAYS)
    return names[(names.index(display) + 1) % len(names)]


def display_labels(layer: Labels, display: Display, width: int = 1) -> None:
    """Show a layer in this way; ``width`` of outlines in pixels."""
    layer.visible = display != "Hidden"
    if display != "Hidden":
        layer.contour = width if display == "Outlines" else 0


def outline_width(viewer: Viewer, layer: Labels, diameter: float) -> int:
    """Return the width of outlines, in pixels of a layer, that can be seen at the present zoom."""
    zoom = float(viewer.scene.camera.zoom) * float(layer.scale[-1])
    widest = max(int(diameter * WIDEST_OUTLINE), 1)
    return min(max(round(OUTLINE / max(zoom, 1e-6)), 1), widest)
