"""Segment many files as one run: record what fails, do the rest, and report on all."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import cast, get_args

from napari_unet_nuclei.core.errors import SettingsError
from napari_unet_nuclei.core.executors.executors import (
    WAITING_ROOM,
    Executor,
    Serial,
    Threads,
    Turns,
    shared_processor,
)
from napari_unet_nuclei.core.files.atomic import atomic, remove_remains
from napari_unet_nuclei.core.files.lock import alone
from napari_unet_nuclei.core.folder.follow import follow_planned, segment_and_follow
from napari_unet_nuclei.core.folder.intact import still_whole
from napari_unet_nuclei.core.folder.large_image import (
    BlockSettings,
    planned_in_blocks,
    planned_whole,
    segment_in_blocks,
    segment_too_large,
    takes_blocks,
    tells_classes,
    was_too_large,
)
from napari_unet_nuclei.core.folder.one_image import (
    DiskFullError,
    Task,
    WithoutNotices,
    failed_record,
    plan_tasks,
    segment_planned,
)
from napari_unet_nuclei.core.folder.outputs import check_outputs
from napari_unet_nuclei.core.folder.plan import (
    JOINT_ANNDATA,
    JOINT_PARQUET,
    JOINT_TABLE,
    RECORDS,
    REPORT,
    RUN,
    SUMMARY,
    WELLS,
    RunPlan,
    image_title,
    plan_files,
    short_title,
)
from napari_unet_nuclei.core.folder.record import FileRecord, read_note, remove_half_noted
from napari_unet_nuclei.core.folder.summary import BatchReport, write_summary
from napari_unet_nuclei.core.image.io.ome_zarr import is_ome_zarr
from napari_unet_nuclei.core.image.io.zarr_store import absolute
from napari_unet_nuclei.core.image.plane import ImageKind
from napari_unet_nuclei.core.progress import Advanced, Notice, Progress, Rising, Share, Silent, with_shares
from napari_unet_nuclei.core.quantity import quantity
from napari_unet_nuclei.core.segment.fingerprint import hash_request
from napari_unet_nuclei.core.segment.remedy import odd_one_out
from napari_unet_nuclei.core.segment.template import RequestTemplate
from napari_unet_nuclei.core.settings import BatchSettings
from napari_unet_nuclei.core.types import NumberFormat

LOCK, NUMBER_FORMAT = ".lock", ".number-format"
"""Files among the run's notes: who writes into the folder, and which number format all runs into it use."""

MOST_OF_A_KIND = 0.75
"""Share of the images that must be of one kind for the others to be out of place: a folder of both kinds is no
mistake, and of three images none is."""

SEGMENTING = 0.98
"""Share of the progress bar; the tables and the report of the run have the rest."""

FEWEST_TO_COMPARE = 6
"""Images of a run below which none of them tells what is usual."""

FAR_OFF = 5.0
"""Ratio to the median above which a count is worth a look; a choice, with room for a dose that halves cells twice."""


def segment_files(
    given: Sequence[Path],
    out: Path,
    template: RequestTemplate | None = None,
    progress: Progress | None = None,
    *,
    batch: BatchSettings | None = None,
    blocks: BlockSettings | None = None,
    on_record: Callable[[FileRecord], None] = lambda record: None,
) -> BatchReport:
    """Segment image files and write what was asked for, then a summary, the run's provenance and a report.

    What an earlier run did with the same image, model and settings is not done again. ``blocks`` says how OME-Zarr
    images and images larger than memory are done, and where: a cluster does the other images as well. ``on_record`` is
    called with every file's record as soon as it is done or has failed, in this thread.

    Raises
    ------
    NucleiError
        If there is no image or no such model at all, if a result would overwrite an image, or if the disk is full; a
        single file's failure is in the report.
    Cancelled
        Files that are done stay, and a further run goes on from there.
    """
    template, progress, batch = template or RequestTemplate(), progress or Silent(), batch or BatchSettings()
    if blocks is not None and blocks.executor.elsewhere:  # in processes whose current folder is another one
        given, out = [absolute(path) for path in given], out.absolute()
    plan = plan_files(given, out, batch.recursive, batch.labels, batch.series, batch.channels)
    return run_plan(plan, template, batch, progress, on_record, blocks)


