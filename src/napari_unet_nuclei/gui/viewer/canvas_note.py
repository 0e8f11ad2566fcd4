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
"""Most letters of a line: napari cuts longer ones off where a canvas between docks is narrow."""

READ = 6000
"""Milliseconds for which a warning is shown."""


class CanvasNote(QObject):
    """Text at the top of the canvas; what the user shows there comes back afterwards."""

    def __init__(self, viewer: Viewer, parent: QObject) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._before: dict[str, object] | None = None
        self._said = ""
        self._reading = rest_timer(self, self._end_warning, READ)

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

    def _show(self, text: str) -> None:
        overlay = self._viewer.canvas.overlays.text
        if text and self._before is None:
            self._before = {name: getattr(overlay, name) for name in ("text", "visible", "position", "font_size")}
        if text:
            lines = textwrap.fill(text, LINE)
            overlay.text, overlay.position, overlay.font_size, overlay.visible = lines, "top_center", SIZE, True
        elif self._before is not None:
            before, self._before = self._before, None
            for name, value in before.items():
                setattr(overlay, name, value)
