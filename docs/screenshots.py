"""Takes the pictures of README and docs in a real window: ``nox -s screenshots`` (Xvfb stands in for a screen).

An image file as argument is shown in place of the bundled sample, and a folder as second argument takes the pictures.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import napari
from pyvirtualdisplay.display import Display
from qtpy.QtWidgets import QApplication

from napari_unet_nuclei.core.model.registry import BUNDLED, FOLDER_VARIABLE, default_registry
from napari_unet_nuclei.gui.commands import SEGMENT_WIDGET
from napari_unet_nuclei.gui.demo import open_demo
from napari_unet_nuclei.gui.remembered import PLUGIN

IMAGES = Path(__file__).parent / "images"
SIZE = (1280, 720)
PATIENCE = 300.0
"""Seconds that a run may take."""


def main() -> None:
    """Take the pictures, on a screen of their own where there is none."""
    arguments = [Path(argument) for argument in sys.argv[1:]]
    if sys.platform == "linux" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        with Display(size=SIZE):
            take_pictures(arguments)
    else:
        take_pictures(arguments)


def take_pictures(arguments: list[Path]) -> None:
    """Segment, measure, show the models, and save a picture of each."""
    folder = arguments[1] if len(arguments) > 1 else IMAGES
    folder.mkdir(parents=True, exist_ok=True)
    viewer = napari.Viewer(title="Nuclei")
    viewer.window.resize(*SIZE)
    if arguments:
        viewer.open(arguments[0])
        _, dock = viewer.window.add_plugin_dock_widget(PLUGIN, SEGMENT_WIDGET)
        dock.segment_active_layer()
    else:
        dock = open_demo(viewer)
    wait_until(lambda: dock.session.live is not None and not dock.job_panel.is_running)
    viewer.window.screenshot(folder / "segment.png", canvas_only=False)
    viewer.window.remove_dock_widget("all")
    _, measure_dock = viewer.window.add_plugin_dock_widget(PLUGIN, "Measure nuclei")
    wait_until(measure_dock.panel.run_button.isEnabled)
    measure_dock.panel.run_button.click()
    wait_until(lambda: not measure_dock.panel.is_running)
    viewer.window.screenshot(folder / "measure.png", canvas_only=False)
    viewer.window.remove_dock_widget("all")
    with tempfile.TemporaryDirectory() as models:
        os.environ[FOLDER_VARIABLE] = models  # not those of whoever takes the pictures
        default_registry().add(next(BUNDLED.glob("*.safetensors")), "zebrafish 20x")
        viewer.window.add_plugin_dock_widget(PLUGIN, "Models")
        wait_until(lambda: True)
        viewer.window.screenshot(folder / "models.png", canvas_only=False)
    viewer.close()


def wait_until(condition: Callable[[], bool]) -> None:
    """Let the window live until something holds, and a moment longer, so that it is drawn."""
    end = time.monotonic() + PATIENCE
    while not condition():
        QApplication.processEvents()
        time.sleep(0.02)
        if time.monotonic() > end:
            raise TimeoutError("The window did not get there in time.")
    settled = time.monotonic() + 1.5
    while time.monotonic() < settled:
        QApplication.processEvents()
        time.sleep(0.02)


if __name__ == "__main__":
    main()
