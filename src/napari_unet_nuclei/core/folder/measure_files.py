"""Measure labels of any origin in files: in one or more images of a label file, and in folders of both."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from napari_unet_nuclei.core.errors import ImageFileError, SettingsError
from napari_unet_nuclei.core.image.axes import ImageSource
from napari_unet_nuclei.core.image.io.drawn_file import read_spots
from napari_unet_nuclei.core.image.io.find import is_plain_folder
from napari_unet_nuclei.core.image.io.image_file import ImageFile
from napari_unet_nuclei.core.image.io.label_file import read_labels, size_of
from napari_unet_nuclei.core.image.io.pairs import image_files, label_files, name_some
from napari_unet_nuclei.core.image.io.read import read_image
from napari_unet_nuclei.core.image.io.series import Place, choose_in_step
from napari_unet_nuclei.core.image.pixel_size import PixelSize
from napari_unet_nuclei.core.labels.measure.measure import measure
from napari_unet_nuclei.core.labels.measure.spots import find_in_planes
from napari_unet_nuclei.core.labels.measure.surroundings import spacing_in
from napari_unet_nuclei.core.labels.measure.volumes import hold_volumes, measure_volumes
from napari_unet_nuclei.core.progress import Notice, Progress, with_shares
from napari_unet_nuclei.core.segment.table import (
    ONLY_IN_PLANES,
    SegmentedChannel,
    SeparatedStain,
    StoredIds,
    column_names,
    stain_images,
)
from napari_unet_nuclei.core.settings import CellSettings

if TYPE_CHECKING:
    import pandas as pd

PlanesChoice: TypeAlias = Literal["auto", "volume", "each"]
"""How nuclei in stacks are measured."""

IMAGE_COLUMN, SERIES_COLUMN = "image", "series"
"""First columns of the table of a folder, and of files with several images, as of all nuclei of a run."""


def measure_folders(
    labels: Path, images: Sequence[Path], wanted: Wanted, planes: PlanesChoice, series: str, progress: Progress
) -> pd.DataFrame:
    """Measure labels in the images of the same names, and return one table whose first column names the image.

    Files without a partner are told. Raise ImageFileError if there is no pair at all.
    """
    import pandas as pd

    if len(images) != 1 or not is_plain_folder(images[0]):
        raise ImageFileError(f"{labels} is a folder: give the one folder with its images, which may be the same.")
    labels_of, image_of = label_files(labels), image_files(images[0])
    # In a folder of both, an image without labels is no labels of its own.
    labels_of = {name: path for name, path in labels_of.items() if path != image_of.get(name)}
    alone = [labels_of[name] for name in sorted(labels_of.keys() - image_of)]
    alone += [image_of[name] for name in sorted(image_of.keys() - labels_of)]
    pairs = sorted(labels_of.keys() & image_of)
    if not pairs:
        raise ImageFileError(f"Nothing could be measured: no labels have a partner. {name_some(alone)}.")
    if alone:
        progress.report(Notice(f"Without a partner, and not measured: {name_some(alone)}.", warning=True))
    tables = []
    for name, share in with_shares(pairs, progress):
        chosen = opened(labels_of[name], [image_of[name]], series, share)
        unnamed = {part: replace(files, named_after_files=False) for part, files in chosen.items()}
        table = measure_series(unnamed, wanted, planes, share)
        table.insert(0, IMAGE_COLUMN, name)
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def measure_series(
    chosen: Mapping[str, Opened], wanted: Wanted, planes: PlanesChoice, progress: Progress
) -> pd.DataFrame:
    """Measure the chosen images of files, and return one table; its first column names them if there are several."""
    import pandas as pd

    tables = []
    for name, share in with_shares(list(chosen), progress):
        table = measure_opened(chosen[name], wanted, planes, share)
        if name:
            table.insert(0, SERIES_COLUMN, name)
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def measure_opened(files: Opened, wanted: Wanted, planes: PlanesChoice, progress: Progress) -> pd.DataFrame:
    """Measure nuclei in three dimensions or plane by plane."""
    ids = StoredIds(files.labels)
    if planes == "volume" or (planes == "auto" and hold_volumes(ids, files.labels.channel_axes)):
        if wanted.spots_in:
            raise SettingsError(ONLY_IN_PLANES)
        return measure_stacks(files, wanted, progress)
    return measure_files(files, wanted, progress)


@dataclass(frozen=True)
class Wanted:
    """What is measured besides the nuclei: cells, rings, spots in files, and spots to find, by channel."""

    around: CellSettings
    cells: Path | None
    spots: Sequence[Path]
    spots_in: Mapping[str, tuple[float, str]]


@dataclass(frozen=True)
class Opened:
    """A label file and the images that it is measured in, after which columns are named where channels are not."""

    labels: ImageSource
    files: Sequence[ImageFile]
    pixel_size: PixelSize
    named_after_files: bool = True


def opened(labels: Path, images: Sequence[Path], series: str, progress: Progress) -> dict[str, Opened]:
    """Open labels and images, where files hold several each of them by its name; lengths in µm need a pixel size."""
    chosen, notices = choose_in_step([labels, *images], series)
    for notice in notices:
        progress.report(Notice(notice, warning=True))
    return {one.name: _opened(one.places[0], one.places[1:], progress) for one in chosen}


def _opened(labels: Place, images: Sequence[Place], progress: Progress) -> Opened:
    files = [read_image(*image) for image in images]
    found = read_labels(labels[0], size_of(files[0].source()) if files else None, labels[1])
    for notice in found.notices:
        progress.report(Notice(notice, warning=True))
    for remark in (remark for file in files for remark in file.all_remarks()):
        progress.report(Notice(remark))
    label_file = found.file
    known = [file.pixel_size for file in (label_file, *files) if file.pixel_size.known]
    return Opened(label_file.source(), files, known[0] if known else PixelSize())


def _cells(files: Opened, wanted: Wanted) -> StoredIds | None:
    """Open the cells of another origin."""
    if wanted.cells is None:
        return None
    return StoredIds(read_labels(wanted.cells, size_of(files.labels)).file.source())


def measure_stacks(files: Opened, wanted: Wanted, progress: Progress) -> pd.DataFrame:
    """Measure nuclei that extend through planes in all channels of image files; raises as `measure_files`."""
    size, axes = files.pixel_size, files.labels.channel_axes
    if "Z" not in axes:
        raise SettingsError(f"The labels have the axes {axes}, none of which is depth (Z): leave out planes volume.")
    return measure_volumes(
        StoredIds(files.labels),
        dict(_named_channels(files)),
        axes=axes,
        pixel_size_z=size.z,
        pixel_size_y=size.y,
        pixel_size_x=size.x,
        around=wanted.around,
        cells=_cells(files, wanted),
        spots={path.stem: read_spots(path, axes) for path in wanted.spots},
        progress=progress,
    )


def measure_files(files: Opened, wanted: Wanted, progress: Progress) -> pd.DataFrame:
    """Measure the nuclei of a label file in all channels of image files, with what lies around and in them.

    Intensity columns begin with the channel's name, or with the file's name if channels are unnamed. Raises
    `ImageFileError` if a file cannot be read; `ImageShapeError` if the labels are not a label image, or an image
    differs from them in size.
    """
    channels, axes = dict(_named_channels(files)), files.labels.channel_axes
    spots = {path.stem: read_spots(path, axes) for path in wanted.spots}
    for name, (diameter, unit) in wanted.spots_in.items():
        if name not in channels:
            raise SettingsError(f"There is no channel '{name}' to find spots in. There is {', '.join(channels)}.")
        step = spacing_in(unit, (files.pixel_size.y, files.pixel_size.x))
        spots[f"{name}_spots"] = find_in_planes(channels[name], diameter / step[0])
        progress.report(Notice(f"{len(spots[f'{name}_spots']):,} spots found in '{name}'."))
    return measure(
        StoredIds(files.labels),
        channels,
        means=dict(_named_stains(files)),
        axes=axes,
        pixel_size_y=files.pixel_size.y,
        pixel_size_x=files.pixel_size.x,
        around=wanted.around,
        cells=_cells(files, wanted),
        spots=spots,
        progress=progress,
    )


def _channel(source: ImageSource, channel: int) -> SegmentedChannel:
    """Return a whole channel, to be read plane by plane."""
    shape = source.channel_shape
    return SegmentedChannel(source, channel, (0,) * len(shape), shape)


def _named_channels(opened: Opened) -> Iterator[tuple[str, SegmentedChannel]]:
    """Yield all channels of all files under unique names."""
    taken: set[str] = set()
    for file in opened.files:
        source = file.source()
        names = _names(file, source) if opened.named_after_files else column_names(source)
        for channel, name in enumerate(names):
            # Two files of one name, as lab/a.tif and clinic/a.tif, are told apart by their folders.
            origin = file.path.parent.name if name.startswith(_stem(file.path)) else _stem(file.path)
            yield _unique((name, f"{origin}_{name}"), taken), _channel(source, channel)


def _named_stains(opened: Opened) -> Iterator[tuple[str, SeparatedStain]]:
    """Yield the stains of all bright-field colour images, named after their files."""
    taken: set[str] = set()
    for file in opened.files:
        source = file.source()
        shape = source.channel_shape
        for name, stain in stain_images(source, (0,) * len(shape), shape).items():
            names = (f"{_stem(file.path)}_{name}", f"{file.path.parent.name}_{_stem(file.path)}_{name}")
            yield _unique(names, taken) if opened.named_after_files else name, stain


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
