"""What the dock *Batch segment folder* is told, what the engine makes of it, and what lasts until the next session."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

from napari_unet_nuclei.core.errors import NucleiError, SettingsError
from napari_unet_nuclei.core.image.io.find import read_list
from napari_unet_nuclei.core.model.registry import AUTOMATIC, default_registry
from napari_unet_nuclei.core.segment.projection import Projection
from napari_unet_nuclei.core.segment.template import RequestTemplate
from napari_unet_nuclei.core.settings import BatchSettings, SegmentSettings, validated
from napari_unet_nuclei.gui.settings.remembered import plugin_store

SEPARATOR = "; "
"""Between several paths in one line."""

EVERY_PLANE, MAXIMUM, MEAN = "every plane", "maximum along z", "mean along z"
SINGLE: dict[str, str] = {"one plane": "", "one plane along z": "Z", "one time point": "T"}
"""Choices of a single index, with the axis that it is of; the empty one stands for the only axis of a stack."""

STACKS: dict[str, Projection] = {
    EVERY_PLANE: "none",
    **dict.fromkeys(SINGLE, "none"),
    MAXIMUM: "maximum",
    MEAN: "mean",
}
assert set(STACKS.values()) == set(get_args(Projection))

LIST_SUFFIX = ".txt"
"""Of a file with a path on every line."""

NAMED = ("images", "out", "model", "stacks", "plane", "series", "axes", "scheduler", "workers")
"""What is remembered beside the settings."""


@dataclass(frozen=True)
class BatchChoices:
    """What was chosen.

    Attributes
    ----------
    images : str
        Files, folders, patterns, and lists of them, with `SEPARATOR` between them.
    out : str
        Folder for the results.
    model : str
    stacks : str
        One of `STACKS`.
    plane : int
        Index that goes with one of `SINGLE`.
    series : int
        Which image of files that hold several.
    axes : str
        In place of what the files say; empty to believe them.
    scheduler : str
        Address of a Dask scheduler whose workers do the work; empty for this computer.
    workers : int
        Processes to start on this computer for the work; 0 to do it in napari's own.
    settings : SegmentSettings
    batch : BatchSettings
    """

    images: str = ""
    out: str = ""
    model: str = AUTOMATIC
    stacks: str = EVERY_PLANE
    plane: int = 0
    series: int = 0
    axes: str = ""
    scheduler: str = ""
    workers: int = 0
    settings: SegmentSettings = field(default_factory=SegmentSettings)
    batch: BatchSettings = field(default_factory=BatchSettings)

    @property
    def given(self) -> list[Path]:
        """The paths as they were given; `paths` reads lists."""
        return [Path(text.strip()).expanduser() for text in self.images.split(SEPARATOR.strip()) if text.strip()]

    def paths(self) -> list[Path]:
        """Return files, folders and patterns, those of lists in place of the lists.

        Raises
        ------
        ImageFileError
            If a list cannot be read.
        """
        parts = [read_list(path) if path.suffix.lower() == LIST_SUFFIX else [path] for path in self.given]
        return [path.absolute() for part in parts for path in part]

    @property
    def folder(self) -> Path:
        """Folder for the results."""
        return Path(self.out).expanduser().absolute()

    @property
    def template(self) -> RequestTemplate:
        """What is asked of every image."""
        plane = {SINGLE[self.stacks]: self.plane} if self.stacks in SINGLE else {}
        return RequestTemplate(
            self.settings, self.model, self.axes, plane, series=self.series, projection=STACKS[self.stacks]
        )


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
