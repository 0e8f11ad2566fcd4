"""Segments images of any size block by block into OME-Zarr labels, with memory for a few blocks only.

The network's maps are kept on disk until the end. From them every block's nuclei are found, then names, areas and
holes are brought together across the edges of blocks, and the ids are written. A run that was cancelled or killed goes
on with what is done when it is started again.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_unet_nuclei.core.atomic import atomic
from napari_unet_nuclei.core.batch.block_plan import BlockPlan, Planner, read_plan
from napari_unet_nuclei.core.batch.block_run import BlockRun
from napari_unet_nuclei.core.batch.block_work import LABELS, MODEL, PLAN, BlockWork, WorkPlace, at_work_here
from napari_unet_nuclei.core.batch.executors import Executor, Serial
from napari_unet_nuclei.core.errors import ClusterError, OutputFileError
from napari_unet_nuclei.core.image.ome_zarr import OmeZarrImage, is_ome_zarr, read_ome_zarr
from napari_unet_nuclei.core.image.ome_zarr_labels import (
    label_axes,
    labels_place,
    list_labels,
    pyramid_shapes,
    read_provenance,
    write_label_metadata,
)
from napari_unet_nuclei.core.model.device import choose_device
from napari_unet_nuclei.core.model.file import read_model
from napari_unet_nuclei.core.progress import Advanced, Notice, Progress, Rising, Share
from napari_unet_nuclei.core.segment.network_runner import NetworkRunner
from napari_unet_nuclei.core.segment.request import SegmentRequest

BLOCK = 2048
"""Side of a block in pixels where nothing else is asked for."""

NAME = "nuclei"
"""Of the labels within an image."""

_PLANNED = 0.03
"""Share of the progress bar after which the blocks begin."""


@dataclass(frozen=True)
class BlockwiseResult:
    """What became of an image that was segmented block by block.

    Attributes
    ----------
    path : Path
        The OME-Zarr labels: axes as the image's without channels, T before Z; int32, or uint32 where ids need it;
        0 background, ids 1..n without gaps, unique across all planes.
    count : int
        Number of nuclei.
    diameter : float
        Typical nucleus diameter in image pixels that the image was rescaled by.
    model, device, channel : str
        For people.
    notices : tuple of str
        What the user should know.
    seconds : float
        Duration of the run that finished the work.
    provenance : dict
        As in `SegmentResult`; it stands in the labels' attributes too.
    """

    path: Path
    count: int
    diameter: float
    model: str
    device: str
    channel: str
    notices: tuple[str, ...]
    seconds: float
    provenance: dict[str, Any]


def segment_blockwise(
    request: SegmentRequest,
    out: Path,
    progress: Progress,
    *,
    block: int = BLOCK,
    into_image: bool = False,
    executor: Executor | None = None,
    overwrite: bool = False,
    series: int = 0,
) -> BlockwiseResult:
    """Segment an image of any size and write its labels as OME-Zarr.

    Parameters
    ----------
    request : SegmentRequest
        Of a model for nuclei. Stacks are segmented plane by plane. Where a region or a plane is chosen, the labels are
        nevertheless as large as the image, and 0 elsewhere, so that they lie where the image does.
    out : Path
        Store to be made (NGFF 0.5), which is there only when it is whole. What is under way lies in a hidden folder
        beside it, and stays there when the run ends early, so that the next one goes on from it.
    progress : Progress
        Hears of every tile and may cancel there.
    block : int
        Side of a block in pixels; memory grows with its square. Above 1024, rounded up to a multiple of that.
    into_image : bool
        Write the labels into the image's own group ``labels`` instead, which must be OME-Zarr of NGFF 0.5.
    executor : Executor, optional
        Where blocks are worked on; one after the other in this process where not given.
    overwrite : bool
        Replace labels that an earlier run of this program left there.
    series : int
        Which image of ``request.file`` this is, where that holds several and others have to open it.

    Returns
    -------
    BlockwiseResult
        That of the earlier run where the same image was segmented there in the same way.

    Raises
    ------
    NucleiError
        As `run_segment`, and if labels cannot be written there, or workers cannot open the image.
    """
    started = time.monotonic()
    progress = Rising(progress)
    image = read_ome_zarr(Path(request.file)) if request.file and is_ome_zarr(Path(request.file)) else None
    place = _Destination.of(request, out, image, into_image)
    executor = executor or Serial()
    if executor.elsewhere and not request.file:
        raise ClusterError("Workers open the image themselves: save it, as OME-Zarr or TIFF, and give that file.")
    progress.report(Advanced(0.0, "looking at the image as a whole"))
    planner = Planner(request, block, _pixels_in(request, image), series)
    written = read_provenance(place.labels)
    if not overwrite and written is not None and written.get("fingerprint") == planner.fingerprint:
        place.finish(image)
        return _result(place.labels, written, started)
    place.check_free(overwrite)
    with _disk_errors_in_words(place.folder):
        count, plan = _work(request, planner, place, executor, progress)
        axes = label_axes(plan.label_axes, image, request.pixel_size)
        provenance = {**plan.provenance, "notices": list(plan.notices), "count": count, "fingerprint": plan.fingerprint}
        levels = len(pyramid_shapes(plan.label_shape))
        source = os.path.relpath(image.path, place.labels) if image else ""
        write_label_metadata(place.made, axes, levels, name=NAME, source=source, provenance=provenance)
        place.move()
        place.finish(image)
    for notice in plan.notices:
        progress.report(Notice(notice))
    progress.report(Advanced(1.0, "done"))
    return _result(place.labels, provenance, started)


def _pixels_in(request: SegmentRequest, image: OmeZarrImage | None) -> Path | None:
    """File or folder with the image's pixels: of an OME-Zarr image the finest level, for labels may lie beside it."""
    if image is not None:
        return image.path / image.levels[0].path
    return Path(request.file) if request.file else None


