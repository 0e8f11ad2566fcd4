"""All docks, how to find one by the name of its room, and how to wait for its job."""

from __future__ import annotations

import importlib
import inspect
from contextlib import AbstractContextManager

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
