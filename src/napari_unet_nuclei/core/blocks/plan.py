"""Decide once for all blocks of an image, so that a block at one end is judged like a block at the other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from napari_unet_nuclei.core.blocks.decoding import Decoding, PlaneDecoding
from napari_unet_nuclei.core.blocks.grid import BlockGrid
from napari_unet_nuclei.core.blocks.volume import CHUNK as CUBES
from napari_unet_nuclei.core.blocks.volume import VolumePlan
from napari_unet_nuclei.core.errors import ImageShapeError, SettingsError
from napari_unet_nuclei.core.image.axes import ImageSource
from napari_unet_nuclei.core.image.io.ome_zarr_labels import Level, leading_order, pyramid
from napari_unet_nuclei.core.image.io.zarr_store import is_remote
from napari_unet_nuclei.core.image.kind import ColourLight, colour_light
from napari_unet_nuclei.core.image.normalise import IntensityRange
from napari_unet_nuclei.core.image.pixel_size import PixelSize
from napari_unet_nuclei.core.image.plane import PlaneLook, PlaneReader
from napari_unet_nuclei.core.image.steps import FittedSteps
from napari_unet_nuclei.core.labels.decode import DecodeThresholds
from napari_unet_nuclei.core.labels.decode_volume import own_thresholds
from napari_unet_nuclei.core.model.number_format import cpu_number_format
from napari_unet_nuclei.core.model.registry import default_registry
from napari_unet_nuclei.core.progress import Progress
from napari_unet_nuclei.core.segment.automatic_size import find_scale, scale_for
from napari_unet_nuclei.core.segment.evidence import ChosenLook
from napari_unet_nuclei.core.segment.fingerprint import fingerprint, hash_image, hash_pixels
from napari_unet_nuclei.core.segment.network_runner import NetworkRunner
from napari_unet_nuclei.core.segment.nuclei import given_diameter
from napari_unet_nuclei.core.segment.planes import StackReading, stack_reading, stacks_of
from napari_unet_nuclei.core.segment.predict import chosen_thresholds, thresholds_at
from napari_unet_nuclei.core.segment.provenance import describe_run
from napari_unet_nuclei.core.segment.request import SegmentRequest
from napari_unet_nuclei.core.segment.run import (
    choose_reading,
    find_scope,
    notices_of_look,
    possible_readings,
    stacks_read,
)
from napari_unet_nuclei.core.segment.volumes.nuclei import TAKEN_FOR, volume_size
from napari_unet_nuclei.core.segment.volumes.stack import open_stacks
from napari_unet_nuclei.core.settings import SegmentSettings
from napari_unet_nuclei.core.types import Box, NumberFormat, Region

BLOCK = 2048
"""Side of a block of planes in pixels where nothing else is asked for."""

VOLUME_BLOCK = 320
"""Side of a block of volumes where nothing else is asked for, in cubes of which 18 lie across a nucleus."""

CHUNK = 1024
"""Largest side of a chunk of the stores, in pixels; blocks are made of whole chunks."""

HALO_DIAMETERS = 8
"""Nuclei are measured where they are seen whole: so many diameters beyond a block they seldom reach."""

SMALLEST_HALO = 128
"""Pixels, where the block is not smaller."""


class BlockPlan(BaseModel):
    """Everything that a block needs to know of the image as a whole, as it is kept in a file.

    Attributes
    ----------
    fingerprint : str
        Of image, model, settings and geometry: work done under another one is of no use.
    file : str
        Empty where the image came from a program.
    pixel_size : tuple of float
        (y, x) in µm, 0 where unknown.
    label_shape, label_axes
        Of the labels of the whole image.
    indices : tuple of tuple of int
        For every plane that is segmented its index along the image's leading axes.
    places : tuple of tuple of int
        The same along the leading axes of the labels.
    volume : VolumePlan or None
        How volumes are divided; None where each plane stands by itself.
    look, ranges, fill, complete
        As in `PlaneReader`; the last three for every plane.
    light : ColourLight or None
        Of a colour picture of transmitted light, whose stains are measured.
    sure : bool
        False where the kind of image was told with little evidence.
    scale : float
        Model pixels per image pixel.
    precision : NumberFormat
        Number format of the network on processors: each computer would choose the one that is faster there, and labels
        would be of two kinds.
    side, halo : int
        Of the blocks of planes in pixels, and how far around one its nuclei are looked for to measure them.
    """

    # Plans of earlier versions repeat a few values of the provenance, which are passed over.
    model_config = ConfigDict(frozen=True, extra="ignore")

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
    ranges: tuple[tuple[IntensityRange | FittedSteps, ...], ...]
    fill: tuple[tuple[float, ...], ...]
    complete: tuple[bool, ...]
    light: ColourLight | None
    sure: bool
    scale: float
    volume: VolumePlan | None = None
    thresholds: DecodeThresholds
    model_thresholds: DecodeThresholds
    settings: SegmentSettings
    precision: NumberFormat
    side: int
    halo: int
    notices: tuple[str, ...]
    provenance: dict[str, Any]

    @property
    def grid(self) -> BlockGrid:
        """The blocks of all planes, or volumes, in which nuclei are found."""
        return self.label_grid if self.volume is None else self.volume.grid

    @property
    def label_grid(self) -> BlockGrid:
        """The blocks of the image's pixels; cores keep to the chunks of the whole image."""
        if self.volume is not None:
            return self.volume.label_grid(self.region)
        y0, y1, x0, x1 = self.region
        # A region seldom begins at a chunk of the labels, which are as large as the image: its first blocks are cut.
        offset = y0 % self.side, x0 % self.side
        return BlockGrid(len(self.indices), (y1 - y0, x1 - x0), (self.side, self.side), offset)

    @property
    def levels(self) -> list[Level]:
        """The levels of the labels' pyramid."""
        return pyramid(self.label_shape, volume=self.volume is not None)

    def level_grid(self, level: int) -> BlockGrid:
        """The blocks of a level of the labels' pyramid, as large as those of the image."""
        grid = self.label_grid
        return BlockGrid(grid.parts, self.levels[level].shape[-len(grid.shape) :], grid.sides)

    @property
    def labelled(self) -> Box:
        """Part of the labels' last axes that is segmented: the region, in all planes of a volume."""
        return self.region if self.volume is None else (0, self.volume.shape[0], *self.region)

    def leading(self, part: int) -> tuple[int, ...]:
        """Where a plane, or volume, lies along the labels' leading axes."""
        # NGFF has depth last of them.
        return self.places[part] if self.volume is None else self.places[self.volume.stacks[part][0]][:-1]

    def spaced(self, pixel_size: PixelSize) -> PixelSize:
        """The pixel size, with the distance of the planes that volumes were found with, where it is no guess."""
        um = 0.0 if self.volume is None else self.volume.spacing.micrometres(pixel_size)
        return replace(pixel_size, z=um) if um > 0 else pixel_size

    @property
    def decoding(self) -> Decoding:
        """How maps become nuclei."""
        return PlaneDecoding(self.thresholds) if self.volume is None else self.volume.decoding(self.thresholds)

    @property
    def map_chunk(self) -> tuple[int, ...]:
        """Sides of a chunk of the arrays that nuclei are found in, in pixels or cubes."""
        largest = CHUNK if self.volume is None else CUBES
        return tuple(min(side, largest) for side in self.grid.sides)

    @property
    def label_chunk(self) -> tuple[int, ...]:
        """Sides of a chunk of the labels, in pixels."""
        return tuple(min(side, CHUNK) for side in self.label_grid.sides)

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


