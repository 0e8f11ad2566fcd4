"""Segment images of a run that are larger than memory block by block, with the same outputs as the others."""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_unet_nuclei.core.blocks.destination import Destination
from napari_unet_nuclei.core.errors import NucleiError, OutputFileError
from napari_unet_nuclei.core.executors.executors import Executor, Serial
from napari_unet_nuclei.core.folder.one_image import Task, failed_record, record_of
from napari_unet_nuclei.core.folder.opened import hash_planned, open_planned, planned_header
from napari_unet_nuclei.core.folder.outputs import EXPORTS, read_thinned, write_picture
from napari_unet_nuclei.core.folder.plan import RECORDS, PlannedFile
from napari_unet_nuclei.core.folder.plate_columns import add_plate_columns
from napari_unet_nuclei.core.folder.record import FileRecord, Note, read_note, write_note
from napari_unet_nuclei.core.folder.told import told_again
from napari_unet_nuclei.core.image.io.image_file import ImageHeader
from napari_unet_nuclei.core.image.io.ome_zarr import OmeZarrImage, is_ome_zarr, read_ome_zarr
from napari_unet_nuclei.core.image.io.write import write_parquet
from napari_unet_nuclei.core.image.picture import for_screen, outlined
from napari_unet_nuclei.core.image.words import image_in_words
from napari_unet_nuclei.core.model.registry import AUTOMATIC, default_registry
from napari_unet_nuclei.core.progress import Progress
from napari_unet_nuclei.core.segment.planes import LARGEST_STACK, stack_axis, stack_reading
from napari_unet_nuclei.core.segment.request import SegmentRequest
from napari_unet_nuclei.core.segment.result import CACHED_PIXELS
from napari_unet_nuclei.core.segment.template import RequestTemplate, chosen_plane
from napari_unet_nuclei.core.settings import PROJECTIONS
from napari_unet_nuclei.core.types import AnyArray

if TYPE_CHECKING:
    from napari_unet_nuclei.core.blocks.segment import BlockwiseResult

LABELS_FORMAT = "ome.zarr"

LARGEST_WHOLE = CACHED_PIXELS
"""Pixels; images with larger planes are segmented block by block."""


@dataclass(frozen=True)
class BlockSettings:
    """How large images are segmented.

    Attributes
    ----------
    block : int
        Side of a block, in pixels or, of volumes, in cubes of which 18 lie across a nucleus; 0 for the usual one. Where
        it is given, stacks of any size are segmented block by block in three dimensions.
    into_image : bool
        Labels of OME-Zarr images go into the images.
    executor : Executor
    """

    block: int = 0
    into_image: bool = False
    executor: Executor = field(default_factory=Serial)

    @property
    def stores(self) -> bool:
        """True if OME-Zarr is segmented block by block though it fits into memory: by what was asked for."""
        return self.block > 0 or self.into_image


def takes_blocks(
    planned: PlannedFile,
    template: RequestTemplate,
    header: ImageHeader | None = None,
    *,
    blocks: BlockSettings = BlockSettings(),  # frozen
) -> bool:
    """Return True for images that are segmented block by block: planes and volumes too large for memory.

    Where ``blocks`` ask for it, so is OME-Zarr of any size: smaller images lose time by it, and what is measured around
    nuclei, but labels can be written into them. ``header`` spares reading it again where it is known.
    """
    # These take the whole image at once.
    if template.settings.planes in PROJECTIONS or tells_classes(template.model):
        return False
    asked = blocks.stores and is_ome_zarr(planned.image)
    try:
        source = (header or planned_header(planned)).source(template.axes)
        reading = stack_reading(source, chosen_plane(source, template.plane), template.settings)
    except NucleiError:
        return asked  # what cannot be read fails in words where it is segmented
    height, width = source.plane_shape
    y0, y1, x0, x1 = template.region or (0, height, 0, width)
    plane = (y1 - y0) * (x1 - x0)
    if reading == "joined":  # which takes all planes at once
        return False
    if reading == "volume":
        axis = stack_axis(source)
        depth = 1 if axis is None else source.leading_shape[axis]
        # Of a movie, there is one volume in memory at a time.
        return blocks.block > 0 or asked or plane * depth > LARGEST_STACK
    return asked or plane > LARGEST_WHOLE


