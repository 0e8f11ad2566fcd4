"""Segment images of any size block by block into OME-Zarr labels, with memory for a few blocks only.

The network's maps are kept on disk until the end. From them every block's nuclei are found, then names, areas and
holes are brought together across the edges of blocks, and the ids are written. A run that was cancelled or killed goes
on with what is done when it is started again.
"""

from __future__ import annotations

import os
import shutil
import time
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from napari_unet_nuclei.core.blocks.destination import NAME, Destination
from napari_unet_nuclei.core.blocks.plan import BlockPlan, Planner, read_plan
from napari_unet_nuclei.core.blocks.schedule import BlockRun
from napari_unet_nuclei.core.blocks.stages import MODEL, PLAN, WorkPlace
from napari_unet_nuclei.core.blocks.volume import sample_of_labels
from napari_unet_nuclei.core.blocks.worker import BlockWork
from napari_unet_nuclei.core.errors import ClusterError, OutputFileError
from napari_unet_nuclei.core.executors.executors import Executor, Serial
from napari_unet_nuclei.core.files.atomic import atomic, remedy, remove_remains
from napari_unet_nuclei.core.files.lock import alone
from napari_unet_nuclei.core.image.io.ome_zarr_labels import (
    label_axes,
    read_provenance,
    write_label_metadata,
)
from napari_unet_nuclei.core.labels.decode import DecodeThresholds
from napari_unet_nuclei.core.model.device import choose_device
from napari_unet_nuclei.core.model.file import Model, read_model
from napari_unet_nuclei.core.progress import Advanced, Notice, Progress, Rising, Share
from napari_unet_nuclei.core.segment.network_runner import NetworkRunner
from napari_unet_nuclei.core.segment.planes import count_in_words
from napari_unet_nuclei.core.segment.remedy import Remedy, remedies
from napari_unet_nuclei.core.segment.request import SegmentRequest
from napari_unet_nuclei.core.segment.result import Segmentation
from napari_unet_nuclei.core.segment.volumes.spacing import doubts

# Where planning ends, and labels where there is a table to be made, as shares of the progress bar.
_PLANNED, _LABELLED = 0.03, 0.9

_THRESHOLDS = TypeAdapter(DecodeThresholds)
"""Thresholds as plain JSON values, and back: coefficients of a score among them."""

KEPT = "What is done is kept: run it again."


@dataclass(frozen=True)
class BlockwiseResult(Segmentation):
    """Result of an image that was segmented block by block.

    Attributes
    ----------
    path : Path
        The OME-Zarr labels: axes as the image's without channels, T before Z; int32, or uint32 where ids need it;
        0 background, ids 1..n without gaps, unique across all planes.
    table : Path or None
        The table, where one was asked for.
    done_before : bool
        An earlier run had done it all.
    thresholds, model_thresholds, notices, remedies, seconds, provenance
        As in `Segmentation`; the provenance stands in the labels' attributes too.
    """

    path: Path
    table: Path | None
    done_before: bool

    @property
    def count_text(self) -> str:
        """What was counted: "8 nuclei"; of volumes "8 nuclei in 51 planes"."""
        if self.planes != "volume":
            return super().count_text
        stacks, planes = self.provenance["stacks"]
        return count_in_words(self.count, "TZYX", (stacks, planes, 1, 1), self.planes)

    @property
    def median_area(self) -> float | None:
        """Of the nuclei in px²; None where there are none, where they are volumes, or without a table."""
        area = self.provenance["median_area"]
        return None if area is None else float(area)


def segment_blockwise(
    request: SegmentRequest,
    out: Path,
    progress: Progress,
    *,
    block: int = 0,
    into_image: bool = False,
    table: Path | None = None,
    executor: Executor | None = None,
    overwrite: bool = False,
    series: int = 0,
) -> BlockwiseResult:
    """Segment an image of any size and write its labels as OME-Zarr; parameters and result as for `segment_slide`.

    Where a region or a plane is chosen, the labels are nevertheless as large as
    the image, and 0 elsewhere, so that they lie where the image does. What is under way lies in a hidden folder beside
    ``out``, and stays there when the run ends early, so that the next one goes on from it.
    """
    started = time.monotonic()
    progress = Rising(progress)
    place = Destination.of(request, out, into_image)
    executor = executor or Serial()
    if executor.elsewhere and not request.file:
        raise ClusterError("Workers open the image themselves: save it, as OME-Zarr or TIFF, and give that file.")
    progress.report(Advanced(0.0, "looking at the image as a whole"))
    planner = Planner(request, block, series)
    with alone(place.lock, place.labels):
        if table is not None:
            remove_remains([table])
        # Looked at inside the lock: another run may have finished these very labels while this one waited.
        written = read_provenance(place.labels)
        if not overwrite and written is not None and written.get("fingerprint") == planner.fingerprint:
            if table is not None and not table.exists():
                raise OutputFileError(
                    f"{place.labels} is done, but the table {table} is not there. Measure the labels, or overwrite "
                    "them."
                )
            # An earlier run may have been killed between moving its labels and listing them in the image.
            place.finish()
            return _result(place.labels, table, written, started, done_before=True)
        place.check_free(overwrite)
        begun = (place.folder / PLAN).exists()
        with _disk_errors_in_words(place.folder), _damage_in_words(place.folder, begun):
            provenance = _make(request, planner, place, executor, table, progress)
    result = _result(place.labels, table, provenance, started)
    warnings = {one.text for one in result.remedies}
    for notice in result.notices:
        progress.report(Notice(notice, warning=notice in warnings))
    progress.report(Advanced(1.0, "done"))
    return result


