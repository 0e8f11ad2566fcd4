"""Segments many files as one run: what fails is recorded and the rest done, and a report says what came of all."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from napari_unet_nuclei.core.executors.executors import Executor
from napari_unet_nuclei.core.executors.pipeline import WAITING_ROOM, Pipeline, Turns, shared_processor
from napari_unet_nuclei.core.files.lock import alone
from napari_unet_nuclei.core.folder.large_image import BlockSettings, planned_in_blocks, segment_in_blocks, takes_blocks
from napari_unet_nuclei.core.folder.odd_kinds import mark_odd_kinds
from napari_unet_nuclei.core.folder.outputs import check_outputs
from napari_unet_nuclei.core.folder.plan import RECORDS, RunPlan, plan_files
from napari_unet_nuclei.core.folder.record import FileRecord, read_note, remove_half_noted, remove_remains
from napari_unet_nuclei.core.folder.run_folder import LOCK, kept_number_format
from napari_unet_nuclei.core.folder.summary import (
    JOINT_PARQUET,
    JOINT_TABLE,
    REPORT,
    RUN,
    SUMMARY,
    BatchReport,
    write_summary,
)
from napari_unet_nuclei.core.folder.work import DiskFullError, Task, isolated, segment_planned
from napari_unet_nuclei.core.progress import Advanced, Event, Notice, Progress, Rising, Share, Silent
from napari_unet_nuclei.core.segment.fingerprint import hash_request
from napari_unet_nuclei.core.segment.template import RequestTemplate
from napari_unet_nuclei.core.settings import BatchSettings

__all__ = ["RUN", "SUMMARY", "BatchReport", "segment_files"]

SEGMENTING = 0.98
"""Share of the progress bar; the tables and the report of the run have the rest."""


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

    What an earlier run did with the same image, model and settings is not done again.

    Parameters
    ----------
    given : sequence of Path
        Files, folders and patterns.
    out : Path
        Folder for the results; `plan_files` says how they are named.
    template : RequestTemplate, optional
        What is asked of every file; all automatic where not given.
    progress : Progress, optional
    batch : BatchSettings, optional
        Which files, and what is written.
    blocks : BlockSettings, optional
        How OME-Zarr images and images larger than memory are done, and where: a cluster does the other images as well.
    on_record : callable
        Hears of every file as soon as it is done or has failed; called in this thread.

    Returns
    -------
    BatchReport

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
        given, out = [path.absolute() for path in given], out.absolute()
    plan = plan_files(given, out, batch.recursive, batch.labels)
    return run_plan(plan, template, batch, progress, on_record, blocks)


def run_plan(
    plan: RunPlan,
    template: RequestTemplate,
    batch: BatchSettings,
    progress: Progress,
    on_record: Callable[[FileRecord], None] = lambda record: None,
    blocks: BlockSettings | None = None,
) -> BatchReport:
    """Do what was planned; for the rest see `segment_files`."""
    check_outputs(batch)
    hash_request(template)  # fails for an unknown model, before anything is written
    with alone(plan.out / RECORDS / LOCK, plan.out):
        number_format = template.number_format or kept_number_format(plan.out, afresh=batch.overwrite)
        template = replace(template, number_format=number_format)
        return _run_alone(plan, template, batch, progress, on_record, blocks or BlockSettings())


def _run_alone(
    plan: RunPlan,
    template: RequestTemplate,
    batch: BatchSettings,
    progress: Progress,
    on_record: Callable[[FileRecord], None],
    blocks: BlockSettings,
) -> BatchReport:
    """Do what was planned, in a folder that nobody else writes to."""
    # Drawing loads matplotlib, which a dry run and an unusable request should not wait for.
    from napari_unet_nuclei.core.folder.report import write_batch_report

    started = time.strftime("%Y-%m-%dT%H:%M:%S%z")
    request_hash = hash_request(template)
    records = [FileRecord(path, error=" ".join(reason.split())) for path, reason in plan.unusable]
    for record in records:
        on_record(record)
    if plan.left_out:
        progress.report(Notice(f"{plan.left_out} results of an earlier run are left out."))
    tasks = [Task(file, template, batch, request_hash) for file in plan.files]
    _tidy(plan, tasks)
    records += _segment_all(tasks, plan, blocks, Share(progress, 0.0, SEGMENTING), on_record)
    if template.settings.kind == "auto":
        records = mark_odd_kinds(records)
    progress.report(Advanced(SEGMENTING, "writing the summary and the report"))
    report = BatchReport(plan.out, template, batch, request_hash, started, tuple(records))
    write_summary(report)
    write_batch_report(plan.out / REPORT, report)
    progress.report(Advanced(1.0, "done"))
    return report


def _segment_all(
    tasks: Sequence[Task],
    plan: RunPlan,
    blocks: BlockSettings,
    progress: Progress,
    on_record: Callable[[FileRecord], None],
) -> list[FileRecord]:
    """Segment the images that fit into memory, several at once, then the others block by block."""
    progress.report(Advanced(0.0, "preparing"))
    large = {task.planned.image for task in tasks if takes_blocks(task.planned.image, task.template)}
    whole = [task for task in tasks if task.planned.image not in large]
    divided = [replace(task, planned=planned_in_blocks(task.planned)) for task in tasks if task.planned.image in large]
    records: dict[str, FileRecord] = {}

    def keep(record: FileRecord) -> None:
        records[record.image] = record
        on_record(record)

    part = len(whole) / max(len(tasks), 1)
    try:
        _segment_whole(whole, blocks.executor, Share(progress, 0.0, part), keep)
        _segment_divided(divided, blocks, Share(progress, part, 1.0), keep)
    except DiskFullError as error:
        done = sum(not record.error for record in records.values())
        raise DiskFullError(
            f"The disk is full: {done} of {len(tasks)} images are done, and their results are kept in {plan.out}. "
            "Free some space and start the same run again: it goes on from there."
        ) from error
    return [records[str(task.planned.image)] for task in tasks]


def _segment_whole(
    tasks: Sequence[Task], executor: Executor, progress: Progress, keep: Callable[[FileRecord], None]
) -> None:
    """Segment images that fit into memory: on a cluster, or several at once here."""
    if not tasks:
        return
    if executor.elsewhere:
        executor.map(segment_planned, tasks, "image", progress, keep)
        for task in tasks:  # what workers that were lost have left
            remove_remains(task.outputs.values())
        return
    from napari_unet_nuclei.core.model.device import choose_device  # imports PyTorch

    device = choose_device(tasks[0].template.settings.device)
    with shared_processor(device.name, len(tasks)) as lanes:
        work = partial(_work, turn=Turns(lanes))
        names = [task.planned.image.name for task in tasks]
        Pipeline(work, names, progress).run(tasks, lanes + WAITING_ROOM, keep)


def _segment_divided(
    tasks: Sequence[Task], blocks: BlockSettings, progress: Progress, keep: Callable[[FileRecord], None]
) -> None:
    """Segment large images one after the other, each block by block."""
    for number, task in enumerate(tasks):
        share = Rising(_WithoutWarnings(Share(progress, number / len(tasks), (number + 1) / len(tasks))))
        share.report(Advanced(0.0, task.planned.image.name))
        keep(isolated(task.planned.image, partial(segment_in_blocks, task, blocks, share)))


@dataclass(frozen=True)
class _WithoutWarnings:
    """Progress of one image: what it is warned of stands in its record, beside its name."""

    parent: Progress

    @property
    def finish_requested(self) -> bool:
        """As the parent says."""
        return self.parent.finish_requested

    def report(self, event: Event) -> None:
        """Pass on all events but warnings."""
        if not (isinstance(event, Notice) and event.warning):
            self.parent.report(event)


def _work(task: Task, progress: Progress, turn: Turns) -> FileRecord:
    return segment_planned(task, progress, turn)


def _tidy(plan: RunPlan, tasks: Sequence[Task]) -> None:
    """Remove what a killed run left half-written, before anything is written anew."""
    remove_remains(plan.out / name for name in (SUMMARY, RUN, REPORT, JOINT_TABLE, JOINT_PARQUET))
    remove_half_noted(plan.out)
    for task in tasks:
        note = read_note(task.planned)
        if note is not None and note.record is None:
            remove_remains(plan.out / path for path in note.outputs.values())