def tells_classes(model: str) -> bool:
    """Tell whether a model predicts classes of pixels; False of one that is not there, as choosing it says."""
    try:
        return model != AUTOMATIC and default_registry().find(model).card.task == "semantic"
    except NucleiError:
        return False


def planned_in_blocks(planned: PlannedFile) -> PlannedFile:
    """Name the results of an image that is segmented block by block."""
    return replace(planned, labels_format=LABELS_FORMAT)


def segment_too_large(task: Task, progress: Progress) -> FileRecord:
    """Segment a volume block by block of which only its nuclei told that it is too large: small ones make many cubes.

    Raises as `segment_planned` does.
    """
    divided = replace(task, planned=planned_in_blocks(task.planned))
    try:
        return segment_in_blocks(divided, BlockSettings(), progress)
    except Exception as error:  # noqa: BLE001  # as in `segment_planned`
        return failed_record(divided.planned, error)


def was_too_large(task: Task) -> bool:
    """Tell whether an earlier run had to segment an image of this size block by block."""
    if task.batch.overwrite or planned_in_blocks(task.planned) == task.planned:  # results would have the same names
        return False
    note = read_note(task.planned)
    if note is None or note.record is None:
        return False
    # Of labels that were written whole, the note has the hash: that they are OME-Zarr may have been asked for.
    return not note.labels_hash and note.outputs.get("labels", "").endswith(LABELS_FORMAT)


def planned_whole(planned: PlannedFile) -> PlannedFile:
    """Name the results of an image that is segmented in memory: the labels of OME-Zarr are OME-Zarr, too."""
    return planned_in_blocks(planned) if is_ome_zarr(planned.image) else planned


NOT_AROUND = (
    "Cells and rings were not measured, as this image was segmented block by block. Measure them from its labels: "
    "napari-unet-nuclei measure LABELS IMAGE --cell 5um"
)
"""What an image in blocks lacks."""


def segment_in_blocks(task: Task, settings: BlockSettings, progress: Progress) -> FileRecord:
    """Segment an image block by block, as far as no earlier run has, and write all that is wanted of it.

    The task's results are named by `planned_in_blocks`.
    """
    from napari_unet_nuclei.core.blocks.segment import segment_blockwise  # imports PyTorch

    planned, outputs = task.planned, task.outputs
    file = open_planned(planned)
    request, executor = task.template.request(file), settings.executor
    if planned.split:
        # Workers open one file each: the image of several is segmented here, and known by its pixels.
        request, executor = replace(request, file=""), Serial() if executor.elsewhere else executor
    _make_way(task, request, settings)
    result = segment_blockwise(
        request,
        planned.labels,
        progress,
        block=settings.block,
        into_image=settings.into_image,
        table=outputs["table"],
        executor=executor,
        overwrite=task.batch.overwrite,
        series=task.template.series,
    )
    if planned.place is not None:
        add_plate_columns(outputs["table"], planned.place)
    labels = read_ome_zarr(result.path)
    for kind, path in outputs.items():
        if kind not in ("labels", "table") and not (result.done_before and path.exists()):
            _write_output(kind, path, request, result, labels)
    # Not where they were planned: they may have gone into the image.
    paths, pixel_size = {**outputs, "labels": result.path}, request.pixel_size
    record = record_of(planned, result, paths, result.median_area, pixel_size)
    record = replace(record, words=image_in_words(file.source(task.template.axes), file.pixel_size))
    file_hash = str(result.provenance.get("file_hash", ""))
    record = replace(record, image_hash=file_hash, skipped=result.done_before)
    earlier = read_note(planned)
    if result.done_before and earlier is not None and earlier.record is not None:  # by which the table was told
        known = earlier.record
        record = replace(record, gate=known.gate, positive=known.positive)
        record = replace(record, told_by=known.told_by, class_counts=known.class_counts)
    record = told_again(record, task.batch, outputs)
    if task.batch.wanted:
        record = replace(record, warnings=(*record.warnings, NOT_AROUND))
    # For those who look before they run; what is done already, the labels themselves tell.
    image, path = os.path.realpath(planned.image), planned.image
    # The hash in the record of a store is of one level alone, and there is none of an image in several files.
    image_hash = hash_planned(planned) if is_ome_zarr(path) or planned.split else record.image_hash
    write_note(planned, Note(image, image_hash, task.request_hash, task.relative_outputs, record=record))
    return record


