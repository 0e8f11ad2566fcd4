"""Follow the nuclei in the movies of a run: from the labels on the disk, so that a movie may be longer than memory.

What was followed before is not followed again unless labels or settings have changed: a killed run goes on from there.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd

from napari_unet_nuclei.core.errors import ImageShapeError, NucleiError, OutputFileError
from napari_unet_nuclei.core.files.atomic import remove_remains
from napari_unet_nuclei.core.files.text import read_json
from napari_unet_nuclei.core.folder.frames import Turn
from napari_unet_nuclei.core.folder.large_image import segment_too_large
from napari_unet_nuclei.core.folder.one_image import Task, WithoutNotices, failed_record, segment_planned
from napari_unet_nuclei.core.folder.record import FileRecord, settle
from napari_unet_nuclei.core.image.io.read import read_header, read_image
from napari_unet_nuclei.core.image.io.write import write_json, write_parquet, write_table
from napari_unet_nuclei.core.progress import Progress, Share
from napari_unet_nuclei.core.segment.fingerprint import hash_image
from napari_unet_nuclei.core.tracking.files import write_tracked
from napari_unet_nuclei.core.tracking.read import opened_movie
from napari_unet_nuclei.core.tracking.tables import descent_columns
from napari_unet_nuclei.core.tracking.track import TrackResult, run_track

SEGMENTING, FOLLOWING = 0.9, 0.6
"""Share of the time of a movie that segmenting takes, and of the rest that following takes; writing takes what is left.
"""

NOT_FOLLOWED = "The nuclei were not followed: "
"""How the warning of a movie begins that could not be followed."""


@dataclass(frozen=True)
class FollowNote:
    """Note of a movie whose nuclei were followed.

    Attributes
    ----------
    fingerprint : str
        Of labels, settings and program.
    tracked_hash : str
        Of the labels with the ids of tracks, as they were written.
    tracks, divisions : int
    notices, warnings : tuple of str
    """

    fingerprint: str
    tracked_hash: str
    tracks: int
    divisions: int
    notices: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def segment_and_follow(task: Task, progress: Progress, turn: Turn = nullcontext) -> FileRecord:
    """Segment an image, then follow its nuclei; raise as `segment_planned` does."""
    record = segment_planned(task, Share(progress, 0.0, SEGMENTING), turn, segment_too_large)
    return follow_planned(task, record, Share(progress, SEGMENTING, 1.0))


def follow_planned(task: Task, record: FileRecord, progress: Progress) -> FileRecord:
    """Follow the nuclei of an image that is segmented, if that is asked for and not done.

    Whatever stands in the way becomes a warning: the nuclei are found, and their labels stay. Raise DiskFullError and
    Cancelled.
    """
    if not task.batch.follow or record.error or record.classes:
        return record
    try:
        note = _followed(task, record, WithoutNotices(progress))
    except NucleiError as error:
        reason = failed_record(task.planned, error).error  # or what ends the run is raised again
        return replace(record, warnings=(*record.warnings, f"{NOT_FOLLOWED}{reason}"))
    return replace(
        record,
        tracks=note.tracks,
        divisions=note.divisions,
        notices=(*record.notices, *note.notices),
        warnings=(*record.warnings, *note.warnings),
    )


def _followed(task: Task, record: FileRecord, progress: Progress) -> FollowNote:
    """Follow the nuclei, unless an earlier run has."""
    tracked, tracks = task.planned.path("tracked"), task.planned.path("tracks")
    remove_remains((tracked, tracks))
    earlier, wanted = _read_note(task), _fingerprint(task, record)
    there = tracked.exists() and tracks.exists() and _has_tracks(record)
    if there and earlier is not None and earlier.fingerprint == wanted and not task.batch.overwrite:
        return earlier
    written = earlier.tracked_hash if earlier is not None else ""
    if tracked.exists() and not task.batch.overwrite and hash_image(tracked) != written:
        raise OutputFileError(
            f"{tracked} is not as a run wrote it, perhaps corrected by hand. Choose another folder for the results, or "
            "overwrite what is there."
        )
    labels = Path(record.labels)
    result = _track(task, labels, Share(progress, 0.0, FOLLOWING))
    write_tracked(result, tracked, tracks, (labels,), Share(progress, FOLLOWING, 1.0))
    _add_columns(result, record, task)
    settle({"tracked": tracked, "tracks": tracks})
    note = FollowNote(
        wanted, hash_image(tracked), result.count, result.divisions, tuple(result.notices), tuple(result.warnings)
    )
    write_json(_note_path(task), asdict(note))
    return note


def _track(task: Task, labels: Path, progress: Progress) -> TrackResult:
    opened = opened_movie(read_image(labels))
    if opened.movie.shape[0] < 2:
        raise ImageShapeError("the image has only one frame.")
    image = read_header(task.planned.image, task.planned.series)
    # Of the image, since some formats of labels hold the mean step; of some images, only some frames were segmented.
    times = np.array(image.frame_times) / 60
    minutes = times if len(times) == opened.movie.shape[0] else np.full(opened.movie.shape[0], np.nan)
    return run_track(opened.movie, opened.pixel_size, minutes, task.batch.tracking, progress, opened.notices)


def _add_columns(result: TrackResult, record: FileRecord, task: Task) -> None:
    """Add track, parent, generation and root to the table of the nuclei, by their ids in the labels."""
    spots = result.lineages.spots
    order = np.argsort(spots.label)
    columns = {name: values[order] for name, values in descent_columns(result.lineages).items()}
    # As text: numbers that are read and written may differ in the last digit.
    table = pd.read_csv(record.table, dtype=str, keep_default_na=False).drop(columns=list(columns), errors="ignore")
    rows = np.searchsorted(spots.label[order], table["label"].to_numpy(np.int64))
    write_table(Path(record.table), table.assign(**{name: values[rows] for name, values in columns.items()}))
    if "parquet" in task.outputs:
        write_parquet(task.outputs["parquet"], Path(record.table))


def _has_tracks(record: FileRecord) -> bool:
    """Tell whether the table has the columns of tracks: segmented anew, it has lost them."""
    return "track" in pd.read_csv(record.table, nrows=0).columns


def _fingerprint(task: Task, record: FileRecord) -> str:
    """SHA-256 of all that tracks depend on."""
    values = {
        "program": version("napari-unet-nuclei"),
        "labels": hash_image(Path(record.labels)),
        "settings": task.batch.tracking.model_dump(),
    }
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def _note_path(task: Task) -> Path:
    return task.planned.record(".tracks.json")


def _read_note(task: Task) -> FollowNote | None:
    """Read the note of a movie; None where there is none, or none that can be understood."""
    try:
        values = read_json(_note_path(task))
        return FollowNote(**{**values, **{name: tuple(values[name]) for name in ("notices", "warnings")}})
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