def run_plan(
    plan: RunPlan,
    template: RequestTemplate,
    batch: BatchSettings,
    progress: Progress,
    on_record: Callable[[FileRecord], None] = lambda record: None,
    blocks: BlockSettings | None = None,
) -> BatchReport:
    """Do what was planned as `segment_files` says: images that fit into memory several at once, then the others."""
    blocks = blocks or BlockSettings()
    # Drawing loads matplotlib, which a dry run and an unusable request should not wait for.
    from napari_unet_nuclei.core.folder.report import write_batch_report

    check_outputs(batch, classes=tells_classes(template.model))
    request_hash = hash_request(template)  # fails for an unknown model, before anything is written
    records: dict[str, FileRecord] = {}

    def keep(record: FileRecord) -> None:
        records[record.title] = record
        on_record(record)

    # Two runs into one folder would remove each other's half-written files.
    with alone(plan.out / RECORDS / LOCK, plan.out):
        started = time.strftime("%Y-%m-%dT%H:%M:%S%z")
        number_format = template.number_format or kept_number_format(plan.out, afresh=batch.overwrite)
        template = replace(template, number_format=number_format)
        tasks = plan_tasks(plan, template, batch)
        _begin(plan, tasks, progress, keep)
        whole, divided = _by_size(tasks, blocks)
        if blocks.into_image and not any(is_ome_zarr(task.planned.image) for task in divided):
            raise SettingsError("None of the images is OME-Zarr: writing labels into the images has no effect.")
        if batch.labels == "ome.tif" and not whole:
            raise SettingsError(
                "Labels of images that are segmented block by block are OME-Zarr: leave the format out."
            )
        if blocks.block and not divided:
            raise SettingsError(
                "None of the images is segmented block by block, as OME-Zarr, stacks and images larger than memory "
                "are: the size of a block has no effect."
            )
        share, part = Share(progress, 0.0, SEGMENTING), len(whole) / max(len(tasks), 1)
        try:
            # Large images last and one at a time: each of them takes all the memory and all the workers there are.
            if whole:
                with _lanes(whole, blocks.executor) as (executor, work):
                    names = [short_title(str(task.planned.image), task.planned.part) for task in whole]
                    executor.map(work, whole, "image", Share(share, 0.0, part), keep, names)
            _segment_divided(divided, blocks, Share(share, part, 1.0), keep)
        except DiskFullError as error:
            done = sum(not record.error for record in records.values())
            raise DiskFullError(
                f"The disk is full: {done} of {len(tasks)} images are done, and their results are kept in {plan.out}. "
                "Free some space and start the same run again: it goes on from there."
            ) from error
        # In the order in which they were given, whichever was done first.
        images = [image_title(path, "") for path, _ in plan.unusable] + [file.title for file in plan.files]
        found = [still_whole(records[image]) for image in images]
        if template.settings.kind == "auto":
            found = mark_odd_kinds(found)
        found = mark_far_off_counts(found)
        report = BatchReport(plan.out, template, batch, request_hash, started, tuple(found), plan.remarks)
        progress.report(Advanced(SEGMENTING, "writing the summary and the report"))
        write_summary(report)
        write_batch_report(plan.out / REPORT, report)
        progress.report(Advanced(1.0, "done"))
        return report


def _begin(plan: RunPlan, tasks: Sequence[Task], progress: Progress, keep: Callable[[FileRecord], None]) -> None:
    """Report what cannot be segmented, and remove what a killed run left half-written."""
    for path, reason in plan.unusable:
        keep(FileRecord(path, error=" ".join(reason.split())))
    for remark in plan.remarks:
        progress.report(Notice(remark))
    progress.report(Advanced(0.0, "preparing"))
    remove_remains(plan.out / name for name in (SUMMARY, RUN, REPORT, JOINT_TABLE, JOINT_PARQUET, JOINT_ANNDATA, WELLS))
    remove_half_noted(plan.out)
    # A note without a record says that its image was under way when the run ended.
    for task in tasks:
        note = read_note(task.planned)
        if note is not None and note.record is None:
            remove_remains(plan.out / path for path in note.outputs.values())


