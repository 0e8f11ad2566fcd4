"""Open ImageJ ROIs and GeoJSON in napari as labels of the image that is there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import napari
from napari.utils.notifications import show_warning

from napari_unet_nuclei.core.image.io.label_file import read_labels, size_of
from napari_unet_nuclei.core.image.outlines.read import holds_outlines
from napari_unet_nuclei.gui.sample_data import LayerData
from napari_unet_nuclei.gui.viewer.layers import LayerImage, describe_layer, guess_layer_axes, pictures_in


def outline_reader(path: str | Sequence[str]) -> Callable[[str | Sequence[str]], list[LayerData]] | None:
    """Return the reader of a file of outlines, as napari asks for it; None for any other file, and for several."""
    paths = [path] if isinstance(path, str) else list(path)
    return read_outline_labels if len(paths) == 1 and holds_outlines(Path(paths[0])) else None


def read_outline_labels(path: str | Sequence[str]) -> list[LayerData]:
    """Draw the outlines of a file as a labels layer: over the chosen image, or the only one, if there is one."""
    file, image = Path(path if isinstance(path, str) else path[0]), _image_at_hand()
    found = read_labels(file, None if image is None else size_of(image.source))
    for notice in found.notices:
        show_warning(notice)
    labels = found.file.array
    if image is None:
        show_warning(f"{file.name}: without its image, the labels are as large as the outlines. Open the image first.")
        return [(labels, {"name": file.stem, "axis_labels": tuple(found.file.axes.lower())}, "labels")]
    return [(image.arrange(labels), {"name": file.stem, **image.spatial((0,) * labels.ndim)}, "labels")]


def _image_at_hand() -> LayerImage | None:
    """Return the chosen image of the viewer, or its only one."""
    viewer = napari.current_viewer()
    pictures = [] if viewer is None else pictures_in(viewer)
    chosen = [layer for layer in pictures if viewer is not None and layer in viewer.layers.selection]
    layers = chosen if len(chosen) == 1 else pictures
    return describe_layer(layers[0], guess_layer_axes(layers[0])) if len(layers) == 1 else None
