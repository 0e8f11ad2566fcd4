"""Layers that are laid over a layer of the user: in its place, and without taking the selection from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Layer

_ALIKE = ("scale", "translate", "rotate", "shear", "affine", "units", "axis_labels")


def alike(layer: Layer) -> dict[str, Any]:
    """Return the spatial arguments for a layer in the same place as another one."""
    return {name: getattr(layer, name) for name in _ALIKE}


def add_unselected(viewer: Viewer, layer: Layer, *, above: Layer | None = None) -> None:
    """Add a layer right above another one, else above all, and give the selection back, which a new layer takes."""
    layers = viewer.layers
    selected, active = set(layers.selection), layers.selection.active
    layers.insert(len(layers) if above is None else layers.index(above) + 1, layer)
    layers.selection = selected
    layers.selection.active = active
