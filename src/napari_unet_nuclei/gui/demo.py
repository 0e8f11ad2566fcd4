"""Open napari on the bundled sample and segment it: ``python -m napari_unet_nuclei.gui.demo``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_unet_nuclei.gui import PLUGIN
from napari_unet_nuclei.gui.segment.start import SAMPLE
from napari_unet_nuclei.gui.viewer.dock import SEGMENT, open_dock

if TYPE_CHECKING:
    import napari

    from napari_unet_nuclei.gui.segment.dock import SegmentDock


def open_demo(viewer: napari.Viewer) -> SegmentDock:
    """Open the sample and the dock, and start segmenting."""
    viewer.open_sample(PLUGIN, SAMPLE)
    segment_dock: SegmentDock = open_dock(viewer, SEGMENT)
    segment_dock.segment_active_layer()
    return segment_dock


def main() -> None:
    """Run napari until the user closes it."""
    import napari

    open_demo(napari.Viewer(title="Nuclei"))
    napari.run()


if __name__ == "__main__":
    main()
