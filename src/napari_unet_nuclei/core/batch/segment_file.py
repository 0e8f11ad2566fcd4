"""Segments one image file and writes its labels and its table: what a run repeats for every file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from napari_unet_nuclei.core.batch.plan import PlannedFile
from napari_unet_nuclei.core.batch.result_table import measure_result
from napari_unet_nuclei.core.errors import ImageShapeError
from napari_unet_nuclei.core.image.axes import ImageSource
from napari_unet_nuclei.core.image.read import ImageFile
from napari_unet_nuclei.core.image.write import write_labels, write_table
from napari_unet_nuclei.core.progress import Progress, Share
from napari_unet_nuclei.core.segment.request import AUTOMATIC, SegmentRequest
from napari_unet_nuclei.core.settings import SegmentSettings
from napari_unet_nuclei.core.types import Region

if TYPE_CHECKING:
    from napari_unet_nuclei.core.segment.result import SegmentResult

SEGMENTING = 0.9
"""Share of a file's time that the network and the decoding take; measuring and writing take the rest."""


@dataclass(frozen=True)
class RequestTemplate:
    """What is asked of every file of a run: a `SegmentRequest` without its image.

    Attributes
    ----------
    settings : SegmentSettings
    model : str
        Name of an installed model, path of a model file, or ``automatic``.
    axes : str
        One letter per axis, in place of what the file says; empty to believe the file.
    plane : mapping of str to int
        Index by letter of a leading axis; axes that are not named are segmented whole. The empty letter stands for
        the only leading axis.
    region : Region or None
    """

    settings: SegmentSettings = field(default_factory=SegmentSettings)
    model: str = AUTOMATIC
    axes: str = ""
    plane: Mapping[str, int] = field(default_factory=dict)
    region: Region | None = None

    def request(self, file: ImageFile) -> SegmentRequest:
        """Ask for the nuclei of a file.

        Raises
        ------
        ImageShapeError
            If the axes do not fit the image, or if it has no such plane.
        """
        source = ImageSource(file.array, self.axes or file.axes)
        return SegmentRequest(
            source=source,
            settings=self.settings,
            model=self.model,
            plane=chosen_plane(source, self.plane),
            region=self.region,
            pixel_size=file.pixel_size,
            file=str(file.path),
        )


@dataclass(frozen=True)
class FileRecord:
    """What became of one file: a row of the summary.

    Attributes
    ----------
    image, labels, table : str
        Paths; labels and table are empty where the file failed.
    nuclei : int
    diameter_px : float
        Typical nucleus diameter that the image was rescaled by.
    channel, model, device : str
    seconds : float
    notices : tuple of str
    error : str
        Why it failed; empty where it did not.
    """

    image: str
    labels: str = ""
    table: str = ""
    nuclei: int = 0
    diameter_px: float = 0.0
    channel: str = ""
    model: str = ""
    device: str = ""
    seconds: float = 0.0
    notices: tuple[str, ...] = ()
    error: str = ""


def chosen_plane(source: ImageSource, plane: Mapping[str, int]) -> tuple[int | None, ...]:
    """Bring a choice of planes into the order of an image's leading axes.

    Parameters
    ----------
    source : ImageSource
    plane : mapping of str to int
        Index by letter; the empty letter stands for the only leading axis.

    Returns
    -------
    tuple of int or None
        One per leading axis, None for all of its planes; empty where nothing was chosen.

    Raises
    ------
    ImageShapeError
        If the image has no such axis or plane, or if it is not clear which axis is meant.

    Examples
    --------
    >>> import numpy as np
    >>> chosen_plane(ImageSource(np.zeros((5, 4, 8, 8)), "TZYX"), {"Z": 3})
    (None, 3)
    """
    axes = source.leading_axes
    have = f"it has the axes {source.axes} of lengths {tuple(source.array.shape)}"
    if "" in plane and len(axes) != 1:
        raise ImageShapeError(f"The image has not one but {len(axes)} axes to choose a plane from: {have}.")
    wanted = {letter or axes: index for letter, index in plane.items()}
    for letter, index in wanted.items():
        if axes.count(letter) != 1 or index >= source.leading_shape[axes.index(letter)]:
            raise ImageShapeError(f"The image has no plane {letter}={index}: {have}.")
    return tuple(wanted.get(letter) for letter in axes) if wanted else ()


def segment_file(
    file: ImageFile, template: RequestTemplate, planned: PlannedFile, progress: Progress
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
    from napari_unet_nuclei.core.segment.run import run_segment  # PyTorch is imported when a file is first segmented

    request = template.request(file)
    result = run_segment(request, Share(progress, 0.0, SEGMENTING))
    table = measure_result(result, request, file.channel_names, Share(progress, SEGMENTING, 1.0))
    write_labels(
        planned.labels,
        result.labels,
        axes=result.axes,
        pixel_size=request.pixel_size,
        provenance=result.provenance,
    )
    write_table(planned.table, table)
    record = FileRecord(
        image=str(file.path),
        labels=str(planned.labels),
        table=str(planned.table),
        nuclei=result.count,
        diameter_px=round(result.diameter, 2),
        channel=result.channel,
        model=result.model,
        device=result.device,
        seconds=round(result.seconds, 2),
        notices=result.notices,
    )
    return record, result
