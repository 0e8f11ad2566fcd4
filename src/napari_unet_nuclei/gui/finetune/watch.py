"""Notices whatever changes in the viewer what a model would learn from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari.layers import Image, Labels, Shapes
from qtpy.QtCore import QObject, QTimer, Signal

if TYPE_CHECKING:
    from napari import Viewer

REST = 200
"""Milliseconds after the last change before it is worth a look."""

PLACED = ("scale", "translate", "rotate", "shear", "affine", "units")
WATCHED = {
    Labels: ("data", "set_data", "paint", "metadata", "features", *PLACED),
    Shapes: ("data", "metadata", *PLACED),
    Image: ("data", *PLACED),
}
"""Events of layers that count; napari's undo in labels has none but ``set_data``."""


class LayerWatch(QObject):
    """Hears of layers that come, go and change, and of other planes being shown.

    Parameters
    ----------
    viewer : napari.Viewer
    """

    stirred = Signal()
    """Something has changed, and more may follow."""

    rested = Signal()
    """Nothing has changed for a moment."""

    def __init__(self, viewer: Viewer, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._known: set[object] = set()
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.setInterval(REST)
        self._rest.timeout.connect(self._look)
        layers = viewer.layers.events
        for event in (layers.inserted, layers.removed, layers.reordered, layers.renamed):
            event.connect(self.stir)
        for event in (viewer.dims.events.current_step, viewer.dims.events.ndisplay):
            event.connect(self.stir)
        self._listen()

    @property
    def is_stirred(self) -> bool:
        """True while more may follow."""
        return self._rest.isActive()

    def stir(self, _event: Any = None) -> None:
        """Tell that something has changed."""
        self._rest.start()
        self.stirred.emit()

    def _look(self) -> None:
        self._listen()
        self.rested.emit()

    def _listen(self) -> None:
        """Listen to layers that are new."""
        for layer in self._viewer.layers:
            names = next((names for kind, names in WATCHED.items() if isinstance(layer, kind)), ())
            if layer.unique_id not in self._known:
                self._known.add(layer.unique_id)
                for name in names:
                    layer.events[name].connect(self.stir)
