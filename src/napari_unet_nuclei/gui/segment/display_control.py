"""Keep labels shown as the user chose, by buttons or by a key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Qt
from qtpy.QtGui import QKeySequence
from qtpy.QtWidgets import QShortcut

from napari_unet_nuclei.gui.viewer.display import (
    DISPLAY_KEY,
    Display,
    DisplaySwitch,
    display_labels,
    display_of,
    first_display,
    next_display,
    outline_width,
)
from napari_unet_nuclei.gui.viewer.dock import Dock
from napari_unet_nuclei.gui.viewer.staging import Stage

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Labels


class DisplayControl(QObject):
    """Switches one labels layer between outlines, filled and hidden; a layer that comes next is shown likewise."""

    def __init__(self, viewer: Viewer, dock: Dock, switch: DisplaySwitch) -> None:
        super().__init__(dock)
        self._viewer = viewer
        self._dock = dock
        self._switch = switch
        self._chosen: Display | None = None
        self._layer: Labels | None = None
        self._diameter = 0.0
        self._key = QShortcut(QKeySequence(DISPLAY_KEY), dock)
        # Also from the canvas, and while the dock floats; text fields still get the letter.
        self._key.setContext(Qt.ShortcutContext.ApplicationShortcut)
        self._key.activated.connect(self._next)
        switch.chosen.connect(self.choose)
        dock.front_changed.connect(self._refresh)
        self._refresh()

    def follow(self, layer: Labels | None, diameter: float) -> None:
        """Act on a layer from now on; None for none."""
        self._layer, self._diameter = layer, diameter
        if layer is not None:
            self._switch.show_display(display_of(layer))
        self._refresh()

    def stage(self) -> Stage:
        """Return where a job makes new labels ready to be shown as by `show_new`."""
        return Stage(self._viewer, self._for_new)

    def show_new(self) -> None:
        """Show a new layer as the user chose before; never hide it."""
        if self._layer is not None:
            self._show(self._for_new or first_display(self._layer))

    @property
    def _for_new(self) -> Display | None:
        return self._chosen if self._chosen != "Hidden" else None

    def choose(self, display: Display) -> None:
        """Show the labels in this way, and those of later runs as well."""
        self._chosen = display
        self._show(display)

    def _show(self, display: Display) -> None:
        if self._layer is not None:
            width = outline_width(float(self._viewer.scene.camera.zoom), self._layer, self._diameter)
            display_labels(self._layer, display, width)
            self._switch.show_display(display)

    def _next(self) -> None:
        if self._layer is not None:
            self.choose(next_display(display_of(self._layer)))

    def _refresh(self) -> None:
        self._key.setEnabled(self._dock.is_in_front and self._layer is not None)
