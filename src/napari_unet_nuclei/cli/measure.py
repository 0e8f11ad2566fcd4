"""The subcommand ``measure``: measure labels of any origin in one or more images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_unet_nuclei.cli.options import (
    AROUND_PANEL,
    CellWidth,
    ClassesFile,
    GateText,
    Json,
    Quiet,
    RingGap,
    RingWidth,
    Series,
    parse_cells,
    parse_spots,
)
from napari_unet_nuclei.cli.progress import TerminalProgress
from napari_unet_nuclei.core.errors import SettingsError
from napari_unet_nuclei.core.folder.measure_files import (
    Opened,
    PlanesChoice,
    Wanted,
    measure_folders,
    measure_series,
    opened,
)
from napari_unet_nuclei.core.image.io.drawn_file import read_areas
from napari_unet_nuclei.core.image.io.find import is_plain_folder
from napari_unet_nuclei.core.image.io.write import write_table
from napari_unet_nuclei.core.labels.classify.class_file import read_classes
from napari_unet_nuclei.core.labels.classify.nucleus_classes import NucleusClasses, class_counts, counts_text
from napari_unet_nuclei.core.labels.export.annotated import check_anndata, write_h5ad
from napari_unet_nuclei.core.labels.export.meshes import write_meshes
from napari_unet_nuclei.core.labels.measure.areas import measure_areas
from napari_unet_nuclei.core.labels.measure.gate import POSITIVE, Gate, share_text
from napari_unet_nuclei.core.progress import Notice
from napari_unet_nuclei.core.quantity import quantity
from napari_unet_nuclei.core.segment.table import StoredIds
from napari_unet_nuclei.core.settings import CellSettings

if TYPE_CHECKING:
    import pandas as pd


def measure_command(
    labels: Annotated[
        Path,
        typer.Argument(
            metavar="LABELS",
            help="Labels: an image where every nucleus has its own number, ImageJ ROIs, GeoJSON; or a folder of them.",
        ),
    ],
    images: Annotated[
        list[Path],
        typer.Argument(
            metavar="IMAGE...",
            help="Images of the same size; all channels are measured. For a folder of labels, that of the images.",
        ),
    ],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE.csv", help="Table to write; stdout by default.")
    ] = None,
    h5ad: Annotated[
        Path | None,
        typer.Option("--h5ad", metavar="FILE.h5ad", help="Also write the table as AnnData, for scanpy and squidpy."),
    ] = None,
    meshes: Annotated[
        Path | None,
        typer.Option(
            "--meshes",
            metavar="FILE.obj",
            help="Also write the surfaces of nuclei in three dimensions, for Blender, ParaView and Fiji.",
        ),
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
    regions: Annotated[
        Path | None,
        typer.Option(
            "--regions",
            metavar="FILE.geojson",
            help="Regions drawn as polygons: the column 'region', and the nuclei and their density in each.",
            rich_help_panel=AROUND_PANEL,
        ),
    ] = None,
    spots: Annotated[
        list[Path] | None,
        typer.Option(
            "--spots",
            metavar="FILE.csv",
            help="Positions of spots, counted in each nucleus and cell; once for every kind of spot.",
            rich_help_panel=AROUND_PANEL,
        ),
    ] = None,
    spots_in: Annotated[
        list[str] | None,
        typer.Option(
            "--spots-in",
            metavar="CHANNEL=DIAMETER",
            help="Find bright spots of a size in a channel, and count them: GFP=0.5um, or GFP=4px.",
            rich_help_panel=AROUND_PANEL,
        ),
    ] = None,
    planes: Annotated[
        PlanesChoice,
        typer.Option(
            "--planes",
            help="Stacks: a row per nucleus (volume), or per nucleus and plane (each); automatic by whether nuclei "
            "keep their number from plane to plane.",
        ),
    ] = "auto",
    series: Series = "",
    gate: GateText = "",
    classes: ClassesFile = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Measure labelled nuclei in one or more images.

    The table has a row per nucleus (where the planes of a stack were labelled each by itself, per nucleus and plane)
    with size, position and shape, and the mean, minimum, maximum and total intensity in every channel. For colour
    images of stained tissue it adds the mean optical density of haematoxylin and DAB.

    With --regions, the nuclei and their density in each region are printed, and written to FILE_regions.csv as well.
    With --cell, --cells or --ring it also has the intensities of cells, cytoplasm and rings, and their ratios to the
    nuclei's.
    """
    if cell and cells:
        raise typer.BadParameter("Give a distance to grow cells by, or labels of cells.", param_hint="--cell, --cells")
    if h5ad is not None:
        check_anndata()
    asked, taught = Gate.of(gate) if gate else None, read_classes(classes) if classes is not None else None
    around = CellSettings(**parse_cells(cell, ring, gap))
    belongs_to_one = regions is not None or cells is not None or bool(spots) or meshes is not None
    with TerminalProgress(quiet) as progress:
        wanted = Wanted(around, cells, tuple(spots or ()), dict(parse_spots(text) for text in spots_in or ()))
        if is_plain_folder(labels):
            if belongs_to_one:
                raise SettingsError(
                    "Regions, cells, spots and surfaces in files belong to one image: measure it by itself."
                )
            table = measure_folders(labels, images, wanted, planes, series, progress)
        else:
            chosen = opened(labels, images, series, progress)
            files = next(iter(chosen.values()))
            if len(chosen) > 1 and belongs_to_one:
                raise SettingsError(
                    "Regions, cells, spots and surfaces in files belong to one image: choose one with --series."
                )
            if planes != "auto" and not any(one.labels.leading_shape for one in chosen.values()):
                raise SettingsError(f"{labels} is no stack, so a choice of planes has no effect: leave it out.")
            table = measure_series(chosen, wanted, planes, progress)
            if meshes is not None:
                _write_surfaces(meshes, files, table, progress)
        if taught is not None:
            table = _classified(table, taught, progress)
        if asked is not None:
            table[POSITIVE] = asked.holds(table)
            progress.say(f"{asked}: {share_text(int(table[POSITIVE].sum()), len(table))}")
        if regions is not None:
            size = files.pixel_size
            # Of volumes, a stack has one row for each nucleus.
            lengths = zip(files.labels.channel_shape, files.labels.channel_axes, strict=True)
            shape = [length for length, letter in lengths if letter != "Z" or "voxels" not in table]
            table, counts = measure_areas(table, read_areas(regions), shape, pixel_size_y=size.y, pixel_size_x=size.x)
            progress.say(counts.to_string(index=False))
            if out is not None:
                write_table(out.with_name(f"{out.stem}_regions.csv"), counts)
        if h5ad is not None:
            write_h5ad(h5ad, table)
        if out is not None:
            write_table(out, table)
            if not as_json:
                progress.say(f"{out}: {quantity(len(table), 'nucleus', 'nuclei')}")
    if as_json:
        typer.echo(table.to_json(orient="records", indent=2, force_ascii=False, double_precision=15))
    elif out is None:
        typer.echo(table.to_csv(index=False, lineterminator="\n"), nl=False)


