"""Small pictures of the images that a model can learn from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from qtpy.QtGui import QIcon, QImage, QPixmap

from napari_unet_nuclei.core.image.picture import for_screen
from napari_unet_nuclei.gui.finetune.rows import Plane

SIDE = 28
"""Pixels; as tall as two lines of text."""

MOST_KEPT = 64
"""Pictures that are kept, so that a stroke of the brush makes none anew."""


@dataclass(frozen=True)
class Thumbnail:
    """A picture (Y, X, 3) of 8 bits as bytes, which can be compared."""

    pixels: bytes
    height: int
    width: int

    def icon(self) -> QIcon:
        """Return the picture for a list."""
        image = QImage(self.pixels, self.width, self.height, 3 * self.width, QImage.Format.Format_RGB888)
        return QIcon(QPixmap.fromImage(image.copy()))


class Thumbnails:
    """Makes pictures of planes in memory, each once; of others there are none, as reading them takes time."""

    def __init__(self) -> None:
        self._kept: dict[tuple[object, ...], tuple[object, Thumbnail]] = {}

    def of(self, plane: Plane) -> Thumbnail | None:
        """Return the picture of a plane."""
        under = plane.corrected.image
        array = None if under is None else under.source.array
        if not isinstance(array, np.ndarray):
            return None
        key = (id(array), *plane.area)
        if key not in self._kept:
            while len(self._kept) >= MOST_KEPT:
                self._kept.pop(next(iter(self._kept)))
            # With the array, so that no other one gets its id.
            self._kept[key] = array, _drawn(plane)
        return self._kept[key][1]


def _drawn(plane: Plane) -> Thumbnail:
    height, width = plane.corrected.labels.shape[-2:]
    image, axes = plane.corrected.pixels(plane.index, (0, height, 0, width))
    if axes == "CYX":
        image = image[plane.corrected.nuclei_channel or 0]
    step = -(-max(height, width) // SIDE)
    picture = for_screen(image[::step, ::step])
    return Thumbnail(np.ascontiguousarray(picture).tobytes(), *picture.shape[:2])
