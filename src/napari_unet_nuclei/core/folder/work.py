"""One image of a run, from its path to its results: skipped where done, a failed row where it cannot be done."""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from napari_unet_nuclei.core.errors import ClusterError, NucleiError, OutputFileError
from napari_unet_nuclei.core.folder.one_image import Turn, describe, find_nuclei, no_waiting
from napari_unet_nuclei.core.folder.outputs import wanted_outputs, write_outputs
from napari_unet_nuclei.core.folder.plan import PlannedFile
from napari_unet_nuclei.core.folder.record import FileRecord, Note, all_there, read_note, settle, write_note
from napari_unet_nuclei.core.image.io.read import read_image
from napari_unet_nuclei.core.progress import Advanced, Cancelled, Progress
from napari_unet_nuclei.core.segment.fingerprint import hash_image
from napari_unet_nuclei.core.segment.template import RequestTemplate
from napari_unet_nuclei.core.settings import BatchSettings


class DiskFullError(OutputFileError):
    """There is no room for results: the run as a whole cannot go on."""


@dataclass(frozen=True)
class Task:
    """One image of a run: paths and settings, nothing else, so that it can be sent to another process.

    Attributes
    ----------
    planned : PlannedFile
    template : RequestTemplate
    batch : BatchSettings
    request_hash : str
        Of the template, by `hash_request`.
    """

    planned: PlannedFile
    template: RequestTemplate
    batch: BatchSettings
    request_hash: str

    @property
    def outputs(self) -> dict[str, Path]:
        """Everything that is to be written."""
        return wanted_outputs(self.planned, self.batch)

    @property
    def relative_outputs(self) -> dict[str, str]:
        """The same as paths below the run's folder, which may be moved."""
        return {kind: path.relative_to(self.planned.out).as_posix() for kind, path in self.outputs.items()}


def segment_planned(task: Task, progress: Progress, turn: Turn = no_waiting) -> FileRecord:
    """Segment an image unless that is done; whatever is wrong with it becomes a failed record.

    Parameters
    ----------
    task : Task
    progress : Progress
    turn : callable
        As for `find_nuclei`.

    Raises
    ------
    DiskFullError
        Every further image would fail as well.
    Cancelled
    """
    return isolated(task.planned.image, lambda: _segment_planned(task, progress, turn))


def isolated(path: Path, segment: Callable[[], FileRecord]) -> FileRecord:
    """Do one image; whatever is wrong with it becomes a failed record.

    Raises
    ------
    DiskFullError, ClusterError
        Every further image would fail as well.
    Cancelled
    """
    image = str(path)
    try:
        return segment()
    except (Cancelled, ClusterError):
        raise
    except NucleiError as error:
        if is_disk_full(error):
            raise DiskFullError(str(error)) from error
        return FileRecord(image, error=" ".join(str(error).split()))
    except MemoryError:
        return FileRecord(image, error="There is not enough memory. Close other programs, or segment a region.")
    except Exception as error:  # one image in four thousand must not end the night's run
        logging.getLogger(__name__).exception("Segmenting %s failed", image)
        return FileRecord(image, error=f"This is a bug in the program: {type(error).__name__}: {error}")


def finished(task: Task, image_hash: str) -> FileRecord | None:
    """Return the record of an image that is done with the same request and all its results; else None."""
    note = read_note(task.planned)
    if note is None or note.record is None or task.batch.overwrite:
        return None
    same = (note.image_hash, note.request_hash) == (image_hash, task.request_hash)
    wanted = task.relative_outputs
    if not same or not wanted.items() <= note.outputs.items() or not all_there(task.planned, wanted):
        return None
    labels, table, thumbnail = (str(task.outputs[kind]) for kind in ("labels", "table", "thumbnail"))
    found = replace(note.record, image=str(task.planned.image), image_hash=image_hash, skipped=True)
    return replace(found, labels=labels, table=table, thumbnail=thumbnail)


def check_ownership(task: Task, image_hash: str) -> None:
    """Refuse to overwrite what belongs to somebody else, or was changed by hand.

    Parameters
    ----------
    task : Task
    image_hash : str
        Of the image; needed only where something is noted of it.

    Raises
    ------
    OutputFileError
        The message names the file and the ways out.
    """
    there = [path for path in task.outputs.values() if path.exists()]
    if task.batch.overwrite or not there:
        return
    note = read_note(task.planned)
    way_out = "Choose another folder for the results, or overwrite what is there."
    if note is None:
        raise OutputFileError(f"{there[0]} exists already, and no run has noted that it wrote it. {way_out}")
    if note.image_hash != image_hash and note.image != os.path.realpath(task.planned.image):
        raise OutputFileError(f"{there[0]} holds the nuclei of another image, {note.image}. {way_out}")
    labels = task.planned.labels
    if note.labels_hash and labels.exists() and _hash_labels(labels) != note.labels_hash:
        raise OutputFileError(f"{labels} was changed since it was written, perhaps corrected by hand. {way_out}")


def is_disk_full(error: NucleiError) -> bool:
    """Tell whether an error is for want of room on the disk."""
    return isinstance(error.__cause__, OSError) and error.__cause__.errno in (errno.ENOSPC, errno.EDQUOT)


def _segment_planned(task: Task, progress: Progress, turn: Turn) -> FileRecord:
    planned = task.planned
    progress.report(Advanced(0.0, "reading"))
    image_hash = hash_image(planned.image)
    done = finished(task, image_hash)
    if done is not None:
        return done
    check_ownership(task, image_hash)
    file = read_image(planned.image, task.template.series)
    found = find_nuclei(file, task.template, progress, turn)
    progress.report(Advanced(1.0, "writing"))
    note = Note(os.path.realpath(planned.image), image_hash, task.request_hash, task.relative_outputs)
    write_note(planned, note)
    write_outputs(found, task.outputs)
    settle(task.outputs)
    record = describe(file, found, task.outputs, image_hash)
    write_note(planned, replace(note, labels_hash=_hash_labels(planned.labels), record=record))
    return record


def _hash_labels(path: Path) -> str:
    """SHA-256 of labels as they lie on the disk; empty where there are none."""
    return hash_image(path) if path.exists() else ""
