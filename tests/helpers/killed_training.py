"""Trains in a real window on corrected layers until it is killed; a line for every epoch. Argument: the model."""

from __future__ import annotations

import sys

import napari
from qtpy.QtCore import QTimer

from napari_unet_nuclei.core.progress import EpochDone, Event
from napari_unet_nuclei.core.settings import FinetuneSettings
from napari_unet_nuclei.gui import PLUGIN
from napari_unet_nuclei.gui.finetune.dock import FinetuneDock
from napari_unet_nuclei.gui.finetune.form import FinetuneChoices
from napari_unet_nuclei.gui.settings.remembered import remember
from napari_unet_nuclei.gui.viewer.reviewed_layer import mark_plane
from tests.helpers.finetune_dock import QUICK, add_layers

ENDLESS: FinetuneSettings = QUICK.changed(steps=1_000_000)


def main() -> None:
    """Open two layers and the dock, press its button as soon as it can be, and train."""
    remember(FinetuneChoices(ENDLESS, sys.argv[1]))
    viewer = napari.Viewer()
    _, labels = add_layers(viewer)
    mark_plane(labels)
    _, dock = viewer.window.add_plugin_dock_widget(PLUGIN, "Fine-tune")
    dock.job_panel.reported.connect(tell)
    trying = QTimer()
    trying.timeout.connect(lambda: dock.job_panel.run_button.click() if is_ready(dock) else None)
    trying.start(50)
    napari.run()


def is_ready(dock: FinetuneDock) -> bool:
    """Tell whether everything has been counted, and nothing runs yet."""
    return dock.job_panel.run_button.isEnabled() and not dock.corrections.is_checking


def tell(event: Event) -> None:
    """Say that an epoch is done."""
    if isinstance(event, EpochDone):
        sys.stdout.write("epoch\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
