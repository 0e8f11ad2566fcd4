"""All docks, and how to open one by the name of its room."""

from __future__ import annotations

import importlib
import inspect

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
