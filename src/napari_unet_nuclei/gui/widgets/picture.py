"""Shows a picture as large as its place is wide."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QSize, Qt
from qtpy.QtGui import QImage, QPainter, QPaintEvent
from qtpy.QtWidgets import QSizePolicy, QWidget

SMALLEST = 60
"""Pixels that a picture is wide at least."""


class PictureView(QWidget):
    """A picture that keeps its proportions.

    Parameters
    ----------
    description : str
        For people who cannot see it.
    """

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
        """True once there is something to see."""
        return not self._image.isNull()

    def set_picture(self, pixels: NDArray[np.uint8]) -> None:
        """Show pixels (Y, X, 3)."""
        height, width = pixels.shape[:2]
        # A copy: Qt does not keep the array.
        self._image = QImage(pixels.tobytes(), width, height, 3 * width, QImage.Format.Format_RGB888).copy()
        self.updateGeometry()
        self.update()

    def load(self, path: str) -> None:
        """Show a file."""
        self._image = QImage(path)
        self.updateGeometry()
        self.update()

    def clear(self) -> None:
        """Show nothing."""
        self._image = QImage()
        self.updateGeometry()
        self.update()

    def hasHeightForWidth(self) -> bool:
        """The height follows from the width."""
        return self.has_picture

    def heightForWidth(self, width: int) -> int:
        """Height that keeps the proportions."""
        return round(width * self._image.height() / self._image.width()) if self.has_picture else 0

    def sizeHint(self) -> QSize:
        """Qt's question for a size."""
        return QSize(2 * SMALLEST, self.heightForWidth(2 * SMALLEST))

    def minimumSizeHint(self) -> QSize:
        """Qt's question for the smallest size."""
        return QSize(SMALLEST, self.heightForWidth(SMALLEST))

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Draw the picture in the upper left corner, pixels as squares where they are enlarged."""
        if not self.has_picture:
            return
        size = self._image.size().scaled(self.size(), Qt.AspectRatioMode.KeepAspectRatio)
        enlarged = size.width() >= self._image.width()
        mode = Qt.TransformationMode.FastTransformation if enlarged else Qt.TransformationMode.SmoothTransformation
        painter = QPainter(self)
        painter.drawImage(0, 0, self._image.scaled(size, Qt.AspectRatioMode.IgnoreAspectRatio, mode))
        painter.end()
