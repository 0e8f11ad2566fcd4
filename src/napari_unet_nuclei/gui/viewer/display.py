"""Show labels as outlines, filled, or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from napari.utils.colormaps import CyclicLabelColormap, label_colormap
from numpy.typing import NDArray
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QButtonGroup, QHBoxLayout, QPushButton, QWidget

from napari_unet_nuclei.core.image.plane import ImageKind
from napari_unet_nuclei.core.labels.colours import colour_numbers, touching
from napari_unet_nuclei.core.types import AnyArray
from napari_unet_nuclei.gui.widgets.fixed_call import FixedCall
from napari_unet_nuclei.gui.widgets.forms import fill

if TYPE_CHECKING:
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

NAPARI_COLOURS = 49
"""Colours that napari gives to ids in turn."""

ALIKE = 0.2
"""Distance in red, green and blue (0 to 1) below which two colours side by side look like one: 2 % of the pairs."""

PICTURES: dict[ImageKind, tuple[tuple[float, float, float], ...]] = {
    "fluorescence": ((0.0, 0.0, 0.0),),
    # Nuclei, tissue and dark chromatin in haematoxylin and eosin.
    "brightfield": ((0.42, 0.26, 0.5), (0.8, 0.5, 0.68), (0.3, 0.2, 0.2)),
}
"""Colours of what outlines are drawn over, in red, green and blue (0 to 1)."""

UNSEEN = 0.4
"""Distance to these below which an outline is hardly seen."""

OUTLINED_PIXELS = 6_000_000
"""Pixels of a plane up to which outlines are shown first: napari finds the outlines of the whole plane at every change,
which on 16 megapixels takes eight times as long as filling it."""

MOST_COLOURS = 60_000
"""Ids that a colour table may have; napari draws larger ones with floating-point numbers, which are not exact."""

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


def colours_apart(labels: AnyArray, kind: ImageKind, room: int = 0) -> CyclicLabelColormap:
    """Return those of napari's colours that are seen over a kind of image, by the ids of labels; for any thread.

    Nuclei that touch do not look alike. Ids beyond those of the labels get the same colours in turn, of which the
    table has ``room`` for so many ids at least: `recolour` needs no more time then.
    """
    palette = np.asarray(label_colormap(NAPARI_COLOURS).colors)[1:]
    palette = palette[_distances(palette, np.array(PICTURES[kind])).min(axis=-1) >= UNSEEN]
    numbers = colour_numbers(int(labels.max(initial=0)), touching(labels), _distances(palette, palette) < ALIKE)
    by_id = palette[numbers[1:]]
    if len(by_id) < room:
        by_id = np.resize(by_id if len(by_id) else palette, (room, palette.shape[1]))
    return CyclicLabelColormap(colors=np.concatenate([np.zeros((1, 4), np.float32), by_id]), background_value=0)


def recolour(layer: Labels, colours: CyclicLabelColormap) -> None:
    """Give the ids of a layer, whose colours are `colours_apart` with room for them, other ones.

    To set another table would slice a whole large plane again: what napari keeps of it depends on the length of the
    table. A table of another length is the user's, who asked napari for other colours; it stays.
    """
    table = layer.colormap.colors
    if len(table) == MOST_COLOURS + 1:
        table[1:] = np.resize(colours.colors[1:], table[1:].shape)
        layer.events.colormap()


def _distances(colours: NDArray[np.floating], others: NDArray[np.floating]) -> NDArray[np.floating]:
    """Distances of colours in red, green and blue, shape (colours, others)."""
    return np.asarray(np.linalg.norm(colours[:, np.newaxis, :3] - others[:, :3], axis=-1))


def prepare_drawing() -> None:
    """Let napari prepare how it draws labels, for any thread: the first layer would hold the window up for that."""
    from napari.layers import Labels
    from vispy.visuals import LineVisual

    LineVisual(method="agg")  # of the polygon tool, which every labels layer has; reads the shaders

    # What it compiles depends on the number type of the texture, and that on the number of colours.
    for colours in (NAPARI_COLOURS, NAPARI_COLOURS**2):
        layer = Labels(np.zeros((2, 2), np.int32), colormap=label_colormap(colours))
        layer.data_setitem((np.array([0]), np.array([0])), 1)  # a piece of the picture has another memory order


def display_of(layer: Labels) -> Display:
    """Return how a layer is shown."""
    if not layer.visible:
        return "Hidden"
    return "Outlines" if layer.contour > 0 else "Filled"


def first_display(layer: Labels) -> Display:
    """Return how a new layer is shown: as outlines, unless that would make changes slow."""
    shape = layer.data[0].shape if layer.multiscale else layer.data.shape
    return "Outlines" if shape[-1] * shape[-2] <= OUTLINED_PIXELS else "Filled"


def next_display(display: Display) -> Display:
    """Return the next of the three."""
    names = list(DISPLAYS)
    return names[(names.index(display) + 1) % len(names)]


def display_labels(layer: Labels, display: Display, width: int = 1) -> None:
    """Show a layer in this way; ``width`` of outlines in pixels."""
    visible, contour = display != "Hidden", width if display == "Outlines" else 0
    # napari finds all outlines anew whenever one of these is set, to the same value or while the layer is visible.
    if visible and layer.contour != contour:
        layer.contour = contour
    if layer.visible != visible:
        layer.visible = visible


def outline_width(zoom: float, layer: Labels, diameter: float) -> int:
    """Return the width of outlines, in pixels of a layer, that can be seen at a zoom of the camera."""
    pixel = zoom * float(layer.scale[-1])
    widest = max(int(diameter * WIDEST_OUTLINE), 1)
    return min(max(round(OUTLINE / max(pixel, 1e-6)), 1), widest)