def _make(
    request: SegmentRequest,
    planner: Planner,
    place: Destination,
    executor: Executor,
    table: Path | None,
    progress: Progress,
) -> dict[str, Any]:
    """Make the labels, move them into place, and return their provenance."""
    plan, found = _work(request, planner, place, executor, table, progress)
    image = request.store
    axes = label_axes(plan.label_axes, image, plan.spaced(request.pixel_size))
    told = {"notices": list(plan.notices), "sure": plan.sure or request.settings.kind != "auto"}
    provenance = {**plan.provenance, **found, **told, "fingerprint": plan.fingerprint}
    # Relative to where the labels will lie: image and labels can then be moved together.
    source = os.path.relpath(image.path, place.labels) if image else ""
    # Metadata last: until they are there, no reader takes the folder for an image.
    write_label_metadata(place.made, axes, plan.levels, name=NAME, source=source, provenance=provenance)
    place.move()
    place.finish()
    return provenance


def _work(
    request: SegmentRequest,
    planner: Planner,
    place: Destination,
    executor: Executor,
    table: Path | None,
    progress: Progress,
) -> tuple[BlockPlan, dict[str, Any]]:
    """Run all blocks, resuming what an earlier run has done of the same work; also return what was found."""
    plan = read_plan(place.folder / PLAN, planner.fingerprint)
    runner = None
    if plan is None:
        place.clear()
        settings = request.settings
        model = Model(planner.entry.card, read_model(planner.entry.path).network)
        device = choose_device(settings.device).using(request.number_format)
        runner = NetworkRunner(model, device, settings.tile, settings.flips)
        plan = planner.plan(runner, Share(progress, 0.0, _PLANNED))
        # Workers read this copy: the installed model may be replaced while a long run is on. The plan comes last,
        # because work that has a plan is gone on with.
        with atomic(place.folder / MODEL) as partial:
            shutil.copyfile(planner.entry.path, partial)
        with atomic(place.folder / PLAN) as partial:
            partial.write_text(plan.model_dump_json(indent=2), encoding="utf-8")
    elif (place.folder / "tables").exists():
        progress.report(Notice("Going on with what an earlier run has done of this image."))
    work = BlockWork(WorkPlace(place.folder, plan.fingerprint), request.source, runner)
    run = BlockRun(work, executor)
    count = run.run(Share(progress, _PLANNED, 1.0 if table is None else _LABELLED))
    median = None if table is None else run.measure(table, Share(progress, _LABELLED, 1.0))
    found: dict[str, Any] = {"count": count, "median_area": median}
    if plan.volume is not None:
        grid = plan.label_grid
        sample = sample_of_labels(grid, grid.parts // 2, work.labels_of(grid.parts // 2))
        told = doubts(plan.volume.spacing, sample, request.pixel_size, otherwise="each")
        found["doubts"] = [asdict(one) for one in told]
    for name in ("thresholds", "model_thresholds"):
        found[name] = _THRESHOLDS.dump_python(getattr(plan, name), mode="json")
    return plan, found


@contextmanager
def _disk_errors_in_words(folder: Path) -> Iterator[None]:
    """Turn disk errors into `OutputFileError`s that say what to do."""
    # Zarr raises the system's own errors, `atomic` has them in words already.
    try:
        yield
    except OSError as error:
        raise OutputFileError(f"{folder} cannot be written or read: {remedy(error)} {KEPT}") from error
    except OutputFileError as error:
        if isinstance(error.__cause__, OSError):
            raise OutputFileError(f"{error} {KEPT}") from error.__cause__
        raise


@contextmanager
def _damage_in_words(folder: Path, begun: bool) -> Iterator[None]:
    """Say what to do where what an earlier run has left, and a power cut may have damaged, cannot be gone on with."""
    try:
        yield
    except (RuntimeError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        if not begun:
            raise
        raise OutputFileError(
            f"Going on with what an earlier run has done in {folder} failed ({error}), perhaps because a power cut has "
            "damaged it. Delete that folder, and start the same run again."
        ) from error


def _result(
    path: Path, table: Path | None, provenance: dict[str, Any], started: float, *, done_before: bool = False
) -> BlockwiseResult:
    told = remedies(int(provenance["count"]), provenance["kind"], provenance["sure"], chosen=False)
    told += tuple(Remedy(**one) for one in provenance.get("doubts", ()))
    return BlockwiseResult(
        path=path,
        table=table,
        done_before=done_before,
        thresholds=_THRESHOLDS.validate_python(provenance["thresholds"]),
        model_thresholds=_THRESHOLDS.validate_python(provenance["model_thresholds"]),
        notices=(*provenance["notices"], *(one.text for one in told)),
        remedies=told,
        seconds=time.monotonic() - started,
        provenance=provenance,
    )