def _write_surfaces(path: Path, files: Opened, table: pd.DataFrame, progress: TerminalProgress) -> None:
    """Write the surfaces of nuclei that were measured as volumes."""
    if "voxels" not in table:
        raise SettingsError("Surfaces are of nuclei in three dimensions, and these lie in single planes: no --meshes.")
    z, y, x = files.pixel_size.z, files.pixel_size.y, files.pixel_size.x
    count = write_meshes(
        path, StoredIds(files.labels), axes=files.labels.channel_axes, pixel_size_z=z, pixel_size_y=y, pixel_size_x=x
    )
    if min(z, y, x) <= 0:
        progress.report(Notice(f"{path} is in voxels: the files do not say how far planes and pixels are apart."))
    progress.say(f"{path}: {quantity(count, 'surface')}")


def _classified(table: pd.DataFrame, classes: NucleusClasses, progress: TerminalProgress) -> pd.DataFrame:
    """Tell the classes of the nuclei, their numbers, and what makes them doubtful."""
    table = classes.tell(table)
    taken = classes.renamed_images(table)
    if taken:
        progress.report(Notice(taken))
    for remark in classes.remarks(table):
        progress.report(Notice(remark, warning=True))
    progress.say(f"Classes: {counts_text(class_counts(table, classes.names))}")
    return table
