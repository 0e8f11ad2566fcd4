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
import numpy as np
import pandas as pd
from pyvirtualdisplay.display import Display
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication
from tifffile import imwrite
from tutorial_pictures import take_tutorial_pictures

from napari_unet_nuclei import NucleusClasses, segment_folder, write_classes
from napari_unet_nuclei.core.corrections.store import FOLDER_VARIABLE as CORRECTIONS_VARIABLE
from napari_unet_nuclei.core.model.registry import BUNDLED, FOLDER_VARIABLE, default_registry
from napari_unet_nuclei.core.samples.synthetic import fluorescent_nuclei, stained_tissue
from napari_unet_nuclei.core.samples.synthetic_movie import dividing_nuclei
from napari_unet_nuclei.gui.demo import open_demo
from napari_unet_nuclei.gui.measure.dock import MeasureDock
from napari_unet_nuclei.gui.measure.teaching import FILE_VARIABLE as CLASSES_VARIABLE
from napari_unet_nuclei.gui.settings.remembered import PLUGIN
from napari_unet_nuclei.gui.viewer.dock import SEGMENT
from napari_unet_nuclei.gui.viewer.reviewed_layer import add_reviewed_layer, alike

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
    """Segment, measure, segment a folder, show the models, and save a picture of each."""
    folder = arguments[1] if len(arguments) > 1 else IMAGES
    folder.mkdir(parents=True, exist_ok=True)
    viewer = napari.Viewer(title="Nuclei")
    viewer.window.resize(*SIZE)
    if arguments:
        viewer.open(arguments[0])
        _, dock = viewer.window.add_plugin_dock_widget(PLUGIN, SEGMENT)
        dock.segment_active_layer()
    else:
        dock = open_demo(viewer)
    wait_until(lambda: dock.session.live is not None and not dock.job_panel.is_running)
    viewer.window.screenshot(folder / "segment.png", canvas_only=False)
    viewer.window.remove_dock_widget("all")
    take_correct_picture(viewer, folder)
    _, measure_dock = viewer.window.add_plugin_dock_widget(PLUGIN, "Measure nuclei")
    wait_until(measure_dock.panel.run_button.isEnabled)
    measure_dock.panel.run_button.click()
    wait_until(lambda: not measure_dock.panel.is_running)
    take_measure_picture(viewer, folder, measure_dock)
    take_classes_picture(viewer, folder, measure_dock)
    viewer.window.remove_dock_widget("all")
    take_evaluate_picture(viewer, folder)
    take_batch_picture(viewer, folder)
    viewer.window.remove_dock_widget("all")
    take_finetune_pictures(viewer, folder)
    viewer.window.remove_dock_widget("all")
    with tempfile.TemporaryDirectory() as models:
        os.environ[FOLDER_VARIABLE] = models  # not those of whoever takes the pictures
        default_registry().add(next(BUNDLED.glob("*.safetensors")), "zebrafish 20x")
        viewer.window.add_plugin_dock_widget(PLUGIN, "Models")
        wait_until(lambda: True)
        viewer.window.screenshot(folder / "models.png", canvas_only=False)
    viewer.window.remove_dock_widget("all")
    take_volumes_picture(viewer, folder)
    take_follow_picture(viewer, folder)
    take_qupath_pictures(viewer, folder)
    viewer.layers.clear()
    take_tutorial_pictures(viewer, folder, wait_until)
    viewer.close()


