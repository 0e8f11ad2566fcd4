"""Open ImageJ ROIs and GeoJSON in napari as labels of the image that is there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

import napari
import pandas as pd
from napari.utils.colormaps import DirectLabelColormap
from napari.utils.notifications import show_warning

from napari_unet_nuclei.core.image.io.label_file import size_of
from napari_unet_nuclei.core.image.outlines.outline import DrawnLabels
from napari_unet_nuclei.core.image.outlines.read import holds_outlines, read_outlines
from napari_unet_nuclei.core.labels.classify.nucleus_classes import CLASS, COLOURS
from napari_unet_nuclei.gui.sample_data import LayerData
from napari_unet_nuclei.gui.viewer.layers import (
    LayerImage,
    describe_layer,
    guess_layer_axes,
    pictures_in,
    table_features,
)

CELL_OPACITY = 0.4
"""Of cells, beneath their nuclei."""

UNCLASSIFIED = "grey"
"""Colour of cells without a class, beside those that have one."""


def outline_reader(path: str | Sequence[str]) -> Callable[[str | Sequence[str]], list[LayerData]] | None:
    """Return the reader of a file of outlines, as napari asks for it; None for any other file, and for several."""
    paths = [path] if isinstance(path, str) else list(path)
    return read_outline_labels if len(paths) == 1 and holds_outlines(Path(paths[0])) else None


def read_outline_labels(path: str | Sequence[str]) -> list[LayerData]:
    """Draw the outlines of a file as a labels layer: over the chosen image, or the only one, if there is one.

    Classes become features of the layer. Of cells, a layer below that of their nuclei is drawn, with the same ids, and
    in the colours of the classes.
    """
    file, image = Path(path if isinstance(path, str) else path[0]), _image_at_hand()
    outlines = read_outlines(file)
    around = outlines.around()
    size = (around if around.outlines else outlines).extent() if image is None else size_of(image.source)
    if image is None:
        show_warning(f"{file.name}: without its image, the labels are as large as the outlines. Open the image first.")
    nuclei = _layer(outlines.draw(*size), file.stem, size[0], image)
    if not around.outlines:
        return [nuclei]
    cells, arguments, kind = _layer(around.draw(*size), f"{file.stem} cells", size[0], image)
    return [(cells, {**arguments, "opacity": CELL_OPACITY, **_class_colours(arguments)}, kind), nuclei]


def _layer(drawn: DrawnLabels, name: str, axes: str, image: LayerImage | None) -> LayerData:
    """Describe the layer of drawn labels, and say what may be wrong about them."""
    for notice in drawn.notices:
        show_warning(notice)
    named = {"label": list(drawn.classes), CLASS: list(drawn.classes.values())}
    arguments = {"name": name, "features": table_features(pd.DataFrame(named))}
    if image is None:
        return drawn.labels, {**arguments, "axis_labels": tuple(axes.lower())}, "labels"
    return image.arrange(drawn.labels), {**arguments, **image.spatial((0,) * drawn.labels.ndim)}, "labels"


def _class_colours(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the colours of labels by their classes; nothing where they have none."""
    features = arguments["features"]
    if features.empty:
        return {}
    colours = dict(zip(sorted(set(features[CLASS])), cycle(COLOURS), strict=False))
    by_id = {label: colours[name] for label, name in zip(features["label"], features[CLASS], strict=True)}
    return {"colormap": DirectLabelColormap(color_dict={None: UNCLASSIFIED, 0: "transparent", **by_id})}


def _image_at_hand() -> LayerImage | None:
    """Return the chosen image of the viewer, or its only one."""
    viewer = napari.current_viewer()
    pictures = [] if viewer is None else pictures_in(viewer)
    chosen = [layer for layer in pictures if viewer is not None and layer in viewer.layers.selection]
    layers = chosen if len(chosen) == 1 else pictures
    return describe_layer(layers[0], guess_layer_axes(layers[0])) if len(layers) == 1 else None