def _make_way(task: Task, request: SegmentRequest, settings: BlockSettings) -> None:
    """Refuse to overwrite foreign files; where labels are overwritten, delete the other outputs of the earlier run."""
    if task.batch.overwrite:
        # Now, not when their turn comes: a run that is killed must not leave new labels with old outlines.
        for kind in task.outputs.keys() - {"labels", "table"}:
            task.outputs[kind].unlink(missing_ok=True)
        return
    if Destination.of(request, task.planned.labels, settings.into_image).is_begun:
        return
    for taken in task.outputs.values():
        if taken.exists() and not taken.is_relative_to(task.planned.out / RECORDS):
            raise OutputFileError(
                f"{taken} exists already, and the labels that it would belong to do not. "
                "Choose another folder for the results, or overwrite what is there."
            )


def _write_output(
    kind: str, path: Path, request: SegmentRequest, result: BlockwiseResult, labels: OmeZarrImage
) -> None:
    """Write one kind of result from the labels and the table, which are read piece by piece."""
    if kind in EXPORTS:
        EXPORTS[kind](path, labels.levels[0], axes=labels.letters)
    elif kind == "parquet":
        assert result.table is not None, "a run always has a table written"
        write_parquet(path, result.table)
    else:
        write_picture(kind, path, lambda side: _outlined_plane(request, labels, side))


def _outlined_plane(request: SegmentRequest, labels: OmeZarrImage, side: int) -> NDArray[np.uint8]:
    """Draw the outlines into a plane, from levels of the pyramids that are not much larger than ``side``."""
    plane = _shown_plane(request)
    found = _small_plane(_coarse(labels.levels, labels.letters, side), labels.letters, side, plane)
    levels = request.store.levels if request.store else (request.source.array,)
    axes = request.source.axes
    pixels = _small_plane(_coarse(levels, axes, side), axes, side, plane, request.shown_channels)
    # The two may be of different levels; both begin and end where the image does.
    rows, columns = (
        np.arange(size) * theirs // size for size, theirs in zip(found.shape, pixels.shape[:2], strict=True)
    )
    return outlined(for_screen(pixels[np.ix_(rows, columns)]), found)


def _shown_plane(request: SegmentRequest) -> dict[str, float]:
    """Where the middle one of the segmented planes lies, by axis, as a share of its length, which levels differ in."""
    source = request.source
    chosen = itertools.zip_longest(source.leading_axes, source.leading_shape, request.plane)
    return {letter: ((length // 2 if index is None else index) + 0.5) / length for letter, length, index in chosen}


def _coarse(levels: tuple[AnyArray, ...], axes: str, side: int) -> AnyArray:
    """The coarsest level that is no smaller than a picture of ``side`` pixels."""
    # By the longer side, as a picture is bounded; of an image smaller than the picture, all of it.
    places = [axes.index(letter) for letter in "YX"]
    large = [level for level in levels if max(level.shape[axis] for axis in places) >= side]
    return large[-1] if large else levels[0]


def _small_plane(
    array: AnyArray, axes: str, side: int, plane: Mapping[str, float], channels: tuple[int, ...] = (0,)
) -> NDArray[Any]:
    """Read a plane, as (Y, X) or with colours as (Y, X, S), leaving out rows and columns of a large one."""
    step = max(1, math.ceil(max(array.shape[axes.index(letter)] for letter in "YX") / side))
    sizes = zip(axes, array.shape, strict=True)
    leading = [int(plane.get(letter, 0.5) * size) for letter, size in sizes if letter not in "CSYX"]
    return read_thinned(array, axes, leading, slice(None, None, step), slice(None, None, step), channels)