def _work(
    request: SegmentRequest, planner: Planner, place: _Destination, executor: Executor, progress: Progress
) -> tuple[int, BlockPlan]:
    """Do all blocks, going on from what an earlier run has done of the same work."""
    plan = read_plan(place.folder / PLAN, planner.fingerprint)
    runner = None
    if plan is None:
        place.clear()
        settings = request.settings
        model = read_model(planner.entry.path)
        runner = NetworkRunner(model, choose_device(settings.device), settings.tile, settings.flips)
        plan = planner.plan(runner, Share(progress, 0.0, _PLANNED))
        with atomic(place.folder / MODEL) as partial:
            shutil.copyfile(planner.entry.path, partial)
        with atomic(place.folder / PLAN) as partial:
            partial.write_text(plan.model_dump_json(indent=2), encoding="utf-8")
    elif (place.folder / LABELS).exists() or (place.folder / "tables").exists():
        progress.report(Notice("Going on with what an earlier run has done of this image."))
    there = WorkPlace(place.folder, plan.fingerprint)
    work = BlockWork(there, request.source, runner)
    with at_work_here(there, work):
        count = BlockRun(there, work, executor).run(Share(progress, _PLANNED, 1.0))
    return count, plan


@dataclass(frozen=True)
class _Destination:
    """Where labels are made, and where they go when they are whole.

    Attributes
    ----------
    labels : Path
        The store to be.
    folder : Path
        What is under way.
    into_image : bool
    """

    labels: Path
    folder: Path
    into_image: bool

    @staticmethod
    def of(request: SegmentRequest, out: Path, image: OmeZarrImage | None, into_image: bool) -> _Destination:
        """Choose the places, and refuse those where nothing may be written."""
        if into_image:
            if image is None:
                raise OutputFileError("Only OME-Zarr images can hold their labels: write them beside the image.")
            file = Path(request.file).resolve()
            return _Destination(labels_place(image, NAME), file.with_name(f".{file.name}-{NAME}.part"), True)
        if out.suffix.lower() != ".zarr":
            raise OutputFileError(f"{out}: labels of this size are written as OME-Zarr. Let the name end in .ome.zarr.")
        labels = out.resolve()
        if image is not None and labels.is_relative_to(image.path.resolve()):
            raise OutputFileError(f"{out} lies in the image: choose another place, or ask for labels in the image.")
        return _Destination(labels, labels.with_name(f".{labels.name}.part"), False)

    @property
    def made(self) -> Path:
        """The labels while they are being made."""
        return self.folder / LABELS

    def check_free(self, overwrite: bool) -> None:
        """Refuse to replace what is not this program's, or what nobody asked to replace."""
        if not self.labels.exists():
            return
        if read_provenance(self.labels) is None:
            raise OutputFileError(f"{self.labels} is there already, and not of this program: choose another name.")
        if not overwrite:
            raise OutputFileError(
                f"{self.labels} is there already, from another image, model or settings. Choose another name, or "
                "let it be overwritten."
            )

    def clear(self) -> None:
        """Remove what is left of other work."""
        if self.folder.exists():
            shutil.rmtree(self.folder)

    def move(self) -> None:
        """Put the whole labels in their place in one step."""
        if self.labels.exists():
            old = self.folder / "replaced"
            if old.exists():
                shutil.rmtree(old)
            self.labels.rename(old)
        self.labels.parent.mkdir(parents=True, exist_ok=True)
        self.made.rename(self.labels)

    def finish(self, image: OmeZarrImage | None) -> None:
        """Enter labels that are in their place into the image's list, and remove what they were made of."""
        if self.into_image and image is not None:
            list_labels(image, NAME)
        self.clear()


@contextmanager
def _disk_errors_in_words(folder: Path) -> Iterator[None]:
    """Turn an error of the disk into one that says what to do."""
    try:
        yield
    except OSError as error:
        raise OutputFileError(
            f"{folder} cannot be written or read ({error.strerror or error}). What is done is kept: see to the disk, "
            "and run it again."
        ) from error


def _result(path: Path, provenance: dict[str, Any], started: float) -> BlockwiseResult:
    return BlockwiseResult(
        path=path,
        count=int(provenance["count"]),
        diameter=float(provenance["diameter"]),
        model=str(provenance["model"]),
        device=str(provenance["device"]),
        channel=str(provenance["channel"]),
        notices=tuple(provenance["notices"]),
        seconds=time.monotonic() - started,
        provenance=provenance,
    )
