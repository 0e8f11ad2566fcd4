"""Segment one image of a run, from its path to its outputs: skip it where done, record why where it fails."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from napari_unet_nuclei.core.errors import ClusterError, NucleiError, OutputFileError, VolumeTooLargeError
from napari_unet_nuclei.core.files.atomic import DISK_FULL, remedy
from napari_unet_nuclei.core.files.text import legible
from napari_unet_nuclei.core.folder.frames import FrameStore, Turn, segment_frames
from napari_unet_nuclei.core.folder.intact import (
    CHANGED,
    changed_labels,
    damaged_labels,
    damaged_table,
    set_aside_name,
    what_is_damaged,
)
from napari_unet_nuclei.core.folder.opened import asked_of, hash_planned, holds_stack, open_planned
from napari_unet_nuclei.core.folder.outputs import Segmented, wanted_outputs, write_outputs
from napari_unet_nuclei.core.folder.plan import PlannedFile, RunPlan
from napari_unet_nuclei.core.folder.plate_columns import with_plate_columns
from napari_unet_nuclei.core.folder.record import FileRecord, Note, all_there, read_note, settle, write_note
from napari_unet_nuclei.core.folder.told import told, told_again
from napari_unet_nuclei.core.image.io.image_file import ImageFile
from napari_unet_nuclei.core.image.io.pairs import name_some
from napari_unet_nuclei.core.image.io.zarr_store import as_given
from napari_unet_nuclei.core.image.pixel_size import PixelSize
from napari_unet_nuclei.core.image.words import image_in_words
from napari_unet_nuclei.core.labels.measure.surroundings import spacing_in
from napari_unet_nuclei.core.progress import Advanced, Cancelled, Event, Notice, Progress, Share
from napari_unet_nuclei.core.segment.fingerprint import hash_image, hash_request
from napari_unet_nuclei.core.segment.frames import FramedResult, takes_frames
from napari_unet_nuclei.core.segment.planes import NOT_A_STACK, asks_of_stacks
from napari_unet_nuclei.core.segment.result import Segmentation, SegmentResult
from napari_unet_nuclei.core.segment.table import measure_result
from napari_unet_nuclei.core.segment.template import RequestTemplate
from napari_unet_nuclei.core.settings import BatchSettings, CellSettings

SEGMENTING = 0.9
"""Share of a file's time that the network and the decoding take; measuring and writing take the rest."""


class DiskFullError(OutputFileError):
    """The disk is full: the run as a whole cannot go on."""


@dataclass(frozen=True)
class Task:
    """One image of a run: paths and settings, nothing else, so that it can be sent to another process."""

    planned: PlannedFile
    template: RequestTemplate
    batch: BatchSettings
    request_hash: str

    @property
    def outputs(self) -> dict[str, Path]:
        """Everything that is to be written."""
        return wanted_outputs(self.planned, self.batch)

    @property
    def around(self) -> dict[str, Any]:
        """What is measured around the nuclei; empty for nothing."""
        names = CellSettings.model_fields
        return {name: getattr(self.batch, name) for name in names} if self.batch.wanted else {}

    @property
    def relative_outputs(self) -> dict[str, str]:
        """The same as paths below the run's folder, which may be moved."""
        return {kind: path.relative_to(self.planned.out).as_posix() for kind, path in self.outputs.items()}


def plan_tasks(plan: RunPlan, template: RequestTemplate, batch: BatchSettings) -> list[Task]:
    """Turn planned files into tasks; which image of its file is segmented is part of the request for each."""
    templates = {series: replace(template, series=series) for series in {file.series for file in plan.files}}
    hashes = {series: hash_request(one) for series, one in templates.items()}
    tasks = [Task(file, asked_of(file, templates[file.series]), batch, hashes[file.series]) for file in plan.files]
    if not asks_of_stacks(template.settings):
        return tasks
    stacks = [holds_stack(file, template) for file in plan.files]
    # Where there is no stack at all, each image says that it is none.
    return [
        _as_it_is(task) if stack is False and True in stacks else task
        for task, stack in zip(tasks, stacks, strict=True)
    ]


def _as_it_is(task: Task) -> Task:
    """Leave out what was asked of stacks, of an image among them that is none."""
    settings = task.template.settings.changed(planes="auto", z_spacing_auto=True)
    planned = replace(task.planned, remarks=(*task.planned.remarks, NOT_A_STACK))
    return replace(task, planned=planned, template=replace(task.template, settings=settings))