class Planner:
    """Looks at an image as a whole before its blocks are segmented: model, channel, intensities, size of the nuclei.

    Raises `NucleiError` if the request cannot be done, or not in blocks.
    """

    def __init__(self, request: SegmentRequest, block: int, series: int) -> None:
        self.request = request
        self.series = series
        self.scope = find_scope(request)
        y0, y1, x0, x1 = self.scope.region
        if y0 == y1 or x0 == x1:
            raise ImageShapeError("There are no pixels to segment: give an image, or a region, that has some.")
        self.entry = default_registry().find(request.model)
        if self.entry.card.task != "instances":
            raise SettingsError(
                f"The model '{self.entry.name}' predicts classes, which takes the whole image at once: choose a model "
                "for nuclei."
            )
        self.reading = stack_reading(request.source, request.plane, request.settings)
        if self.reading == "joined":
            raise SettingsError(
                "Images that are segmented block by block cannot be joined plane by plane: find their nuclei in three "
                "dimensions (planes volume), let each plane stand by itself (planes each), or segment a region of the "
                "image in memory."
            )
        self.block = block
        store = request.store
        # Of an OME-Zarr image the finest level alone: labels may lie beside it in the same store.
        pixels_in = store.finest if store else Path(request.file)
        # What is behind an address is told by a sample of its pixels: nothing there can be listed.
        known = bool(request.file) and not is_remote(pixels_in)
        self._file_hash = hash_image(pixels_in) if known else ""
        self.fingerprint = self._fingerprint()

    def side(self, reading: StackReading) -> int:
        """Side of the blocks, for planes each by itself or for volumes."""
        return block_side(self.block) if reading == "each" else self.block or VOLUME_BLOCK

    def _fingerprint(self) -> str:
        request, scope = self.request, self.scope
        # Reading channels fails here, before anything is written, for an image that cannot be read.
        looks = possible_readings(request, scope, self.entry.card)
        channels = sorted({channel for look in looks for channel in look.channels})
        described = {
            "series": self.series,
            "channels": request.source.channel_names,
            "image": self._file_hash or hash_pixels(request.source, [scope.deciding.index], channels, scope.region),
            "shape": list(request.source.array.shape),
            "axes": request.source.axes,
            "indices": scope.indices,
            "region": scope.region,
            "pixel_size": [request.pixel_size.y, request.pixel_size.x],
            "model": self.entry.card.model_dump(mode="json", exclude={"name", "description"}),
            "side": self.side(self.reading),
            # Earlier versions did volumes plane by plane.
            **({"reading": self.reading} if self.reading != "each" else {}),
        }
        return fingerprint(described, request.settings.model_dump())

    def plan(self, runner: NetworkRunner, progress: Progress) -> BlockPlan:
        """Measure the image with the model's network, and make the plan."""
        request, scope, settings = self.request, self.scope, self.request.settings
        source = request.source
        chosen = choose_reading(request, scope, runner, progress)
        look, runner = chosen.look, runner.for_kind(chosen.look.kind)
        card = runner.card
        reading, told = stacks_read(request, chosen, classes=False)
        size = self._volumes if reading == "volume" else self._planes
        sized = size(chosen, runner, progress)
        readers, diameter = sized.readers, sized.diameter
        # NGFF wants time before depth, whatever the order in the image.
        order = leading_order(source.leading_axes)
        return BlockPlan(
            fingerprint=self.fingerprint,
            file=str(Path(request.file).resolve()) if request.file else "",
            series=self.series,
            axes=source.axes,
            channel_names=source.channel_names,
            pixel_size=(request.pixel_size.y, request.pixel_size.x),
            label_shape=(*(source.leading_shape[axis] for axis in order), *source.plane_shape),
            label_axes="".join(source.leading_axes[axis] for axis in order) + "YX",
            indices=scope.indices,
            places=tuple(tuple(index[axis] for axis in order) for index in scope.indices),
            region=scope.region,
            look=look,
            light=colour_light(scope.deciding, look.kind),
            sure=chosen.sure,
            ranges=tuple(reader.ranges for reader in readers),
            fill=tuple(reader.fill for reader in readers),
            complete=tuple(reader.complete for reader in readers),
            scale=sized.scale,
            volume=sized.volume,
            thresholds=chosen_thresholds(sized.thresholds, settings),
            model_thresholds=sized.thresholds,
            settings=settings,
            precision=request.number_format or cpu_number_format(),
            side=self.side(reading),
            # Not beyond the neighbouring blocks: a wrong diameter must not make every block read the whole slide.
            halo=min(max(round(HALO_DIAMETERS * diameter), SMALLEST_HALO), self.side(reading)),
            notices=(*notices_of_look(self.entry.card, look, readers, settings), *told, *sized.notices),
            provenance={
                **describe_run(request, card, look, runner.device, diameter, readers),
                **sized.described,
                "file_hash": self._file_hash,
            },
        )

    def _planes(self, chosen: ChosenLook, runner: NetworkRunner, progress: Progress) -> _Sized:
        """Find out the scale of planes that stand each by itself."""
        request, card = self.request, runner.card
        if request.settings.diameter_auto and card.tells_size:
            scale, diameter = find_scale([chosen.reader], runner, progress, chosen.estimate)
        else:
            diameter = given_diameter(request, card.diameter)
            scale = scale_for(diameter, card.diameter)
        readers = chosen.open_all(self.scope.indices, card.scaling)
        return _Sized(readers, diameter, scale, thresholds_at(card, scale))

    def _volumes(self, chosen: ChosenLook, runner: NetworkRunner, progress: Progress) -> _Sized:
        """Find out the grid of volumes, as for those in memory."""
        request, card, indices = self.request, runner.card, self.scope.indices
        stacks = stacks_of(request.source, indices)
        readers = open_stacks(chosen.reader, indices, stacks, card.scaling)
        decides = indices.index(self.scope.deciding.index)
        stack = next(one for one in stacks if decides in one)
        planes = [readers[number] for number in stack]
        diameter, spacing = volume_size(request, runner, planes, stack.index(decides), progress, chosen.estimate)
        unit = card.diameter / TAKEN_FOR
        volume = VolumePlan.of(stacks, readers[0].shape, spacing, diameter, unit, self.side("volume"))
        described = {
            "planes": "volume",
            "z_spacing": spacing.described(request.pixel_size),
            "stacks": [len(stacks), len(stack)],
        }
        notices = spacing.notices(len(stack))
        return _Sized(readers, diameter, 1.0, own_thresholds(diameter), volume, described, notices)


@dataclass(frozen=True)
class _Sized:
    """Planes opened, and how large the nuclei in them are."""

    readers: tuple[PlaneReader, ...]
    diameter: float
    scale: float
    thresholds: DecodeThresholds
    volume: VolumePlan | None = None
    described: Mapping[str, Any] = field(default_factory=dict)
    notices: tuple[str, ...] = ()


def block_side(wanted: int) -> int:
    """Side of a block of planes at least as long as wanted, or the usual one.

    Whole chunks, so that no two blocks write to the same file.

    Examples
    --------
    >>> block_side(500), block_side(1500), block_side(0)
    (500, 2048, 2048)
    """
    wanted = wanted or BLOCK
    return wanted if wanted <= CHUNK else -(-wanted // CHUNK) * CHUNK


def read_plan(path: Path, fingerprint: str) -> BlockPlan | None:
    """Read the plan of an earlier run, or None where there is none, or one of other work."""
    try:
        plan = BlockPlan.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, ValidationError):
        return None
    return plan if plan.fingerprint == fingerprint else None
