"""Say something on the canvas, where the user looks, instead of at the foot of a dock."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject

from napari_unet_nuclei.gui.widgets.rest_timer import rest_timer

if TYPE_CHECKING:
    from napari import Viewer

SIZE = 12
"""Points."""

LINE = 40
"""Most letters of a line."""

LETTER = 10.5
"""Pixels of a letter: napari cuts lines off that are longer than a canvas between docks is wide."""

FEWEST = 12
"""Letters of a line, however narrow the canvas is."""

READ = 6000
"""Milliseconds for which a warning is shown."""


class CanvasNote(QObject):
    """Text at the top of the canvas; what the user shows there comes back afterwards."""

    def __init__(self, viewer: Viewer, parent: QObject) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._before: dict[str, object] | None = None
        self._said = ""
        self._shown = ""
        self._reading = rest_timer(self, self._end_warning, READ)
        viewer.canvas.events.size.connect(self._fit)

    def say(self, text: str) -> None:
        """Show a text until another one comes; an empty one takes it away."""
        self._said = text
        self._reading.stop()
        self._show(text)

    def warn(self, text: str) -> None:
        """Show a warning for a while; what was said before comes back."""
        self._show(f"⚠ {text}")
        self._reading.start()

    def _end_warning(self) -> None:
        self._show(self._said)

    def _fit(self, _event: object = None) -> None:
        """Break the lines anew for a canvas of another width."""
        if self._shown:
            self._show(self._shown)

    def _show(self, text: str) -> None:
        self._shown = text
        overlay = self._viewer.canvas.overlays.text
        if text and self._before is None:
            self._before = {name: getattr(overlay, name) for name in ("text", "visible", "position", "font_size")}
        if text:
            _, width = self._viewer.canvas.size
            lines = textwrap.fill(text, min(max(int(width / LETTER), FEWEST), LINE))
            overlay.text, overlay.position, overlay.font_size, overlay.visible = lines, "top_center", SIZE, True
        elif self._before is not None:
            before, self._before = self._before, None
            for name, value in before.items():
                setattr(overlay, name, value)
