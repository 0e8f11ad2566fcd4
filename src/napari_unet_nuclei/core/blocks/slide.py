"""Segments a slide, given by its path or as an array, into OME-Zarr labels on disk."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from napari_unet_nuclei.core.arguments import checked
from napari_unet_nuclei.core.blocks.segment import BlockwiseResult, segment_blockwise
from napari_unet_nuclei.core.executors.executors import Executor
from napari_unet_nuclei.core.image.io.image_file import ImageFile
from napari_unet_nuclei.core.image.io.read import read_image
from napari_unet_nuclei.core.image.pixel_size import PixelSize
from napari_unet_nuclei.core.model.registry import AUTOMATIC
from napari_unet_nuclei.core.progress import Progress, Silent
from napari_unet_nuclei.core.segment.inputs import make_request
from napari_unet_nuclei.core.types import AnyArray, Region


@checked
def segment_slide(
    image: Path | str | ImageFile | AnyArray,
    out: Path | str,
    model: str | Path = AUTOMATIC,
    *,
    axes: str = "",
    series: int | None = None,
    channel_names: Sequence[str] = (),
    channel_colours: Sequence[str] = (),
    pixel_size: PixelSize | None = None,
    plane: tuple[int | None, ...] = (),
    region: Region | None = None,
    table: Path | str | None = None,
    block: int = 0,
    into_image: bool = False,
    overwrite: bool = False,
    executor: Executor | None = None,
    progress: Progress | None = None,
    **settings: object,
) -> BlockwiseResult:
    """Segment an image larger than memory block by block and write its labels as OME-Zarr.

    Stacks are segmented in three dimensions unless ``planes`` is ``"each"``, as by `segment`.
    An interrupted call resumes where it stopped when it is repeated with the same image, model and settings.

    Parameters
    ----------
    image : Path, str, ImageFile or array-like
        An OME-Zarr image, a tiled TIFF or another image file; or an array that can be sliced, such as one of dask.
    out : Path or str
        OME-Zarr store to create (NGFF 0.5); appears only once it is complete.
    model : str or Path
        Name of an installed model, path of a model file, or ``"automatic"``. Models that predict classes are refused.
    axes : str
        One letter per axis; read from the file if empty.
    series : int, optional
        Which image of a file that holds several; by default the first, as `read_image` says.
    channel_names, channel_colours : sequence of str
        One per channel, if known and not in the file.
    pixel_size : PixelSize, optional
        In µm; read from the file if not given.
    plane : tuple of int or None
        For each leading axis the index to segment, or None for all.
    region : tuple of int, optional
        Rectangle (y0, y1, x0, x1) in pixels to segment. The labels keep the full size of the image.
    table : Path or str, optional
        CSV file to write, with a row per nucleus as from `measure`.
    block : int
        Side of a block: of planes in pixels, 2048 if 0, of volumes in cubes of which 18 lie across a nucleus, 320 if 0.
        Memory use grows with its square, or cube; the labels do not depend on it.
    into_image : bool
        Write the labels into the image's own group ``labels/nuclei`` instead of ``out``; the image must be OME-Zarr of
        NGFF 0.5.
    overwrite : bool
        Replace labels that an earlier call with other settings left there.
    executor : Executor, optional
        Where the blocks are processed: `Threads`, or a cluster from `dask_cluster`; one after the other if not given.
    progress : Progress, optional
        Receives an event per tile, and can cancel there.
    **settings
        Fields of `SegmentSettings`, for instance ``diameter=30``.

    Returns
    -------
    BlockwiseResult
        That of the earlier call if it did the same.

    Raises
    ------
    NucleiError
        As for `segment`; also if the labels cannot be written, or if an executor's workers cannot open the image.

    Examples
    --------
    >>> from napari_unet_nuclei import fluorescent_nuclei, segment_slide
    >>> slide = fluorescent_nuclei(shape=(320, 320), count=30).image
    >>> result = segment_slide(slide, "slide_labels.ome.zarr", table="slide.csv", block=256, device="cpu")
    >>> result.path.name, result.count > 0
    ('slide_labels.ome.zarr', True)
    """
    if isinstance(image, str | os.PathLike):
        image = read_image(Path(image), series)
    request = make_request(
        image,
        model,
        settings,
        axes=axes,
        channel_names=channel_names,
        channel_colours=channel_colours,
        pixel_size=pixel_size,
        plane=plane,
        region=region,
    )
    return segment_blockwise(
        request,
        Path(out),
        progress or Silent(),
        block=block,
        into_image=into_image,
        table=None if table is None else Path(table),
        executor=executor,
        overwrite=overwrite,
        series=image.series if isinstance(image, ImageFile) else 0,
    )
