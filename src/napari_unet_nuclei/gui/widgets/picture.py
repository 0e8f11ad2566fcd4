"""A picture that fills the width of its place."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QSize, Qt
from qtpy.QtGui import QImage, QPainter, QPaintEvent
from qtpy.QtWidgets import QSizePolicy, QWidget

SMALLEST = 60
"""Minimum width in pixels."""


class PictureView(QWidget):
    """A picture that keeps its aspect ratio; the description is for screen readers."""

    def __init__(self, description: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._image = QImage()
        self.setAccessibleName(description)
        policy = QSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Minimum)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)
        self.setMinimumWidth(SMALLEST)

    @property
    def has_picture(self) -> bool:
        """True while a picture is shown."""
        return not self._image.isNull()

    def set_picture(self, pixels: NDArray[np.uint8]) -> None:
        """Show an RGB array (Y, X, 3)."""
        height, width = pixels.shape[:2]
        # Copied, as Qt does not keep the buffer alive.
        self._show(QImage(pixels.tobytes(), width, height, 3 * width, QImage.Format.Format_RGB888).copy())

    def load(self, path: str) -> None:
        """Show an image file."""
        self._show(QImage(path))

    def clear(self) -> None:
        """Show nothing."""
        self._show(QImage())

    def _show(self, image: QImage) -> None:
        self._image = image
        self.updateGeometry()
        self.update()

    def hasHeightForWidth(self) -> bool:
        """Return True: the height follows from the width."""
        return self.has_picture

    def heightForWidth(self, width: int) -> int:
        """Return the height that keeps the aspect ratio."""
        return round(width * self._image.height() / self._image.width()) if self.has_picture else 0

    def sizeHint(self) -> QSize:
        """Return the preferred size."""
        return QSize(2 * SMALLEST, self.heightForWidth(2 * SMALLEST))

    def minimumSizeHint(self) -> QSize:
        """Return the smallest size."""
        return QSize(SMALLEST, self.heightForWidth(SMALLEST))

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Draw the picture from the upper left corner; enlarged pixels stay squares."""
        if not self.has_picture:
            return
        size = self._image.size().scaled(self.size(), Qt.AspectRatioMode.KeepAspectRatio)
        enlarged = size.width() >= self._image.width()
        mode = Qt.TransformationMode.FastTransformation if enlarged else Qt.TransformationMode.SmoothTransformation
        painter = QPainter(self)
        painter.drawImage(0, 0, self._image.scaled(size, Qt.AspectRatioMode.IgnoreAspectRatio, mode))
        painter.end()
