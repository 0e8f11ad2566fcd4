"""The choices in the dock *Batch segment folder*, which last from one session to the next."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

from napari_unet_nuclei.core.image.io.path_list import LIST_SUFFIXES, read_list
from napari_unet_nuclei.core.image.io.zarr_store import absolute
from napari_unet_nuclei.core.model.registry import AUTOMATIC
from napari_unet_nuclei.core.segment.template import RequestTemplate
from napari_unet_nuclei.core.settings import BatchSettings, Planes, SegmentSettings
from napari_unet_nuclei.gui.settings.remembered import Choices

SEPARATOR = "; "
"""Between paths in one line."""

AUTOMATIC_STACKS, EVERY_PLANE = "automatic", "every plane"
SINGLE: dict[str, str] = {"one plane": "", "one plane along z": "Z", "one time point": "T"}
"""Choices that take an index, with its axis; empty stands for the only axis of a stack."""

STACKS: dict[str, Planes] = {
    AUTOMATIC_STACKS: "auto",
    "as 3-D nuclei": "volume",
    "joined plane by plane": "joined",
    EVERY_PLANE: "each",
    **dict.fromkeys(SINGLE, "auto"),
    "maximum along z": "maximum",
    "mean along z": "mean",
}
"""Choices, with the setting that they stand for."""
assert set(STACKS.values()) == set(get_args(Planes))


@dataclass(frozen=True)
class BatchChoices(Choices):
    """Choices of the dock *Batch segment folder*.

    Attributes
    ----------
    images : str
        Files, folders, patterns, and lists of them, joined by `SEPARATOR`.
    out : str
        Folder for the results.
    model : str
    stacks : str
        One of `STACKS`.
    plane : int
        Index for the choices in `SINGLE`.
    axes : str
        Overrides the axes in the files; empty to use those.
    scheduler : str
        Address of a Dask scheduler; empty for this computer.
    workers : int
        Number of processes to start on this computer; 0 to run in napari's own.
    into_image : bool
        Write labels into OME-Zarr images themselves.
    settings : SegmentSettings
    batch : BatchSettings
    """

    dock = "batch"

    images: str = ""
    out: str = ""
    model: str = AUTOMATIC
    stacks: str = AUTOMATIC_STACKS
    plane: int = 0
    axes: str = ""
    scheduler: str = ""
    workers: int = 0
    into_image: bool = False
    settings: SegmentSettings = field(default_factory=SegmentSettings)
    batch: BatchSettings = field(default_factory=BatchSettings)

    @property
    def given(self) -> list[Path]:
        """The paths as given; `paths` expands lists."""
        return [Path(text.strip()).expanduser() for text in self.images.split(SEPARATOR.strip()) if text.strip()]

    def paths(self) -> list[Path]:
        """Return files, folders and patterns, with lists expanded.

        Raises
        ------
        ImageFileError
            If a list cannot be read.
        """
        parts = [read_list(path) if path.suffix.lower() in LIST_SUFFIXES else [path] for path in self.given]
        return [absolute(path) for part in parts for path in part]

    @property
    def folder(self) -> Path:
        """Folder for the results."""
        return Path(self.out).expanduser().absolute()

    @property
    def template(self) -> RequestTemplate:
        """The request for every image."""
        plane = {SINGLE[self.stacks]: self.plane} if self.stacks in SINGLE else {}
        settings = self.settings.changed(planes=STACKS[self.stacks])
        return RequestTemplate(settings, self.model, self.axes, plane)
