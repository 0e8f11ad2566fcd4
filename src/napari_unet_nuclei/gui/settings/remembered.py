"""Settings that last from one session to the next, in napari's own store: they have a page in its Preferences."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from napari_unet_nuclei.core.errors import NucleiError, SettingsError
from napari_unet_nuclei.core.model.registry import AUTOMATIC, default_registry
from napari_unet_nuclei.core.settings import SegmentSettings, validated

PLUGIN = "napari-unet-nuclei"

WHOLE, PLANE, VIEW = "whole image", "current plane", "current view"
SCOPES = (WHOLE, PLANE, VIEW)
"""What of an image is segmented."""


@dataclass(frozen=True)
class SegmentChoices:
    """What the dock *Segment nuclei* was last told.

    Attributes
    ----------
    settings : SegmentSettings
    model : str
    run_on : str
        One of `SCOPES`.
    """

    settings: SegmentSettings = field(default_factory=SegmentSettings)
    model: str = AUTOMATIC
    run_on: str = WHOLE


def recall() -> SegmentChoices:
    """Return what was last remembered; the defaults where there is nothing, or nothing that can be used."""
    store = plugin_store("segment")
    if store is None:
        return SegmentChoices()
    values = store.model_dump()
    model, run_on = values.pop("model"), values.pop("run_on")
    try:
        settings = validated(SegmentSettings, values)
    except SettingsError:
        return SegmentChoices()
    return SegmentChoices(settings, model if _is_there(model) else AUTOMATIC, run_on if run_on in SCOPES else WHOLE)


def _is_there(model: str) -> bool:
    """Tell whether a remembered model can still be used: it may have been removed since."""
    if model == AUTOMATIC:
        return True
    try:
        default_registry().find(model)
    except NucleiError:
        return False
    return True


def remember(choices: SegmentChoices) -> None:
    """Keep what the dock was told; napari writes it to disk."""
    store = plugin_store("segment")
    if store is not None:
        store.update({**choices.settings.model_dump(), "model": choices.model, "run_on": choices.run_on})


def plugin_store(dock: str) -> Any:
    """Return napari's store for a dock of ours; None where napari has none, or does not know the plugin.

    Parameters
    ----------
    dock : str
        Name of a configuration in the manifest.
    """
    try:
        from napari.settings import get_plugin_settings
    except ImportError:  # a napari older than such settings
        return None
    try:
        return getattr(get_plugin_settings(PLUGIN), dock)
    except (KeyError, AttributeError):
        return None
