"""Decide once for all blocks of an image, so that a block at one end is judged like a block at the other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from napari_unet_nuclei.core.blocks.grid import BlockGrid
from napari_unet_nuclei.core.errors import ImageShapeError, SettingsError
from napari_unet_nuclei.core.image.axes import ImageSource
from napari_unet_nuclei.core.image.io.ome_zarr_labels import leading_order
from napari_unet_nuclei.core.image.io.zarr_store import is_remote
from napari_unet_nuclei.core.image.kind import ColourLight, colour_light
from napari_unet_nuclei.core.image.normalise import IntensityRange
from napari_unet_nuclei.core.image.plane import PlaneLook, PlaneReader
from napari_unet_nuclei.core.image.steps import FittedSteps
from napari_unet_nuclei.core.labels.decode import DecodeThresholds
from napari_unet_nuclei.core.model.number_format import cpu_number_format
from napari_unet_nuclei.core.model.registry import default_registry
from napari_unet_nuclei.core.progress import Progress
from napari_unet_nuclei.core.segment.automatic_size import find_scale, scale_for
from napari_unet_nuclei.core.segment.fingerprint import fingerprint, hash_image, hash_pixels
from napari_unet_nuclei.core.segment.network_runner import NetworkRunner
from napari_unet_nuclei.core.segment.nuclei import given_diameter
from napari_unet_nuclei.core.segment.planes import IN_BLOCKS, stack_reading
from napari_unet_nuclei.core.segment.predict import chosen_thresholds, thresholds_at
from napari_unet_nuclei.core.segment.provenance import describe_run
from napari_unet_nuclei.core.segment.request import SegmentRequest
from napari_unet_nuclei.core.segment.run import choose_reading, find_scope, notices_of_look, possible_readings
from napari_unet_nuclei.core.settings import SegmentSettings
from napari_unet_nuclei.core.types import NumberFormat, Region

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
        Of the blocks in pixels, and how far around one its nuclei are looked for to measure them.
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
        """The blocks of all planes; cores keep to the chunks of the whole image."""
        y0, y1, x0, x1 = self.region
        # A region seldom begins at a chunk of the labels, which are as large as the image: its first blocks are cut.
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


class Planner:
    """Looks at an image as a whole before its blocks are segmented: model, channel, intensities, size of the nuclei.

    Raises `NucleiError` if the request cannot be done, or not in blocks.
    """

    def __init__(self, request: SegmentRequest, block: int, series: int) -> None:
        self.request = request
        self.series = series
        self.side = block_side(block)
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
        self.notices: tuple[str, ...] = ()
        if stack_reading(request.source, request.plane, request.settings) != "each":
            if request.settings.planes != "auto":
                raise SettingsError(
                    "Images that are segmented block by block are so plane by plane: let each plane stand by itself "
                    "(planes each), or segment a region of the image in memory."
                )
            if not request.settings.z_spacing_auto:
                raise SettingsError(
                    "The spacing of planes has no effect on a stack that is segmented block by block, each plane by "
                    "itself: leave it out, or segment a region of the image in memory."
                )
            self.notices = (IN_BLOCKS,)
        store = request.store
        # Of an OME-Zarr image the finest level alone: labels may lie beside it in the same store.
        pixels_in = store.finest if store else Path(request.file)
        # What is behind an address is told by a sample of its pixels: nothing there can be listed.
        known = bool(request.file) and not is_remote(pixels_in)
        self._file_hash = hash_image(pixels_in) if known else ""
        self.fingerprint = self._fingerprint()

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
            "side": self.side,
        }
        return fingerprint(described, request.settings.model_dump())

    def plan(self, runner: NetworkRunner, progress: Progress) -> BlockPlan:
        """Measure the image with the model's network, and make the plan."""
        request, scope, settings = self.request, self.scope, self.request.settings
        source = request.source
        chosen = choose_reading(request, scope, runner, progress)
        look, runner = chosen.look, runner.for_kind(chosen.look.kind)
        card = runner.card
        readers = chosen.open_all(scope.indices, card.scaling)
        if settings.diameter_auto and card.tells_size:
            scale, diameter = find_scale([chosen.reader], runner, progress, chosen.estimate)
        else:
            diameter = given_diameter(request, card.diameter)
            scale = scale_for(diameter, card.diameter)
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
            scale=scale,
            thresholds=chosen_thresholds(thresholds_at(card, scale), settings),
            model_thresholds=thresholds_at(card, scale),
            settings=settings,
            precision=request.number_format or cpu_number_format(),
            side=self.side,
            # Not beyond the neighbouring blocks: a wrong diameter must not make every block read the whole slide.
            halo=min(max(round(HALO_DIAMETERS * diameter), SMALLEST_HALO), self.side),
            notices=(*notices_of_look(self.entry.card, look, readers, settings), *self.notices),
            provenance={
                **describe_run(request, card, look, runner.device, diameter, readers),
                "file_hash": self._file_hash,
            },
        )


def block_side(wanted: int) -> int:
    """Side of a block at least as long as wanted: whole chunks, so that no two blocks write to the same file.

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
