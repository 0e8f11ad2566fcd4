"""A request to the engine: an image, which part of it, which model, which settings."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from napari_unet_nuclei.core.image.axes import ImageSource
from napari_unet_nuclei.core.image.channels import chosen_channel, named_channel
from napari_unet_nuclei.core.image.pixel_size import PixelSize
from napari_unet_nuclei.core.image.plane import PlaneLook
from napari_unet_nuclei.core.model.registry import AUTOMATIC
from napari_unet_nuclei.core.settings import SegmentSettings
from napari_unet_nuclei.core.types import NumberFormat, Region

if TYPE_CHECKING:
    from napari_unet_nuclei.core.image.io.ome_zarr import OmeZarrImage
    from napari_unet_nuclei.core.segment.volumes.spacing import Spacing


@dataclass(frozen=True)
class Decided:
    """What one plane of an image has decided for all: how they are read, and how large their nuclei are.

    Attributes
    ----------
    look : PlaneLook
    sure : bool
        False where another reading is nearly as likely.
    scale : float
        Model pixels per image pixel.
    diameter : float
        Of the nuclei, in image pixels.
    spacing : Spacing or None
        Of the planes of volumes; None where nuclei are found plane by plane.
    """

    look: PlaneLook
    sure: bool
    scale: float
    diameter: float
    spacing: Spacing | None = None


@dataclass(frozen=True)
class Projected:
    """What an image is a projection of: the axes of the stack, and the number of its planes."""

    axes: str
    planes: int


@dataclass(frozen=True)
class SegmentRequest:
    """Everything that a segmentation needs, copied before it starts, so that a viewer may change meanwhile.

    Attributes
    ----------
    source : ImageSource
        The image and the meaning of its axes; never written to.
    plane : tuple of int or None
        For each leading axis (T, Z ...) the one index to segment, or None for all; empty means all planes.
    file : str
        Path the image came from, for provenance; empty where it has none.
    number_format : NumberFormat or None
        Of the network on a processor; None for the one that is fastest on this computer.
    decided : Decided or None
        What another request for the same image has decided; None to find it out.
    remarks : tuple of str
        What of the image its file lacks and what was guessed in reading it, in words; for the result's notices.
    projected : Projected or None
        The stack that ``source`` is a projection of; None where it is none.
    """

    source: ImageSource
    settings: SegmentSettings = field(default_factory=SegmentSettings)
    model: str = AUTOMATIC
    plane: tuple[int | None, ...] = ()
    region: Region | None = None
    pixel_size: PixelSize = field(default_factory=PixelSize)
    file: str = ""
    number_format: NumberFormat | None = None
    decided: Decided | None = None
    remarks: tuple[str, ...] = ()
    projected: Projected | None = None

    @property
    def given_axes(self) -> str:
        """Axes of the image as it was given: of a projection, those of its stack."""
        return self.projected.axes if self.projected else self.source.axes

    @property
    def channel(self) -> int | None:
        """The channel that the user chose, None where it is automatic; `ImageShapeError` if there is no such choice."""
        return None if self.settings.channel_auto else chosen_channel(self.source, self.settings.channel)

    @cached_property
    def store(self) -> OmeZarrImage | None:
        """The OME-Zarr image that the pixels came from, opened once; None of any other image."""
        # Zarr takes long to import, and windows make requests of images that came from no file.
        from napari_unet_nuclei.core.image.io.ome_zarr import is_ome_zarr, read_ome_zarr

        path = Path(self.file)
        return read_ome_zarr(path) if self.file and is_ome_zarr(path) else None

    @property
    def shown_channels(self) -> tuple[int, ...]:
        """Channels to draw in a picture of the image: the segmented one, or red, green and blue."""
        channel = named_channel(self.source) if self.channel is None else self.channel
        return self.source.rgb_channels or (channel or 0,)