def segment_planned(
    task: Task,
    progress: Progress,
    turn: Turn = nullcontext,
    too_large: Callable[[Task, Progress], FileRecord] | None = None,
) -> FileRecord:
    """Segment an image unless that is done; whatever is wrong with it becomes a failed record.

    ``too_large`` takes over a volume of which only its nuclei tell that it does not fit into memory.

    Raises
    ------
    DiskFullError, ClusterError
        Every further image would fail as well.
    Cancelled
    """
    planned = task.planned
    try:
        progress.report(Advanced(0.0, "reading"))
        # Before the image is read: of one that is done, hashing is all there is to do.
        image_hash = hash_planned(planned)
        owner = {"image_hash": image_hash, "request_hash": task.request_hash, "around": task.around}
        frames = FrameStore(planned.record(".frames"), owner)
        done = finished(task, image_hash)
        if done is not None:
            frames.remove()  # left by a run that was killed when all was noted
            return _told_again(task, done)
        check_ownership(task, image_hash)
        remade = _make_way(task)
        file = open_planned(planned)
        found = find_nuclei(file, task.template, task.batch, WithoutNotices(progress), turn, frames)
        found = with_files(found, planned)
        progress.report(Advanced(1.0, "writing"))
        # Noted before anything is written: the next run then knows whose half-written files these are.
        note = Note(
            os.path.realpath(planned.image), image_hash, task.request_hash, task.relative_outputs, around=task.around
        )
        write_note(planned, note)
        result, pixel_size = found.result, found.request.pixel_size
        # Volumes have no area.
        area = float(found.table["area_px"].median()) if result.count and "area_px" in found.table.columns else None
        record = record_of(planned, result, task.outputs, area, pixel_size)
        record = replace(record, words=image_in_words(file.source(task.template.axes), file.pixel_size))
        if remade:
            record = replace(record, notices=(*record.notices, remade))
        table, record = told(found.table, record, task.batch)
        written = replace(found, table=with_plate_columns(table, planned.place))
        write_outputs(written, task.outputs, task.batch)
        # On the disk before the note says so: after a power cut, a note without its files would be believed.
        settle(task.outputs)
        record = replace(record, image_hash=image_hash, origin=result.origin)
        # With the hash of the labels, by which the next run sees that somebody has corrected them.
        write_note(planned, replace(note, labels_hash=_hash_labels(planned.labels), record=record))
        frames.remove()
        return record
    except VolumeTooLargeError as error:
        return too_large(task, progress) if too_large is not None else failed_record(planned, error)
    except Exception as error:  # noqa: BLE001  # one image in four thousand must not end the night's run
        return failed_record(planned, error)


@dataclass(frozen=True)
class WithoutNotices:
    """Progress of one image of a run: its notices, or only warnings, stand in its record, beside its name."""

    parent: Progress
    warnings_only: bool = False

    @property
    def finish_requested(self) -> bool:
        """As the parent says."""
        return self.parent.finish_requested

    def report(self, event: Event) -> None:
        """Pass on all other events."""
        if not isinstance(event, Notice) or (self.warnings_only and not event.warning):
            self.parent.report(event)


def failed_record(planned: PlannedFile, error: Exception) -> FileRecord:
    """Return the record of an image that failed; raise again what ends the run."""
    if isinstance(error, (Cancelled, ClusterError)):
        raise error
    if isinstance(error, NucleiError):
        if is_disk_full(error):
            raise DiskFullError(str(error)) from error
        message = " ".join(str(error).split())
    elif isinstance(error, OSError):
        message = f"{error.filename or planned.image}: {remedy(error)}"
    elif isinstance(error, MemoryError):
        message = "There is not enough memory. Close other programs, or segment a region."
    else:
        logging.getLogger(__name__).error("Segmenting %s failed", planned.title, exc_info=error)
        message = f"This is a bug in the program: {type(error).__name__}: {error}"
    image, part = as_given(planned.image), planned.part
    return FileRecord(image, error=message, series=planned.series, part=part, place=planned.place)


def finished(task: Task, image_hash: str) -> FileRecord | None:
    """Return the record of an image that is done with the same request and all its results; else None."""
    note = read_note(task.planned)
    if note is None or note.record is None or task.batch.overwrite:
        return None
    same = (note.image_hash, note.request_hash, note.around) == (image_hash, task.request_hash, task.around)
    # More may have been written then than is wanted now.
    wanted = task.relative_outputs
    if not same or not wanted.items() <= note.outputs.items() or not all_there(task.planned, wanted):
        return None
    if what_is_damaged(note.record, task.outputs["labels"], task.outputs["table"], note):
        return None
    labels, table, thumbnail = (str(task.outputs[kind]) for kind in ("labels", "table", "thumbnail"))
    # Paths as they are now: image and results may have been moved since.
    found = replace(note.record, image=as_given(task.planned.image), image_hash=image_hash, skipped=True)
    found = replace(found, series=task.planned.series, part=task.planned.part, place=task.planned.place)
    # Of a folder the dates count, which change as well where it is copied.
    if Path(labels).is_file() and changed_labels(Path(labels), note) and CHANGED not in found.notices:
        found = replace(found, notices=(*found.notices, CHANGED))
    return replace(found, labels=labels, table=table, thumbnail=thumbnail)


def _make_way(task: Task) -> str:
    """Say what of an earlier run is damaged and made again, and keep a table that people can still read."""
    note, table = read_note(task.planned), task.outputs["table"]
    remade = what_is_damaged(note.record if note else None, task.outputs["labels"], table, note)
    kept = set_aside_name(table) if remade and table.exists() and damaged_table(table) else None
    if kept is not None:
        table.replace(kept)
    return remade


