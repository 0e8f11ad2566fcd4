"""Segments folders of images from Python: model, settings and outputs as plain arguments."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from napari_unet_nuclei.core.arguments import checked
from napari_unet_nuclei.core.executors.executors import Executor, Serial
from napari_unet_nuclei.core.folder.large_image import BlockSettings
from napari_unet_nuclei.core.folder.plan import check_subfolders
from napari_unet_nuclei.core.folder.record import FileRecord
from napari_unet_nuclei.core.folder.run import segment_files
from napari_unet_nuclei.core.folder.summary import BatchReport
from napari_unet_nuclei.core.model.registry import AUTOMATIC
from napari_unet_nuclei.core.progress import Progress
from napari_unet_nuclei.core.segment.template import RequestTemplate
from napari_unet_nuclei.core.settings import BatchSettings, SegmentSettings
from napari_unet_nuclei.core.types import Region


@checked
def segment_folder(
    images: Path | str | Sequence[Path | str],
    out: Path | str,
    model: str | Path = AUTOMATIC,
    *,
    axes: str = "",
    plane: Mapping[str, int] = {},
    region: Region | None = None,
    series: int | str = "",
    block: int = 0,
    into_image: bool = False,
    executor: Executor | None = None,
    on_record: Callable[[FileRecord], None] = lambda record: None,
    progress: Progress | None = None,
    **settings: object,
) -> BatchReport:
    """Segment a folder of images; write labels, tables, a summary and a report.

    Images that an earlier call finished with the same model and settings are skipped, so an interrupted call resumes
    when it is repeated. An image that fails is recorded, and the others are processed.

    Parameters
    ----------
    images : Path, str or sequence of them
        Folders, image files and patterns such as ``"plate1/*_dapi.tif"``.
    out : Path or str
        Folder for the results.
    model : str or Path
        Name of an installed model, path of a model file, or ``"automatic"``.
    axes : str
        One letter per axis, for files whose own axes are wrong; empty to trust the files.
    plane : mapping of str to int
        Index to segment by letter of a leading axis, such as ``{"Z": 3}``; other axes are segmented whole.
    region : tuple of int, optional
        Rectangle (y0, y1, x0, x1) in pixels of every image.
    series : int or str
        Which image of files that hold several: its number from 0, its name, or ``"all"``; by default all where they are
        alike, as positions are, and otherwise the first.
    block : int
        Side of a block of images larger than memory, in pixels or, of volumes, in cubes of which 18 lie across a
        nucleus; 0 for the default. Where it is given, stacks of any size are segmented block by block.
    into_image : bool
        Write labels of OME-Zarr images into the images themselves.
    executor : Executor, optional
        A cluster from `dask_cluster`; this process if not given.
    on_record : callable
        Called with the `FileRecord` of every image as soon as it is done or has failed.
    progress : Progress, optional
        Receives an event per tile, and can cancel there.
    **settings
        Fields of `SegmentSettings`, for instance ``diameter=30``, and of `BatchSettings`, for instance ``rois=True``
        or, for channels in files of their own, ``channels="{well}_s{field}_w{channel}.tif"``.

    Returns
    -------
    BatchReport

    Raises
    ------
    NucleiError
        If there are no images or no such model, a setting is out of bounds, a result would overwrite an image, or the
        disk is full. Failures of single images are in the report.
    Cancelled
        If ``progress`` cancels; finished images are kept.

    Examples
    --------
    >>> from napari_unet_nuclei import segment_folder, write_class_set
    >>> write_class_set("cells", images=2, shape=(96, 96))
    >>> report = segment_folder("cells/images", "results", diameter=22, rois=True, device="cpu")
    >>> report.summary()["status"].tolist()
    ['done', 'done']
    """
    given = [Path(path) for path in ([images] if isinstance(images, str | os.PathLike) else images)]
    outputs = {name: settings.pop(name) for name in list(settings) if name in BatchSettings.model_fields}
    template = RequestTemplate(
        settings=SegmentSettings().changed(**settings),
        model=str(model),
        axes=axes,
        plane=plane,
        region=region,
    )
    batch: BatchSettings = BatchSettings().changed(series=series, **outputs)
    check_subfolders(given, recursive=batch.recursive)
    return segment_files(
        given,
        Path(out),
        template,
        progress,
        batch=batch,
        blocks=BlockSettings(block, into_image, executor or Serial()),
        on_record=on_record,
    )
