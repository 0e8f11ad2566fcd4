"""What was written to a labels layer: all at once, or in large layers piece by piece.

So the window is never held up, and what is in view comes first.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QObject, Signal

from napari_unet_nuclei.core.labels.regions import slices
from napari_unet_nuclei.core.types import Labels, Region
from napari_unet_nuclei.gui.viewer.layers import forget_undo, replace_labels
from napari_unet_nuclei.gui.widgets.rest_timer import rest_timer

if TYPE_CHECKING:
    import napari.layers

LARGE = 1 << 21
"""Pixels of a plane from which on labels are written piece by piece: napari finds the outlines of a plane anew whenever
its array is replaced, which takes half a second for 16 megapixels."""

LONGEST_SIDE = 8192
"""Pixels; graphics cards may hold longer planes at a lower resolution only, which napari redraws as a whole."""

PIECE = 512
"""Side of a piece in pixels: its outlines take 10 ms."""

TURN = 0.04
"""Seconds of a processor after which the window gets its turn. It then draws all anew, so that turns are not short."""


@dataclass(frozen=True, eq=False)
class Section:
    """Labels of a region of one plane of a stack that are shown before those of the rest."""

    plane: tuple[int, ...]  # index along the leading axes
    region: Region
    labels: Labels

    @property
    def key(self) -> tuple[int | slice, ...]:
        """Where it lies in the array of the stack."""
        return (*self.plane, *slices(self.region))


class WrittenLabels(QObject):
    """A labels layer with a copy of what was written to it, which tells whether anybody has changed it since.

    ``copy`` holds the labels that the layer shows now, in an array of its own that is never written to.
    """

    ended = Signal()
    """All pieces of the labels given last are in the layer."""

    def __init__(self, layer: napari.layers.Labels, copy: Labels, parent: QObject) -> None:
        super().__init__(parent)
        self.layer = layer
        self.array: Labels = layer.data
        """The array that the layer got, which people may paint on."""
        self.copy = copy
        self._section: Section | None = None
        self._is_ours = False
        self._labels, self._corner = copy, (0, 0)
        self._pieces: list[Region] = []
        self._turn = rest_timer(self, self._go_on)

    @property
    def is_large(self) -> bool:
        """True if labels are written piece by piece."""
        shape = self.array.shape
        drawn = self.layer.visible and self.layer.ndim == 2
        return bool(drawn and shape[0] * shape[1] >= LARGE and max(shape) <= LONGEST_SIDE)

    @property
    def is_writing(self) -> bool:
        """True while pieces are waiting."""
        return bool(self._pieces)

    def holds(self) -> bool:
        """Return whether the layer still has the array that it got."""
        return bool(self.layer.data is self.array)

    def is_as_written(self) -> bool:
        """Return whether the layer still shows what was written."""
        return self.holds() and self.comparison()()

    def comparison(self) -> Callable[[], bool]:
        """Return what compares, in any thread, the layer's labels with what was written to it until now."""
        array, copy, section = self.array, self.copy, self._section

        def is_same() -> bool:
            if section is None:
                return bool(np.array_equal(array, copy))
            expected = copy[section.plane].copy()
            expected[slices(section.region)] = section.labels
            return bool(np.array_equal(array[section.plane], expected)) and all(
                np.array_equal(array[plane], copy[plane])
                for plane in np.ndindex(*array.shape[:-2])
                if plane != section.plane
            )

        return is_same

    def show_section(self, section: Section) -> None:
        """Show labels of a section in place of what was written there, until all are replaced; the one before goes."""
        before, self._section = self._section, section
        if before is not None:
            self.array[before.key] = self.copy[before.key]
        self.array[section.key] = section.labels
        self.layer.refresh()

    def replace(self, labels: Labels) -> None:
        """Give the layer a new array at once."""
        self.stop()
        self.copy, self._is_ours, self._section = labels, False, None
        self.array = labels.copy()
        replace_labels(self.layer, self.array)

    def own_copy(self) -> Labels:
        """Return a copy that can be written to, for any thread: making one of a large plane takes a while."""
        return self.copy if self._is_ours else self.copy.copy()

    def write(self, labels: Labels, region: Region, middle: tuple[float, float], copy: Labels) -> None:
        """Write the labels of a region soon, piece by piece, those nearest to a point first; `ended` says when all are.

        Pieces of labels given before that have not been written are left out. ``copy`` is an `own_copy`.
        """
        if not self._is_ours:
            self.copy, self._is_ours = copy, True
        y0, y1, x0, x1 = region
        self._labels, self._corner = labels, (y0, x0)
        pieces = [
            (y, min(y + PIECE, y1), x, min(x + PIECE, x1)) for y in range(y0, y1, PIECE) for x in range(x0, x1, PIECE)
        ]
        # The last one is taken first.
        self._pieces = sorted(pieces, key=lambda one: -np.hypot(*_way(one, middle)))
        self._turn.start()

    def stop(self) -> None:
        """Write no more pieces."""
        self._pieces.clear()
        self._turn.stop()

    def _go_on(self) -> None:
        """Write pieces until the window's turn comes."""
        end = time.thread_time() + TURN
        written = False
        while self._pieces:
            written |= self._write(self._pieces.pop())
            if time.thread_time() > end:
                break
        if written:
            forget_undo(self.layer)
        if self._pieces:
            self._turn.start()
        else:
            self.ended.emit()

    def _write(self, piece: Region) -> bool:
        """Write one piece; return whether anything changed in it."""
        here = slices(piece)
        (y, x), (y0, _, x0, _) = self._corner, piece
        new = self._labels[slices((piece[0] - y, piece[1] - y, piece[2] - x, piece[3] - x))]
        changed = new != self.array[here]
        if not changed.any():
            return False
        if self.layer.visible:
            rows, columns = np.nonzero(changed)
            # No stroke of a person: whoever listens hears of it once, when all is written.
            with self.layer.events.paint.blocker():
                self.layer.data_setitem((rows + y0, columns + x0), new[changed])
        else:  # hidden meanwhile: napari has no picture of it to write to, and makes one when it is shown
            self.array[here] = new
        self.copy[here] = new
        return True


def _way(piece: Region, point: tuple[float, float]) -> tuple[float, float]:
    """Return how far the middle of a piece is from a point, along both axes."""
    y0, y1, x0, x1 = piece
    return (y0 + y1) / 2 - point[0], (x0 + x1) / 2 - point[1]