def _told_again(task: Task, done: FileRecord) -> FileRecord:
    """Tell an image anew that is done where the gate or the classes have changed, and note it."""
    record, note = told_again(done, task.batch, task.outputs), read_note(task.planned)
    if record is not done and note is not None:
        write_note(task.planned, replace(note, record=replace(record, skipped=False)))
    return record


def check_ownership(task: Task, image_hash: str) -> None:
    """Refuse to overwrite foreign files, and labels that were changed by hand.

    ``image_hash`` may be empty where nothing is noted of the image.
    """
    there = [path for path in task.outputs.values() if path.exists()]
    if task.batch.overwrite or not there:
        return
    note = read_note(task.planned)
    way_out = "Choose another folder for the results, or overwrite what is there."
    if note is None:
        raise OutputFileError(f"{there[0]} exists already, and no run has noted that it wrote it. {way_out}")
    # Another image under the same path has been edited, the same one under another path was moved: both may go on.
    if note.image_hash != image_hash and note.image != os.path.realpath(task.planned.image):
        raise OutputFileError(f"{there[0]} holds the nuclei of another image, {note.image}. {way_out}")
    labels = task.planned.labels
    if changed_labels(labels, note) and not damaged_labels(labels, note):
        raise OutputFileError(f"{labels} was changed since it was written, perhaps corrected by hand. {way_out}")


def is_disk_full(error: Exception) -> bool:
    """Tell whether an error says that the disk is full."""
    return isinstance(error.__cause__, OSError) and error.__cause__.errno in DISK_FULL


def find_nuclei(
    file: ImageFile,
    template: RequestTemplate,
    batch: BatchSettings,
    progress: Progress,
    turn: Turn = nullcontext,
    frames: FrameStore | None = None,
) -> Segmented:
    """Segment and measure an image; where several are segmented at once, ``turn`` waits for this one's.

    Where there is a store of frames, movies are segmented frame by frame, and their labels stay on disk.
    """
    from napari_unet_nuclei.core.segment.run import run_segment  # PyTorch is imported when a file is first segmented

    request = template.request(file)
    if batch.wanted:  # before the network runs: µm need a pixel size
        spacing_in(batch.distance_unit, (request.pixel_size.y, request.pixel_size.x))
    result: SegmentResult | FramedResult
    if frames is not None and takes_frames(request):
        result, table = segment_frames(request, frames, batch, progress, turn)
    else:
        height, width = request.source.plane_shape
        # Only the network and decoding take turns: others read, measure and write meanwhile.
        with turn(height * width * sum(1 for _ in request.source.plane_indices(request.plane))):
            result = run_segment(request, Share(progress, 0.0, SEGMENTING))
        table = measure_result(result, request, Share(progress, SEGMENTING, 1.0), batch)
    names = list(request.source.channel_names)
    added = {"series": template.series, "channel_names": names}
    # Of some images, only some frames are segmented.
    frames_found = result.labels.shape[result.axes.index("T")] if "T" in result.axes else 0
    times = file.frame_times if len(file.frame_times) == frames_found else ()
    return Segmented(request, result, table, {**result.provenance, **added}, times)


def record_of(
    planned: PlannedFile,
    result: Segmentation,
    paths: Mapping[str, Path],
    median_area: float | None,
    pixel_size: PixelSize,
) -> FileRecord:
    """Make the record of an image from the run's description of itself."""
    warnings = tuple(remedy.text for remedy in result.remedies)
    notices = tuple(notice for notice in result.notices if notice not in warnings)
    notices += tuple(remark for remark in planned.remarks if remark not in notices)
    if planned.others:
        notices += (f"Not segmented, of the same file: {name_some(planned.others)}. Choose them by their series.",)
    if planned.split:
        warnings += planned.split.warnings
    known = median_area is not None and pixel_size.known
    return FileRecord(
        image=as_given(planned.image),
        series=planned.series,
        part=planned.part,
        place=planned.place,
        labels=str(paths["labels"]),
        table=str(paths["table"]),
        nuclei=result.count,
        counted="" if result.classes else result.count_text,
        classes=len(result.classes),
        median_area_px=median_area,
        median_area_um2=round((median_area or 0.0) * pixel_size.y * pixel_size.x, 4) if known else None,
        diameter_px=round(result.diameter, 2),
        channel=result.channel,
        kind="" if result.classes else result.kind,
        model=result.model,
        device=result.device,
        precision=str(result.provenance["precision"]),
        model_hash=str(result.provenance["model_hash"]),
        seconds=round(result.seconds, 2),
        notices=notices,
        warnings=warnings,
        thumbnail=str(paths.get("thumbnail", "")),
    )


def with_files(found: Segmented, planned: PlannedFile) -> Segmented:
    """Add to the provenance of which files the image was made, where these are several."""
    if planned.split is None:
        return found
    return replace(
        found, provenance={**found.provenance, "files": [legible(path.name) for path in planned.split.files]}
    )


def _hash_labels(path: Path) -> str:
    """SHA-256 of labels as they lie on the disk; empty where there are none."""
    return hash_image(path) if path.exists() else ""
