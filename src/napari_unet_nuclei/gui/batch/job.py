"""The jobs that the dock *Batch segment folder* runs in threads; PyTorch is imported there."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
from qtpy.QtCore import QObject, Signal

from napari_unet_nuclei.core.executors.cluster import executor_for
from napari_unet_nuclei.core.folder.dry_run import Prospect, look_ahead
from napari_unet_nuclei.core.folder.large_image import BlockSettings, takes_blocks
from napari_unet_nuclei.core.folder.opened import asked_of, open_planned
from napari_unet_nuclei.core.folder.plan import PlannedFile, plan_files
from napari_unet_nuclei.core.folder.record import FileRecord
from napari_unet_nuclei.core.folder.summary import BatchReport
from napari_unet_nuclei.core.image.io.image_file import ImageFile
from napari_unet_nuclei.core.image.io.ome_zarr import is_ome_zarr, read_ome_zarr
from napari_unet_nuclei.core.image.io.read import read_image
from napari_unet_nuclei.core.progress import Advanced, Progress
from napari_unet_nuclei.core.segment.result import CACHED_PIXELS
from napari_unet_nuclei.core.segment.template import RequestTemplate
from napari_unet_nuclei.core.types import Region
from napari_unet_nuclei.gui.batch.choices import BatchChoices
from napari_unet_nuclei.gui.batch.layers import ShownFile
from napari_unet_nuclei.gui.jobs.worker import report_start

PREVIEW_SIDE = 2048
"""Side in pixels of the part of a large image that a preview segments."""

PREVIEW_VOXELS = 2**26
"""Voxels of a stack that are segmented at most: fewer rows and columns of a deep one."""


class RunSignals(QObject):
    """Signals from a run to the window's thread."""

    record = Signal(object)
    """`FileRecord` of an image that is done or failed."""


@dataclass(frozen=True)
class Outlook:
    """What a run would do with each image, and what the names of files were taken for."""

    prospects: tuple[Prospect, ...] = ()
    remarks: tuple[str, ...] = ()
    has_zarr: bool = False
    """Some images are OME-Zarr, into which labels can be written."""


def dry_run_job(choices: BatchChoices) -> Callable[[Progress], Outlook]:
    """Return the job that finds out what a run would do."""

    def job(progress: Progress) -> Outlook:
        batch = choices.batch
        paths, out = choices.paths(), choices.folder
        plan = plan_files(paths, out, batch.recursive, batch.labels, batch.series, batch.channels)
        prospects = tuple(look_ahead(plan, choices.template, batch, progress, blocks=_blocks(choices)))
        has_zarr = any(is_ome_zarr(path) for path in {Path(prospect.image) for prospect in prospects})
        return Outlook(prospects, plan.remarks, has_zarr)

    return job


def run_job(choices: BatchChoices, signals: RunSignals) -> Callable[[Progress], BatchReport]:
    """Return the job that segments all images."""

    def job(progress: Progress) -> BatchReport:
        report_start(progress)
        from napari_unet_nuclei.core.folder.run import segment_files  # imports matplotlib for the report

        with executor_for(choices.scheduler, choices.workers) as executor:
            return segment_files(
                choices.paths(),
                choices.folder,
                choices.template,
                progress,
                batch=choices.batch,
                blocks=replace(_blocks(choices), executor=executor),
                on_record=signals.record.emit,
            )

    return job


def preview_job(choices: BatchChoices, prospect: Prospect) -> Callable[[Progress], ShownFile]:
    """Return the job that segments one image, or the centre of a large one, as a run would, and writes nothing."""

    def job(progress: Progress) -> ShownFile:
        report_start(progress)
        from napari_unet_nuclei.core.folder.one_image import find_nuclei

        planned = _planned(choices, prospect)
        file = open_planned(planned)
        template = asked_of(planned, replace(choices.template, series=prospect.series))
        template = replace(template, region=_preview_region(planned, file, template))
        found = find_nuclei(file, template, choices.batch, progress)
        result = found.result
        return ShownFile(file, result.labels, result.axes, result.origin, found.table, dict(found.provenance))

    return job


def _preview_region(planned: PlannedFile, file: ImageFile, template: RequestTemplate) -> Region | None:
    """Return the central rectangle of an image that a run segments block by block; None for the whole plane."""
    if not takes_blocks(planned, template):
        return None
    source = file.source(template.axes)
    height, width = source.plane_shape
    side = min(PREVIEW_SIDE, math.isqrt(PREVIEW_VOXELS // max(math.prod(source.leading_shape), 1)))
    y, x = (max(size - side, 0) // 2 for size in (height, width))
    return y, min(y + side, height), x, min(x + side, width)


def _blocks(choices: BatchChoices) -> BlockSettings:
    return BlockSettings(into_image=choices.into_image)


def _planned(choices: BatchChoices, prospect: Prospect) -> PlannedFile:
    """Describe an image of the run by what was found out about it beforehand."""
    about = {name: getattr(prospect, name) for name in ("series", "part", "split", "place")}
    return PlannedFile(Path(prospect.image), choices.folder, Path(prospect.image).stem, **about)


def open_job(choices: BatchChoices, prospect: Prospect, record: FileRecord) -> Callable[[Progress], ShownFile]:
    """Return the job that reads an image with the labels and table that a run wrote."""

    def job(progress: Progress) -> ShownFile:
        progress.report(Advanced(0.0, f"opening {record.short_title}"))
        file = open_planned(_planned(choices, prospect))
        labels = read_image(Path(record.labels))
        table = pd.read_csv(record.table)
        origin = record.origin or (0,) * len(labels.axes)
        if labels.array.size > CACHED_PIXELS:  # stay on disk, with all levels
            levels = read_ome_zarr(labels.path).levels if is_ome_zarr(labels.path) else (labels.array,)
            images = read_ome_zarr(file.path).levels if is_ome_zarr(file.path) else (file.array,)
            return ShownFile(file, labels.array, labels.axes, origin, table, images=images, levels=levels)
        return ShownFile(file, labels.array[...], labels.axes, origin, table)

    return job
