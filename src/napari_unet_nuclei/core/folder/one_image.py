"""Segments one image file and writes its results: what a run repeats for every file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from napari_unet_nuclei.core.folder.outputs import Segmented, write_outputs
from napari_unet_nuclei.core.folder.plan import PlannedFile
from napari_unet_nuclei.core.folder.record import FileRecord
from napari_unet_nuclei.core.image.io.image_file import ImageFile
from napari_unet_nuclei.core.progress import Progress, Share
from napari_unet_nuclei.core.segment.table import measure_result
from napari_unet_nuclei.core.segment.template import RequestTemplate, chosen_plane

if TYPE_CHECKING:
    from napari_unet_nuclei.core.segment.result import SegmentResult

__all__ = ["FileRecord", "RequestTemplate", "chosen_plane", "find_nuclei", "one_of_several", "segment_file"]

SEGMENTING = 0.9
"""Share of a file's time that the network and the decoding take; measuring and writing take the rest."""

Turn = Callable[[int], AbstractContextManager[None]]
"""Takes how many pixels are to be segmented; waits, as a context, until the processor has room for them."""


def no_waiting(pixels: int) -> AbstractContextManager[None]:
    """The turn of who has the processor alone."""
    return nullcontext()


def segment_file(
    file: ImageFile,
    template: RequestTemplate,
    planned: PlannedFile,
    progress: Progress,
) -> tuple[FileRecord, SegmentResult]:
    """Segment an image and write its labels and its table.

    Parameters
    ----------
    file : ImageFile
    template : RequestTemplate
    planned : PlannedFile
        Where to write.
    progress : Progress

    Returns
    -------
    tuple of (FileRecord, SegmentResult)

    Raises
    ------
    NucleiError
        Whatever keeps the file from being segmented, measured or written; nothing is left half-written then.
    """
    found = find_nuclei(file, template, progress)
    paths = {"labels": planned.labels, "table": planned.table}
    write_outputs(found, paths)
    return describe(file, found, paths), found.result


def find_nuclei(file: ImageFile, template: RequestTemplate, progress: Progress, turn: Turn = no_waiting) -> Segmented:
    """Segment and measure an image.

    Parameters
    ----------
    file : ImageFile
    template : RequestTemplate
    progress : Progress
    turn : callable
        Where several images are segmented at once, says when it is this one's turn.

    Raises
    ------
    NucleiError
        Whatever keeps the file from being segmented or measured.
    """
    from napari_unet_nuclei.core.segment.run import run_segment  # PyTorch is imported when a file is first segmented

    request = template.request(file)
    height, width = request.source.plane_shape
    with turn(height * width * sum(1 for _ in request.source.plane_indices(request.plane))):
        result = run_segment(request, Share(progress, 0.0, SEGMENTING))
    table = measure_result(result, request, file.channel_names, Share(progress, SEGMENTING, 1.0))
    added = {"series": template.series, "projection": template.projection, "channel_names": list(file.channel_names)}
    return Segmented(request, result, table, {**result.provenance, **added})


def describe(file: ImageFile, found: Segmented, paths: Mapping[str, Path], image_hash: str = "") -> FileRecord:
    """Write down what came of an image."""
    result, areas = found.result, found.table
    nuclei = not result.classes and len(areas) > 0
    warnings = tuple(remedy.text for remedy in result.remedies)
    return FileRecord(
        image=str(file.path),
        labels=str(paths["labels"]),
        table=str(paths["table"]),
        nuclei=result.count,
        classes=len(result.classes),
        median_area_px=float(areas["area_px"].median()) if nuclei else None,
        median_area_um2=round(float(areas["area_um2"].median()), 4)
        if nuclei and found.request.pixel_size.known
        else None,
        diameter_px=round(result.diameter, 2),
        channel=result.channel,
        kind="" if result.classes else result.kind,
        model=result.model,
        device=result.device,
        precision=str(result.provenance["precision"]),
        image_hash=image_hash,
        model_hash=str(result.provenance["model_hash"]),
        seconds=round(result.seconds, 2),
        notices=(
            *(notice for notice in result.notices if notice not in warnings),
            *one_of_several(file, found.provenance["series"]),
        ),
        warnings=warnings,
        thumbnail=str(paths.get("thumbnail", "")),
        origin=result.origin,
    )


def one_of_several(file: ImageFile, series: int) -> tuple[str, ...]:
    """Say which image of a file was taken, where it holds several."""
    if file.images == 1:
        return ()
    return (f"The file holds {file.images} images: this is number {series}, counted from 0.",)
