"""Say something on the canvas, where the user looks, instead of at the foot of a dock."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject

if TYPE_CHECKING:
    from napari import Viewer

SIZE = 12
"""Points."""


class CanvasNote(QObject):
    """A line of text at the top of the canvas; what the user shows there comes back afterwards."""

    def __init__(self, viewer: Viewer, parent: QObject) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._before: dict[str, object] | None = None

    @property
    def text(self) -> str:
        """What is said; empty for nothing."""
        return str(self._viewer.canvas.overlays.text.text) if self._before is not None else ""

    def say(self, text: str) -> None:
        """Show a text; an empty one takes it away."""
        overlay = self._viewer.canvas.overlays.text
        if text and self._before is None:
            self._before = {name: getattr(overlay, name) for name in ("text", "visible", "position", "font_size")}
        if text:
            overlay.text, overlay.position, overlay.font_size, overlay.visible = text, "top_center", SIZE, True
        elif self._before is not None:
            before, self._before = self._before, None
            for name, value in before.items():
                setattr(overlay, name, value)
