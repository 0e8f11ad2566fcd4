"""A window in which nuclei are corrected by keys and clicks on the canvas, as a person would."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from napari.layers import Labels
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QWidget

from napari_unet_nuclei.core.labels.decode import DecodeThresholds, decode_maps
from napari_unet_nuclei.gui.correct.dock import CorrectDock
from napari_unet_nuclei.gui.correct.session import CorrectSession
from napari_unet_nuclei.gui.viewer.layers import METADATA_KEY
from napari_unet_nuclei.gui.viewer.view import units_factors

THRESHOLDS = DecodeThresholds(0.5, 0.5, 10)
FAINT = (90, 100)
"""Middle of a nucleus that the thresholds miss."""


def seen() -> np.ndarray:
    """Maps (3, 120, 160) of eight clear nuclei, one pair that touches, and a faint one."""
    maps = np.zeros((3, 120, 160), np.uint8)
    places = [(20, 20), (20, 50), (20, 80), (50, 20), (50, 50), (50, 80), (80, 20), (80, 50), (30, 120), (49, 120)]
    yy, xx = np.mgrid[:120, :160]
    for y, x in places:
        _disc(maps, np.hypot(yy - y, xx - x), 240)
    _disc(maps, np.hypot(yy - FAINT[0], xx - FAINT[1]), 110)
    maps[1, 39:41, 112:129] = 200  # a border between the two that touch
    return maps


def _disc(maps: np.ndarray, radius: np.ndarray, brightness: int) -> None:
    inside = radius < 9.5
    maps[0][inside] = brightness
    maps[2][inside] = np.clip(brightness * (1.05 - radius[inside] / 9.5), 0, 255)


def segmented(planes: int = 0) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
    """Image, labels and what a labels layer keeps of its segmentation; a stack where planes are given."""
    maps = seen()
    labels = decode_maps(maps, THRESHOLDS)
    image = maps[0].astype(np.uint16) * 100
    kept = {
        "thresholds": THRESHOLDS,
        "provenance": {"model": "tiny", "diameter": 19.0, "settings": {}},
        "maps": maps[np.newaxis],
    }
    kept |= {"origin": (0,) * (3 if planes else 2), "axes": "ZYX" if planes else "YX"}
    if planes:
        kept["maps"] = np.stack([maps] * planes)
        labels = np.stack([np.where(labels > 0, labels + plane * labels.max(), 0) for plane in range(planes)])
        image = np.stack([image + plane for plane in range(planes)])
    return image, labels.astype(np.int32), {METADATA_KEY: kept}


def balls() -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
    """Image, labels and what a labels layer keeps of volumes: nuclei 1 and 2 touch in planes, 1 and 3 across them."""
    labels = np.zeros((9, 60, 80), np.int32)
    zz, yy, xx = np.mgrid[:9, :60, :80]
    for nucleus, (z, y, x) in enumerate([(2, 20, 20), (2, 20, 39), (6, 20, 20), (4, 42, 60)], start=1):
        labels[(((zz - z) * 4) ** 2 + (yy - y) ** 2 + (xx - x) ** 2 < 10**2) & (labels == 0)] = nucleus
    kept = {"provenance": {"model": "tiny", "diameter": 19.0, "planes": "volume"}, "maps": None, "thresholds": None}
    kept |= {"origin": (0, 0, 0), "axes": "ZYX"}
    return ((labels > 0) * 1000).astype(np.uint16), labels, {METADATA_KEY: kept}


@dataclass
class Bench:
    """A viewer with its dock, and hands."""

    viewer: Any
    dock: CorrectDock
    qtbot: Any

    @property
    def session(self) -> CorrectSession | None:
        return self.dock.current.session

    @property
    def layer(self) -> Labels:
        return self.session.layer

    @property
    def canvas(self) -> QWidget:
        window = self.dock.saver._window
        return next(child for child in window.findChildren(QWidget) if "Canvas" in type(child).__name__)

    @property
    def status(self) -> str:
        return self.dock.panel.status_label.text()

    @property
    def plane(self) -> np.ndarray:
        return self.session.corrected.view[self.dock.navigator.plane]

    @property
    def framed(self) -> list[int]:
        return list(self.dock.navigator.framed.boxes) if self.dock.navigator.framed else []

    def settle(self) -> None:
        """Let the dock finish what it does in the background and in the next turn of the event loop."""
        dock = self.dock
        self.qtbot.waitUntil(lambda: not (self.session and self.session.is_busy), timeout=20_000)
        self.qtbot.waitUntil(lambda: not (dock.saver.is_busy or dock.restorer.is_busy), timeout=20_000)
        self.qtbot.wait(20)

    def activate(self) -> None:
        """Give the window and its canvas the focus, and show the whole image."""
        self.viewer.scene.camera.zoom *= 0.55  # the dock has narrowed the canvas
        window = self.dock.saver._window
        window.activateWindow()
        self.canvas.setFocus()
        self.qtbot.waitUntil(window.isActiveWindow, timeout=10_000)

    def key(self, letter: str, modifier: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier) -> None:
        QTest.keyClick(self.canvas, getattr(Qt.Key, f"Key_{letter}"), modifier)
        self.settle()

    def undo(self) -> None:
        self.key("Z", Qt.KeyboardModifier.ControlModifier)

    def redo(self) -> None:
        self.key("Z", Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier)

    def at(self, y: float, x: float) -> QPoint:
        """Where a pixel of the shown plane is on the canvas."""
        corrected, camera = self.session.corrected, self.viewer.scene.camera
        world = corrected.world(self.dock.navigator.plane, (y, x)) * units_factors(corrected.layer, self.viewer.dims)
        middle = np.array([self.canvas.height(), self.canvas.width()]) / 2
        shown = (world[corrected.labels.place.order[-2:]] - np.array(camera.center[-2:])) * camera.zoom + middle
        return QPoint(round(shown[1]), round(shown[0]))

    def point_at(self, y: float, x: float) -> None:
        """Move the mouse to a pixel, without pressing."""
        QTest.mouseMove(self.canvas, self.at(y, x) + QPoint(1, 1))
        QTest.mouseMove(self.canvas, self.at(y, x))
        self.qtbot.wait(20)

    def click(self, y: float, x: float) -> None:
        self.point_at(y, x)
        QTest.mouseClick(self.canvas, Qt.MouseButton.LeftButton, pos=self.at(y, x))
        self.settle()

    def drag(self, *points: tuple[float, float]) -> None:
        """Draw with the left button through pixels."""
        self.point_at(*points[0])
        places = [self.at(*point) for point in points]
        QTest.mousePress(self.canvas, Qt.MouseButton.LeftButton, pos=places[0])
        for start, stop in pairwise(places):
            for step in np.linspace(0, 1, 8).tolist():
                QTest.mouseMove(self.canvas, start + (stop - start) * step)
                self.qtbot.wait(2)
        QTest.mouseRelease(self.canvas, Qt.MouseButton.LeftButton, pos=places[-1])
        self.settle()

    def press(self, button: QWidget) -> None:
        QTest.mouseClick(button, Qt.MouseButton.LeftButton)
        self.settle()
