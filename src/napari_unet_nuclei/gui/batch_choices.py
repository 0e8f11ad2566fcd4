"""What the dock *Batch segment folder* is told, what the engine makes of it, and what lasts until the next session."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

from napari_unet_nuclei.core.batch.projection import Projection
from napari_unet_nuclei.core.batch.template import RequestTemplate
from napari_unet_nuclei.core.errors import NucleiError, SettingsError
from napari_unet_nuclei.core.model.registry import default_registry
from napari_unet_nuclei.core.segment.request import AUTOMATIC
from napari_unet_nuclei.core.settings import BatchSettings, SegmentSettings, validated
from napari_unet_nuclei.gui.remembered import plugin_store

SEPARATOR = "; "
"""Between several paths in one line."""

EVERY_PLANE, ONE_PLANE, MAXIMUM, MEAN = "every plane", "one plane", "maximum along z", "mean along z"
STACKS: dict[str, Projection] = {EVERY_PLANE: "none", ONE_PLANE: "none", MAXIMUM: "maximum", MEAN: "mean"}
assert set(STACKS.values()) == set(get_args(Projection))

NAMED = ("images", "out", "model", "stacks", "plane", "axes", "scheduler")
"""What is remembered beside the settings."""


@dataclass(frozen=True)
class BatchChoices:
    """What was chosen.

    Attributes
    ----------
    images : str
        Files, folders and patterns, with `SEPARATOR` between them.
    out : str
        Folder for the results.
    model : str
    stacks : str
        One of `STACKS`.
    plane : int
        Where only one plane is segmented, its index.
    axes : str
        In place of what the files say; empty to believe them.
    scheduler : str
        Address of a Dask scheduler whose workers do the work; empty for this computer.
    settings : SegmentSettings
    batch : BatchSettings
    """

    images: str = ""
    out: str = ""
    model: str = AUTOMATIC
    stacks: str = EVERY_PLANE
    plane: int = 0
    axes: str = ""
    scheduler: str = ""
    settings: SegmentSettings = field(default_factory=SegmentSettings)
    batch: BatchSettings = field(default_factory=BatchSettings)

    @property
    def given(self) -> list[Path]:
        """The paths."""
        return [Path(text.strip()).expanduser() for text in self.images.split(SEPARATOR.strip()) if text.strip()]

    @property
    def folder(self) -> Path:
        """Folder for the results."""
        return Path(self.out).expanduser()

    @property
    def template(self) -> RequestTemplate:
        """What is asked of every image."""
        plane = {"": self.plane} if self.stacks == ONE_PLANE else {}
        return RequestTemplate(self.settings, self.model, self.axes, plane, projection=STACKS[self.stacks])


def recall() -> BatchChoices:
    """Return what was last remembered; the defaults where there is nothing, or nothing that can be used."""
    store = plugin_store("batch")
    if store is None:
        return BatchChoices()
    values = store.model_dump()
    named = {name: values.pop(name) for name in NAMED}
    parts = {name: values.pop(name) for name in BatchSettings.model_fields}
    try:
        if named["model"] != AUTOMATIC:
            default_registry().find(named["model"])
        return BatchChoices(**named, settings=validated(SegmentSettings, values), batch=validated(BatchSettings, parts))
    except SettingsError:
        return BatchChoices()
    except NucleiError:  # the model was removed since
        return BatchChoices(**{**named, "model": AUTOMATIC})


def remember(choices: BatchChoices) -> None:
    """Keep what the dock was told, all but the wish to do everything anew; napari writes it to disk."""
    store = plugin_store("batch")
    if store is not None:
        parts = {**choices.batch.model_dump(), "overwrite": False}
        named = {name: getattr(choices, name) for name in NAMED}
        store.update({**choices.settings.model_dump(), **parts, **named})
