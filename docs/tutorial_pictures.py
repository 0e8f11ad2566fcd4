"""Takes the pictures of the tutorial: the whole way from a sample to a model of one's own, in a real window."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import napari
import numpy as np
from PIL import Image
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QDockWidget, QMainWindow, QWidget

from napari_unet_nuclei.core.corrections.store import FOLDER_VARIABLE as CORRECTIONS_VARIABLE
from napari_unet_nuclei.core.model.registry import FOLDER_VARIABLE as MODELS_VARIABLE
from napari_unet_nuclei.gui.correct.dock import CorrectDock
from napari_unet_nuclei.gui.demo import open_demo
from napari_unet_nuclei.gui.finetune.dock import COURSE
from napari_unet_nuclei.gui.segment.dock import SegmentDock
from napari_unet_nuclei.gui.settings.remembered import PLUGIN
from napari_unet_nuclei.gui.viewer.dock import ancestor

COLOURS = 256
"""Of a picture, which makes it a half as large as a file."""

QUICK = {"steps_auto": False, "steps": 60, "epoch_steps": 6, "rehearsal": False}
"""Settings of a training that takes less than a minute."""

Wait = Callable[[Callable[[], bool]], None]
"""Lets the window live until something holds, and until it is drawn."""


def take_tutorial_pictures(viewer: napari.Viewer, folder: Path, wait_until: Wait) -> None:
    """Go the whole way, and save a picture at each step.

    Parameters
    ----------
    viewer : napari.Viewer
        Without layers and docks.
    folder : Path
        For the pictures.
    wait_until : callable
        As `Wait` says.
    """

    def shoot(name: str) -> None:
        wait_until(lambda: True)
        pixels = viewer.window.screenshot(canvas_only=False, flash=False)
        Image.fromarray(pixels[..., :3]).quantize(COLOURS).save(folder / f"tutorial-{name}.png", optimize=True)

    with tempfile.TemporaryDirectory() as own:  # not the folders of whoever takes the pictures
        os.environ |= {CORRECTIONS_VARIABLE: f"{own}/corrections", MODELS_VARIABLE: f"{own}/models"}
        segment = open_demo(viewer)
        wait_until(lambda: segment.session.live is not None and not segment.job_panel.is_running)
        _review(viewer, wait_until, shoot)
        name = _finetune(viewer, wait_until, shoot)
        _segment_again(segment, name, wait_until)
        shoot("again")
        viewer.window.remove_dock_widget("all")
        viewer.layers.clear()


def _review(viewer: napari.Viewer, wait_until: Wait, shoot: Callable[[str], None]) -> None:
    """Walk through the most doubtful nuclei, cut one, and draw what was reviewed."""
    _, dock = viewer.window.add_plugin_dock_widget(PLUGIN, "Correct nuclei")
    wait_until(lambda: dock.session is not None and not dock.session.is_busy)
    dock.press("next")
    shoot("doubt")
    for verb in ("accept", "accept", "accept", "next"):
        dock.press(verb)
    nucleus = dock.session.review.pending(())[5]
    dock.walk.go_to(nucleus)
    y0, y1, x0, x1 = nucleus.box
    dock.press("cut")
    line = [((y0 - 4), (x0 + x1) / 2), ((y1 + 4), (x0 + x1) / 2)]
    _drag(viewer, dock, line, lambda: shoot("cut"))
    wait_until(lambda: not dock.session.is_busy)
    viewer.reset_view()
    dock.reviewed_panel.draw_button.click()
    height, width = dock.session.layer.data.shape
    _drag(viewer, dock, [(0.1 * height, 0.08 * width), (0.92 * height, 0.9 * width)])
    dock.reviewed_panel.draw_button.click()


def _finetune(viewer: napari.Viewer, wait_until: Wait, shoot: Callable[[str], None]) -> str:
    """Teach a model, and keep it; return its name."""
    _, dock = viewer.window.add_plugin_dock_widget(PLUGIN, "Fine-tune")
    for name, value in QUICK.items():
        dock.form.folded_form.control(name).value = value
    wait_until(lambda: dock.job_panel.run_button.isEnabled() and not dock.corrections.is_checking)
    shoot("learn")
    dock.job_panel.run_button.click()
    wait_until(lambda: len(dock.course.plot.history) > 4)
    assert dock.tabs.currentIndex() == COURSE
    shoot("training")
    wait_until(lambda: not dock.job_panel.is_running)
    shoot("result")
    new: str = dock.result.undecided.result.name
    dock.result.keep_button.click()
    wait_until(lambda: not dock.job_panel.is_running)
    return new


def _segment_again(dock: SegmentDock, model: str, wait_until: Wait) -> None:
    """Segment with the new model."""
    frame = ancestor(dock, QDockWidget)
    assert frame is not None, "the dock lies in napari's window"
    frame.raise_()
    dock.form.model_picker.setValue(model)
    dock.job_panel.run_button.click()
    wait_until(lambda: not dock.job_panel.is_running)


def _drag(
    viewer: napari.Viewer, dock: CorrectDock, ends: list[tuple[float, float]], meanwhile: Callable[[], None] = bool
) -> None:
    """Draw with the mouse from one pixel of the labels to another."""
    window = ancestor(dock, QMainWindow)
    assert window is not None, "the dock lies in napari's window"
    assert dock.session is not None, "there are labels"
    canvas = next(child for child in window.findChildren(QWidget) if "Canvas" in type(child).__name__)
    camera, layer = viewer.scene.camera, dock.session.layer
    middle = np.array([canvas.height(), canvas.width()]) / 2
    places = []
    for end in ends:
        y, x = (np.array(layer.data_to_world(end)) - np.array(camera.center[-2:])) * camera.zoom + middle
        places.append(QPoint(round(x), round(y)))
    start, stop = places
    QTest.mouseMove(canvas, start)
    QTest.mousePress(canvas, Qt.MouseButton.LeftButton, pos=start)
    for share in np.linspace(0, 1, 12).tolist():
        QTest.mouseMove(canvas, start + (stop - start) * share)
        QTest.qWait(10)
    meanwhile()
    QTest.mouseRelease(canvas, Qt.MouseButton.LeftButton, pos=stop)
