"""Colours and letters of plots, which napari's style sheet does not reach."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from napari.settings import get_settings
from napari.utils.theme import get_theme

from napari_unet_nuclei.gui.widgets.loss_plot import PlotColours

if TYPE_CHECKING:
    from napari import Viewer

SHARE = 0.9
"""Size of the letters of plots, as a share of the others."""


def plot_look(theme: str) -> PlotColours:
    """Return how plots look in a theme, with the letter size of the preferences."""
    colours = get_theme(theme)
    letters = SHARE * get_settings().appearance.font_size
    return PlotColours(colours.background.as_hex("long"), colours.text.as_hex("long"), letters)


def on_new_look(viewer: Viewer, follow: Callable[..., None]) -> None:
    """Call a method of a widget when the theme or the letter size changes."""
    for changed in (viewer.events.theme, get_settings().appearance.events.font_size):
        changed.connect(follow)