def take_measure_picture(viewer: napari.Viewer, folder: Path, dock: MeasureDock) -> None:
    """Drag a gate over the plot, save a picture of the nuclei that it colours, and take it away again."""
    plot = dock.results.plot
    assert plot is not None, "the nuclei are measured"
    canvas = plot.canvas
    low, high, beside = (QPoint(round(canvas.width() * share), canvas.height() // 3) for share in (0.6, 0.9, 0.3))
    QTest.mousePress(canvas, Qt.MouseButton.LeftButton, pos=low)
    for step in range(1, 11):
        QTest.mouseMove(canvas, low + (high - low) * step / 10)
        QTest.qWait(10)
    QTest.mouseRelease(canvas, Qt.MouseButton.LeftButton, pos=high)
    wait_until(lambda: dock.results.gate is not None)
    viewer.window.screenshot(folder / "measure.png", canvas_only=False)
    QTest.mouseClick(canvas, Qt.MouseButton.LeftButton, pos=beside)
    wait_until(lambda: dock.results.gate is None)
    dock.results.colour_box.setCurrentIndex(0)


def take_classes_picture(viewer: napari.Viewer, folder: Path, dock: MeasureDock) -> None:
    """Teach two classes by the largest and smallest nuclei, and save a picture of what is told of all others."""
    with tempfile.TemporaryDirectory() as own:
        os.environ[CLASSES_VARIABLE] = str(Path(own) / "classes.json")
        panel = dock.results.classes_panel
        dock.results.tabs.setCurrentWidget(panel)
        for name, new in (("class 1", "large"), ("class 2", "small")):
            panel.renamed.emit(name, new)
            wait_until(lambda new=new: new in panel.rows)
        order = dock.results.table["area_px"].argsort().tolist()
        for place, rows in enumerate((order[-6:], order[:6])):
            for row in rows:
                dock.teaching.give(row, place)
        wait_until(lambda: bool(panel.outcome.text()) and not dock.teaching.is_busy)
        viewer.window.screenshot(folder / "classes.png", canvas_only=False)
        dock.results.colour_box.setCurrentIndex(0)


def take_correct_picture(viewer: napari.Viewer, folder: Path) -> None:
    """Go to a doubtful nucleus, and save a picture of it in its frame."""
    with tempfile.TemporaryDirectory() as corrections:
        os.environ[CORRECTIONS_VARIABLE] = corrections
        _, dock = viewer.window.add_plugin_dock_widget(PLUGIN, "Correct nuclei")
        wait_until(lambda: dock.current.session is not None and not dock.current.session.is_busy)
        dock.press("next")
        wait_until(lambda: True)
        viewer.window.screenshot(folder / "correct.png", canvas_only=False)
        viewer.window.remove_dock_widget("all")
        viewer.reset_view()  # the pictures that follow show the whole image


def take_evaluate_picture(viewer: napari.Viewer, folder: Path) -> None:
    """Judge labels that lack and merge some nuclei, go to a mistake, and save a picture."""
    viewer.layers.clear()
    sample = fluorescent_nuclei(3, (300, 360), 26.0, 45)
    image = viewer.add_image(sample.image, name="cells")
    viewer.add_labels(sample.labels, name="drawn by hand", **alike(image))
    found = sample.labels.copy()
    found[np.isin(found, (5, 12))] = 0
    touching = next((a, b) for a, b in zip(found[:, :-2].flat, found[:, 2:].flat, strict=True) if a and b and a != b)
    found[found == touching[1]] = touching[0]
    found[20:32, 20:32][found[20:32, 20:32] == 0] = found.max() + 1
    viewer.add_labels(found, name="cells labels", **alike(image))
    _, dock = viewer.window.add_plugin_dock_widget(PLUGIN, "Evaluate labels")
    dock.labels_box.choose(viewer.layers["cells labels"])
    wait_until(dock.panel.run_button.isEnabled)
    dock.panel.run_button.click()
    wait_until(lambda: not dock.panel.is_running)
    dock.forward.click()
    wait_until(lambda: True)
    viewer.window.screenshot(folder / "evaluate.png", canvas_only=False)
    viewer.window.remove_dock_widget("all")


def take_finetune_pictures(viewer: napari.Viewer, folder: Path) -> None:
    """Review two regions of a stained sample, teach a model their nuclei, and save a picture before and during it."""
    viewer.layers.clear()
    viewer.open_sample(PLUGIN, "stained_tissue")
    [image] = viewer.layers
    drawn = stained_tissue().labels
    labels = viewer.add_labels(drawn, name=f"{image.name} labels", opacity=0.4, **alike(image))
    height, width = drawn.shape
    reviewed = add_reviewed_layer(viewer, labels)
    for y, x in ((0.04, 0.04), (0.55, 0.42)):
        corners = np.array([(y, x), (y, x + 0.52), (y + 0.4, x + 0.52), (y + 0.4, x)])
        reviewed.add(corners * (height, width), shape_type="polygon")
    viewer.layers.selection.active = labels
    with tempfile.TemporaryDirectory() as corrections:
        os.environ[CORRECTIONS_VARIABLE] = corrections  # not those of whoever takes the pictures
        _, dock = viewer.window.add_plugin_dock_widget(PLUGIN, "Fine-tune")
        for name, value in {"steps_auto": False, "steps": 1000, "epoch_steps": 3, "rehearsal": False}.items():
            dock.form.folded_form.control(name).value = value
        wait_until(lambda: dock.job_panel.run_button.isEnabled() and not dock.corrections.is_checking)
        viewer.window.screenshot(folder / "finetune.png", canvas_only=False)
        dock.job_panel.run_button.click()
        wait_until(lambda: len(dock.training.plot.history) > 3)
        viewer.window.screenshot(folder / "finetune-training.png", canvas_only=False)
        dock.job_panel.cancel_button.click()
        wait_until(lambda: not dock.job_panel.is_running)


def take_volumes_picture(viewer: napari.Viewer, folder: Path) -> None:
    """Find the nuclei of the drawn stack, show them in three dimensions, and save a picture."""
    viewer.layers.clear()
    viewer.open_sample(PLUGIN, "packed_tissue")
    _, dock = viewer.window.add_plugin_dock_widget(PLUGIN, SEGMENT)
    dock.segment_active_layer()
    wait_until(lambda: dock.session.live is not None and not dock.job_panel.is_running)
    viewer.layers[0].visible = False
    viewer.dims.ndisplay = 3
    viewer.scene.camera.angles = (-20.0, 30.0, 15.0)
    viewer.scale_bar.visible = True
    wait_until(lambda: True)
    viewer.window.screenshot(folder / "volumes.png", canvas_only=False)
    viewer.dims.ndisplay = 2
    viewer.scale_bar.visible = False
    viewer.window.remove_dock_widget("all")


def take_follow_picture(viewer: napari.Viewer, folder: Path) -> None:
    """Follow the true labels of a drawn movie, show a division with its lineage, and save a picture."""
    viewer.layers.clear()
    viewer.open_sample(PLUGIN, "dividing_nuclei")
    [image] = viewer.layers
    labels = viewer.add_labels(dividing_nuclei().labels, name=f"{image.name} labels", **alike(image))
    labels.contour = 1
    _, dock = viewer.window.add_plugin_dock_widget(PLUGIN, "Follow over time")
    dock.take_labels(labels)
    wait_until(lambda: dock.session is not None and not dock.panel.is_running)
    mother = int(dock.session.lineages.parent.max())
    last = int(dock.session.lineages.spots.frame[dock.session.lineages.rows(mother)[-1]])
    dock.go_to_track(mother, last)
    wait_until(lambda: True)
    viewer.window.screenshot(folder / "follow.png", canvas_only=False)
    viewer.window.remove_dock_widget("all")


def take_batch_picture(viewer: napari.Viewer, folder: Path) -> None:
    """Segment a folder of samples, one of them damaged, show a result, and save a picture."""
    viewer.layers.clear()
    with tempfile.TemporaryDirectory() as name:
        images = Path(name) / "plate 1"
        images.mkdir()
        for seed in range(8):
            sample = fluorescent_nuclei(seed, (400, 480), 24.0, 60 + 10 * seed)
            imwrite(images / f"well_{seed + 1:02}.tif", sample.image)
        (images / "notes.tif").write_text("These are no pixels.", encoding="utf-8")
        _, dock = viewer.window.add_plugin_dock_widget(PLUGIN, "Batch segment folder")
        dock.form.images.setValue(str(images))
        dock.form.out.setValue(str(images / "nuclei"))
        wait_until(lambda: dock.table.images.rowCount() > 0)
        dock.job_panel.run_button.click()
        wait_until(lambda: not dock.job_panel.is_running)
        dock.table.wanted.emit(next(row for row in dock.table.images.rows if row.result))
        wait_until(lambda: len(viewer.layers) > 0)
        viewer.window.screenshot(folder / "batch.png", canvas_only=False)
    viewer.layers.clear()


def take_qupath_pictures(viewer: napari.Viewer, folder: Path) -> None:
    """Segment an image for QuPath, as nuclei and as cells with classes, and save a picture of each opened again."""
    with tempfile.TemporaryDirectory() as made:
        images, nuclei, cells = (Path(made) / name for name in ("images", "nuclei", "cells"))
        images.mkdir()
        imwrite(images / "cells.tif", fluorescent_nuclei(3, (300, 360), 26.0, 45).image)
        segment_folder(images, nuclei, geojson=True)
        table = pd.read_csv(nuclei / "cells_table.csv")
        order = table["area_px"].rank(pct=True)
        examples = np.select([order > 0.8, order < 0.2], ["large", "small"], "").tolist()
        write_classes(Path(made) / "sizes.json", NucleusClasses.taught(table, examples, columns=("area_px",)))
        how = {"cell": 6, "distance_unit": "px", "classes": str(Path(made) / "sizes.json")}
        segment_folder(images, cells, geojson=True, **how)
        for results, name in ((nuclei, "qupath-nuclei.png"), (cells, "qupath-cells.png")):
            viewer.layers.clear()
            viewer.open(images / "cells.tif")
            viewer.open(results / "cells_nuclei.geojson", plugin=PLUGIN)
            labels, clicked = viewer.layers[-1], order.idxmax() + 1
            viewer.mouse_over_canvas = True
            viewer.cursor.position = tuple(np.argwhere(labels.data == clicked).mean(axis=0))
            wait_until(lambda: True)
            viewer.window.screenshot(folder / name, canvas_only=False)


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
