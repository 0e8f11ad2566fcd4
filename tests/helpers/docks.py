"""All docks, how to find one by the name of its room, to wait for its job, and to click a place of the picture."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Sequence
from contextlib import AbstractContextManager
from types import SimpleNamespace

from napari_unet_nuclei.gui.jobs.job_panel import JobPanel
from napari_unet_nuclei.gui.viewer.dock import Dock

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


def job_done(qtbot, panel: JobPanel) -> AbstractContextManager:
    """Wait until the job that is started within has ended."""
    return qtbot.waitSignal(panel.running_changed, check_params_cb=lambda running: not running)


def mouse_event(position: Sequence[float], *keys: str) -> SimpleNamespace:
    """A click at a place of the world, as napari announces it."""
    shown = [len(position) - 2, len(position) - 1]
    return SimpleNamespace(position=position, view_direction=None, dims_displayed=shown, modifiers=keys)
