"""All docks, how to find one by the name of its room, to wait for its job, and to click a place of the picture."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Sequence
from contextlib import AbstractContextManager
from types import SimpleNamespace
from typing import Any, TypeVar

from napari.components import ViewerModel

from napari_unet_nuclei.gui.jobs.job_panel import JobPanel
from napari_unet_nuclei.gui.viewer.dock import Dock
from tests.helpers.correcting import segmented

DockType = TypeVar("DockType", bound=Dock)

DOCKS = ("segment", "measure", "correct", "follow", "models", "finetune", "batch", "evaluate")


def dock_class(name: str) -> type[Dock]:
    """The class of a dock."""
    module = importlib.import_module(f"napari_unet_nuclei.gui.{name}.dock")
    [kind] = [
        one
        for one in vars(module).values()
        if inspect.isclass(one) and issubclass(one, Dock) and one.__module__ == module.__name__
    ]
    return kind


def filled_dock(qtbot, name: str) -> Dock:
    """Make a dock, by the name of its room, of a viewer with an image and its labels."""
    kind = dock_class(name)
    viewer = ViewerModel()
    image, labels, metadata = segmented(3)
    viewer.add_image(image, name="DAPI")
    viewer.add_labels(labels, name="DAPI labels", metadata=metadata)
    dock = kind() if name == "models" else kind(viewer)
    qtbot.addWidget(dock)
    return dock


def show_alone(qtbot, dock: DockType, viewer: Any) -> DockType:
    """Show a dock without a window around it, as wide as beside an image.

    Tell it of layers that come and go, as napari's window tells its docks.
    """
    qtbot.addWidget(dock)
    if hasattr(dock, "reset_choices"):
        events = viewer.layers.events
        for event in (events.inserted, events.removed, events.reordered, events.renamed):
            event.connect(dock.reset_choices)
    dock.resize(380, 800)
    dock.show()
    return dock


def job_done(qtbot, panel: JobPanel) -> AbstractContextManager:
    """Wait until the job that is started within has ended."""
    return qtbot.waitSignal(panel.running_changed, check_params_cb=lambda running: not running)


def mouse_event(position: Sequence[float], *keys: str) -> SimpleNamespace:
    """A click at a place of the world, as napari announces it."""
    shown = [len(position) - 2, len(position) - 1]
    return SimpleNamespace(position=position, view_direction=None, dims_displayed=shown, modifiers=keys)
