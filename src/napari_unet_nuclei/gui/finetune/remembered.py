"""What the dock *Fine-tune* was last told, in napari's own store of settings."""

from __future__ import annotations

from dataclasses import dataclass, field

from napari_unet_nuclei.core.errors import SettingsError
from napari_unet_nuclei.core.settings import FinetuneSettings, validated
from napari_unet_nuclei.gui.settings.remembered import plugin_store


@dataclass(frozen=True)
class FinetuneChoices:
    """Settings of the dock.

    Attributes
    ----------
    settings : FinetuneSettings
    base : str
        Name of the model to start from; empty where none was chosen yet.
    reference : str
        Folder with labelled images that both models are scored on; empty for none.
    """

    settings: FinetuneSettings = field(default_factory=FinetuneSettings)
    base: str = ""
    reference: str = ""


def recall() -> FinetuneChoices:
    """Return what was last remembered; the defaults where there is nothing, or nothing that can be used."""
    store = plugin_store("finetune")
    if store is None:
        return FinetuneChoices()
    values = store.model_dump()
    base, reference = values.pop("base"), values.pop("reference")
    try:
        return FinetuneChoices(validated(FinetuneSettings, values), base, reference)
    except SettingsError:
        return FinetuneChoices()


def remember(choices: FinetuneChoices) -> None:
    """Keep what the dock was told; napari writes it to disk."""
    store = plugin_store("finetune")
    if store is not None:
        store.update({**choices.settings.model_dump(), "base": choices.base, "reference": choices.reference})