def _by_size(tasks: Sequence[Task], blocks: BlockSettings) -> tuple[list[Task], list[Task]]:
    """Return the tasks of images that fit into memory, and those of images that are segmented block by block."""
    whole, divided = [], []
    for task in tasks:
        in_memory = replace(task, planned=planned_whole(task.planned))
        if takes_blocks(task.planned, task.template, blocks=blocks) or was_too_large(in_memory):
            divided.append(replace(task, planned=planned_in_blocks(task.planned)))
        else:
            whole.append(in_memory)
    return whole, divided


@contextmanager
def _lanes(
    tasks: Sequence[Task], executor: Executor
) -> Iterator[tuple[Executor, Callable[[Task, Progress], FileRecord]]]:
    """Choose how images that fit into memory are segmented: on a cluster, or here, several at once."""
    work = segment_and_follow if tasks[0].batch.follow else partial(segment_planned, too_large=segment_too_large)
    if executor.elsewhere:
        yield executor, work
        for task in tasks:  # half-written files of workers that were lost
            remove_remains(task.outputs.values())
        return
    from napari_unet_nuclei.core.model.device import choose_device  # imports PyTorch

    device = choose_device(tasks[0].template.settings.device)
    with shared_processor(device.name, len(tasks)) as lanes:
        # More threads than lanes: they wait for their turn with the next image read already.
        here = Threads(lanes + WAITING_ROOM) if len(tasks) > 1 else Serial()
        yield here, partial(work, turn=Turns(lanes))


def _segment_divided(
    tasks: Sequence[Task], blocks: BlockSettings, progress: Progress, keep: Callable[[FileRecord], None]
) -> None:
    """Segment large images one after the other, each block by block."""
    for task, part in with_shares(tasks, progress):
        share = Rising(WithoutNotices(part, True))
        share.report(Advanced(0.0, short_title(str(task.planned.image), task.planned.part)))
        try:
            keep(follow_planned(task, segment_in_blocks(task, blocks, share), share))
        except Exception as error:  # noqa: BLE001  # as in `segment_planned`
            keep(failed_record(task.planned, error))


def mark_odd_kinds(records: Sequence[FileRecord]) -> list[FileRecord]:
    """Add a warning to the images that were read as another kind than nearly all of a run: most often wrongly."""
    kinds = Counter(record.kind for record in records if record.kind)
    if not kinds:
        return list(records)
    usual, count = kinds.most_common(1)[0]
    if count < MOST_OF_A_KIND * kinds.total():
        return list(records)
    return [
        record
        if record.kind in ("", usual) or record.warnings  # which propose the same
        else replace(record, warnings=(odd_one_out(cast("ImageKind", record.kind)).text,))
        for record in records
    ]


def kept_number_format(out: Path, *, afresh: bool) -> NumberFormat:
    """Return the number format of the runs into a folder: that of the first one, unless all is done afresh."""
    # The fastest one differs between computers, and with it, here and there, a pixel: a folder is to be of one kind.
    path = out / RECORDS / NUMBER_FORMAT
    try:
        kept = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        kept = ""
    if kept in get_args(NumberFormat) and not afresh:
        return cast("NumberFormat", kept)
    from napari_unet_nuclei.core.model.number_format import cpu_number_format  # imports PyTorch

    chosen = cpu_number_format()
    with atomic(path) as partial:
        partial.write_text(chosen + "\n", encoding="utf-8")
    return chosen


def mark_far_off_counts(records: Sequence[FileRecord]) -> list[FileRecord]:
    """Add a warning to images with several times fewer or more nuclei than most of the run.

    Images without any have a warning of their own, and do not count for what is usual.
    """
    counts = [record.nuclei for record in records if record.nuclei and not record.error]
    if len(counts) < FEWEST_TO_COMPARE:
        return list(records)
    usual = median(counts)
    return [
        replace(record, warnings=(_count_warning(record.nuclei, usual),))
        if record.nuclei and not record.error and not record.warnings and _is_far_off(record.nuclei, usual)
        else record
        for record in records
    ]


def _is_far_off(count: int, usual: float) -> bool:
    return not usual / FAR_OFF <= count <= usual * FAR_OFF


def _count_warning(count: int, usual: float) -> str:
    return f"{quantity(count, 'nucleus', 'nuclei')}, where most images of this run have about {usual:,.0f}. Look at it."
