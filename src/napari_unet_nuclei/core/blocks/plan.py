"""What is decided once for all blocks of an image, so that a block at one end is judged like a block at the other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from napari_unet_nuclei.core.blocks.grid import BlockGrid
from napari_unet_nuclei.core.image.axes import ImageSource
from napari_unet_nuclei.core.image.kind import ColourLight
from napari_unet_nuclei.core.image.normalise import IntensityRange
from napari_unet_nuclei.core.image.plane import PlaneLook, PlaneReader
from napari_unet_nuclei.core.labels.decode import DecodeThresholds
from napari_unet_nuclei.core.settings import SegmentSettings
from napari_unet_nuclei.core.types import NumberFormat, Region

CHUNK = 1024
"""Largest side of a chunk of the stores, in pixels; blocks are made of whole chunks."""


class BlockPlan(BaseModel):
    """Everything that a block needs to know of the image as a whole, as it is kept in a file.

    Attributes
    ----------
    fingerprint : str
        Of image, model, settings and geometry: work done under another one is of no use.
    file, series, axes, channel_names
        The image, and the meaning of its axes; no file where the image came from a program.
    pixel_size : tuple of float
        (y, x) in µm, 0 where unknown.
    label_shape, label_axes
        Of the labels of the whole image.
    indices : tuple of tuple of int
        For every plane that is segmented its index along the image's leading axes.
    places : tuple of tuple of int
        The same along the leading axes of the labels.
    region : Region
        The part of each plane.
    look, ranges, fill, complete
        As in `PlaneReader`; the last three for every plane.
    light : ColourLight or None
        Of a colour picture of transmitted light, whose stains are measured.
    sure : bool
        False where the kind of image was told with little evidence.
    scale : float
        Model pixels per image pixel.
    thresholds, model_thresholds : DecodeThresholds
        Those in force, and the model's own for this image.
    settings : SegmentSettings
    precision : NumberFormat
        Number format of the network on processors: each computer would choose the one that is faster there, and labels
        would be of two kinds.
    side, halo : int
        Of the blocks in pixels, and how far around one its nuclei are looked for to measure them.
    model, channel : str
        For people.
    diameter : float
        Of the nuclei in image pixels.
    notices : tuple of str
    provenance : dict
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    fingerprint: str
    file: str
    series: int
    axes: str
    channel_names: tuple[str, ...]
    pixel_size: tuple[float, float]
    label_shape: tuple[int, ...]
    label_axes: str
    indices: tuple[tuple[int, ...], ...]
    places: tuple[tuple[int, ...], ...]
    region: Region
    look: PlaneLook
    ranges: tuple[tuple[IntensityRange, ...], ...]
    fill: tuple[tuple[float, ...], ...]
    complete: tuple[bool, ...]
    light: ColourLight | None
    sure: bool
    scale: float
    thresholds: DecodeThresholds
    model_thresholds: DecodeThresholds
    settings: SegmentSettings
    precision: NumberFormat
    side: int
    halo: int
    model: str
    channel: str
    diameter: float
    notices: tuple[str, ...]
    provenance: dict[str, Any]

    @property
    def grid(self) -> BlockGrid:
        """The blocks of all planes; cores keep to the chunks of the whole image."""
        y0, y1, x0, x1 = self.region
        offset = y0 % self.side, x0 % self.side
        return BlockGrid(len(self.indices), (y1 - y0, x1 - x0), self.side, offset)

    def level_grid(self, shape: tuple[int, int]) -> BlockGrid:
        """The blocks of a level of the labels' pyramid, as large as those of the image."""
        return BlockGrid(len(self.indices), shape, self.side)

    @property
    def chunk(self) -> int:
        """Side of a chunk of the stores in pixels."""
        return min(self.side, CHUNK)

    def reader(self, source: ImageSource, plane: int) -> PlaneReader:
        """Open a plane as it was measured when the plan was made."""
        return PlaneReader(
            source,
            self.indices[plane],
            self.region,
            self.look,
            self.ranges[plane],
            self.fill[plane],
            self.complete[plane],
        )


def block_side(wanted: int) -> int:
    """Side of a block that is made of whole chunks, at least as long as wanted.

    Examples
    --------
    >>> block_side(500), block_side(1500)
    (500, 2048)
    """
    return wanted if wanted <= CHUNK else -(-wanted // CHUNK) * CHUNK


def read_plan(path: Path, fingerprint: str) -> BlockPlan | None:
    """Read the plan of an earlier run, or None where there is none, or one of other work."""
    try:
        plan = BlockPlan.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, ValidationError):
        return None
    return plan if plan.fingerprint == fingerprint else None
