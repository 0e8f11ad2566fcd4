"""The subcommand ``measure``: measure labels of any origin in one or more images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_unet_nuclei.cli.options import (
    AROUND_PANEL,
    CellWidth,
    GateText,
    Json,
    Quiet,
    RingGap,
    RingWidth,
    parse_cells,
)
from napari_unet_nuclei.cli.progress import TerminalProgress
from napari_unet_nuclei.core.image.axes import ImageSource
from napari_unet_nuclei.core.image.io.image_file import ImageFile
from napari_unet_nuclei.core.image.io.label_file import read_labels, size_of
from napari_unet_nuclei.core.image.io.read import read_image
from napari_unet_nuclei.core.image.io.write import write_table
from napari_unet_nuclei.core.image.pixel_size import PixelSize
from napari_unet_nuclei.core.labels.measure.gate import POSITIVE, Gate, share_text
from napari_unet_nuclei.core.labels.measure.measure import measure
from napari_unet_nuclei.core.progress import Notice, Progress
from napari_unet_nuclei.core.segment.table import (
    SegmentedChannel,
    SeparatedStain,
    StoredIds,
    column_names,
    stain_images,
)
from napari_unet_nuclei.core.settings import CellSettings

if TYPE_CHECKING:
    import pandas as pd


def measure_command(
    labels: Annotated[
        Path,
        typer.Argument(
            metavar="LABELS", help="Labels: an image where every nucleus has its own number, ImageJ ROIs, or GeoJSON."
        ),
    ],
    images: Annotated[
        list[Path], typer.Argument(metavar="IMAGE...", help="Images of the same size; all channels are measured.")
    ],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE.csv", help="Table to write; stdout by default.")
    ] = None,
    cell: CellWidth = "",
    ring: RingWidth = "",
    gap: RingGap = "",
    cells: Annotated[
        Path | None,
        typer.Option(
            "--cells",
            metavar="FILE",
            help="Labels of cells, measured instead of grown ones; each nucleus belongs to the cell that holds most of "
            "it.",
            rich_help_panel=AROUND_PANEL,
        ),
    ] = None,
    gate: GateText = "",
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Measure labelled nuclei in one or more images.

    The table has a row per nucleus (in stacks, per nucleus and plane) with size, position and shape, and the mean,
    minimum, maximum and total intensity in every channel. For colour images of stained tissue it adds the mean optical
    density of haematoxylin and DAB.

    With --cell, --cells or --ring it also has the intensities of cells, cytoplasm and rings, and their ratios to the
    nuclei's.
    """
    if cell and cells:
        raise typer.BadParameter("Give a distance to grow cells by, or labels of cells.", param_hint="--cell, --cells")
    asked = Gate.of(gate) if gate else None
    around = CellSettings(**parse_cells(cell, ring, gap))
    with TerminalProgress(quiet) as progress:
        table = measure_files(labels, images, progress, around, cells)
        if asked is not None:
            table[POSITIVE] = asked.holds(table)
            progress.say(f"{asked}: {share_text(int(table[POSITIVE].sum()), len(table))}")
        if out is not None:
            write_table(out, table)
            if not as_json:
                progress.say(f"{out}: {len(table)} nuclei")
    if as_json:
        typer.echo(table.to_json(orient="records", indent=2, force_ascii=False, double_precision=15))
    elif out is None:
        typer.echo(table.to_csv(index=False, lineterminator="\n"), nl=False)


def measure_files(
    labels: Path,
    images: Sequence[Path],
    progress: Progress,
    around: CellSettings | None = None,
    cells: Path | None = None,
) -> pd.DataFrame:
    """Measure the nuclei of a label file in all channels of image files, with what lies around them.

    Intensity columns begin with the channel's name, or with the file's name if channels are unnamed. Lengths in µm need
    a pixel size in the label file or in one of the images. Raises `ImageFileError` if a file cannot be read;
    `ImageShapeError` if the labels are not a label image, or an image differs from them in size.
    """
    files = [read_image(image) for image in images]
    size = size_of(files[0].source()) if files else None
    found = read_labels(labels, size)
    for notice in found.notices:
        progress.report(Notice(notice, warning=True))
    label_file = found.file
    source = label_file.source()
    known = [file.pixel_size for file in (label_file, *files) if file.pixel_size.known]
    pixel_size = known[0] if known else PixelSize()
    return measure(
        StoredIds(source),
        dict(_named_channels(files)),
        means=dict(_named_stains(files)),
        axes=f"{source.leading_axes}YX",
        pixel_size_y=pixel_size.y,
        pixel_size_x=pixel_size.x,
        around=around or CellSettings(),
        cells=None if cells is None else StoredIds(read_labels(cells, size).file.source()),
        progress=progress,
    )


def _channel(source: ImageSource, channel: int) -> SegmentedChannel:
    """Return a whole channel, to be read plane by plane."""
    shape = (*source.leading_shape, *source.plane_shape)
    return SegmentedChannel(source, channel, (0,) * len(shape), shape)


def _named_channels(files: Sequence[ImageFile]) -> Iterator[tuple[str, SegmentedChannel]]:
    """Yield all channels of all files under unique names."""
    taken: set[str] = set()
    for file in files:
        source = file.source()
        for channel, name in enumerate(_names(file, source)):
            # Two files of one name, as lab/a.tif and clinic/a.tif, are told apart by their folders.
            origin = file.path.parent.name if name.startswith(_stem(file.path)) else _stem(file.path)
            yield _unique((name, f"{origin}_{name}"), taken), _channel(source, channel)


def _named_stains(files: Sequence[ImageFile]) -> Iterator[tuple[str, SeparatedStain]]:
    """Yield the stains of all bright-field colour images, named after their files."""
    taken: set[str] = set()
    for file in files:
        source = file.source()
        shape = (*source.leading_shape, *source.plane_shape)
        for name, stain in stain_images(source, (0,) * len(shape), shape).items():
            names = (f"{_stem(file.path)}_{name}", f"{file.path.parent.name}_{_stem(file.path)}_{name}")
            yield _unique(names, taken), stain


def _unique(names: tuple[str, str], taken: set[str]) -> str:
    """Take the first of two names that is free, or number the first."""
    # One number more than names are taken, so that one is always free.
    numbered = (f"{names[0]}_{number}" for number in range(2, len(taken) + 3))
    unique = next(name for name in (*names, *numbered) if name not in taken)
    taken.add(unique)
    return unique


def _names(file: ImageFile, source: ImageSource) -> Sequence[str]:
    """Name the channels as the file does, or after the file if it names none."""
    names = column_names(source)
    if names == source.channel_names:
        return names
    stem = _stem(file.path)
    return [stem] if source.channels == 1 else [f"{stem}_{name}" for name in names]


def _stem(path: Path) -> str:
    return path.stem.removesuffix(".ome")
