"""Decide, before anything is computed, which files a run reads and where it writes; nothing is overwritten."""

from __future__ import annotations

import glob
import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from napari_unet_nuclei.core.errors import ImageFileError, NucleiError, OutputFileError, SeriesError, SettingsError
from napari_unet_nuclei.core.files.regular import is_folder
from napari_unet_nuclei.core.files.text import legible
from napari_unet_nuclei.core.image.io.find import find_images, nothing_found
from napari_unet_nuclei.core.image.io.pairs import is_beside_image, name_some, outlines_among
from napari_unet_nuclei.core.image.io.plate_store import places_in_plates
from napari_unet_nuclei.core.image.io.series import choose_series
from napari_unet_nuclei.core.image.io.zarr_store import address, is_remote
from napari_unet_nuclei.core.image.layouts.grouping import AUTOMATIC, group_files
from napari_unet_nuclei.core.image.layouts.split_image import SplitImage
from napari_unet_nuclei.core.image.plates import PlateField
from napari_unet_nuclei.core.quantity import quantity

TABLE_ENDING = "_table.csv"

ENDINGS = {
    "labels": "_labels",  # and the suffix of their format
    "table": TABLE_ENDING,
    "parquet": "_table.parquet",
    "rois": "_rois.zip",
    "geojson": "_nuclei.geojson",
    "overlay": "_overlay.png",
    "tracked": "_tracked.tif",
    "tracks": "_tracks.csv",
}
"""What the names of results end in, by what they are."""

RECORDS = ".nuclei"
"""Hidden folder among the results where a run notes what is done."""

SUMMARY = "summary.csv"
RUN = "run.json"
REPORT = "report.html"
JOINT_TABLE = "nuclei.csv"
JOINT_PARQUET = "nuclei.parquet"
JOINT_ANNDATA = "nuclei.h5ad"
WELLS = "wells.csv"
"""What a run writes of all images together."""

_EARLIER_RESULTS = ("_labels.tif", "_labels.ome.tif", "_labels.ome.zarr", "_overlay.png", "_tracked.tif")
"""Endings of results that could be taken for images."""

_NOT_IN_NAMES = re.compile(r"[^\w.+-]+")
"""What names of images in a file may hold, and names of files had better not."""


@dataclass(frozen=True)
class PlannedFile:
    """One image and the files that its nuclei go to.

    Attributes
    ----------
    image : Path
        Of an image in an OME-Zarr store its own group; of one that lies in several files, its name in their folder.
    name : str
        Where below ``out``, and what the results' names begin with: ``day 1/cells``.
    labels_format : str
        Suffix of the labels, without its first point.
    series : int
        Which of the images in the file.
    part : str
        What the image is called among those of its file or store; empty if it is the only one.
    listed, others : tuple of str
        All images of the file, in words, and those that the run leaves out.
    remarks : tuple of str
        What of the image was never taken or is lost, in words.
    split : SplitImage or None
        The files of an image whose channels, planes or time points lie in files of their own.
    place : PlateField or None
        Where on a plate the image was taken.
    """

    image: Path
    out: Path
    name: str
    labels_format: str = "tif"
    series: int = 0
    part: str = ""
    listed: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    split: SplitImage | None = None
    place: PlateField | None = None

    @property
    def title(self) -> str:
        """The image's path, and which of the file's images it is."""
        return image_title(str(self.image), self.part)

    def path(self, output: str) -> Path:
        """Return the path of one kind of result, a key of `ENDINGS`."""
        suffix = f".{self.labels_format}" if output == "labels" else ""
        return self.out / f"{self.name}{ENDINGS[output]}{suffix}"

    def record(self, suffix: str) -> Path:
        """Return the path of what the run notes of this image: ``.json``, ``.csv`` or ``.png``."""
        return self.out / RECORDS / f"{self.name}{suffix}"

    @property
    def labels(self) -> Path:
        """The labels."""
        return self.path("labels")

    @property
    def table(self) -> Path:
        """The table."""
        return self.path("table")


@dataclass(frozen=True)
class RunPlan:
    """What a run will do.

    Attributes
    ----------
    files : tuple of PlannedFile
        In the order in which they were given, folders sorted; no two write to the same place.
    unusable : tuple of (str, str)
        Given paths that lead to no image, with the reason.
    left_out : int
        Results that an earlier run wrote into the same folder, found among the images and not segmented again.
    passed_over : tuple of Path
        Files among the images that cannot be read as such, without what runs write.
    masks : tuple of Path
        Labels, outlines and pictures of them that other programs have left beside the images.
    grouped : tuple of str
        What the names of files were taken for, in sentences.
    """

    out: Path
    files: tuple[PlannedFile, ...]
    unusable: tuple[tuple[str, str], ...]
    left_out: int
    passed_over: tuple[Path, ...] = ()
    grouped: tuple[str, ...] = ()
    masks: tuple[Path, ...] = ()

    @property
    def remarks(self) -> tuple[str, ...]:
        """What was taken for what, and what was not taken for an image and why, in sentences."""
        said = list(self.grouped)
        if self.left_out:
            said.append(f"{quantity(self.left_out, 'result')} of an earlier run {_are(self.left_out)} left out.")
        if self.masks:
            said.append(
                f"{quantity(len(self.masks), 'mask or outline', 'masks and outlines')} beside the images "
                f"{_are(len(self.masks))} left out, by name: {name_some([path.name for path in self.masks])}. "
                "If one is an image, give it by its name."
            )
        if self.passed_over:
            said.append(
                f"Passed over, as nothing here reads it as an image: {quantity(len(self.passed_over), 'file')} "
                f"({name_some([path.name for path in self.passed_over])}). If one is an image, save it as OME-TIFF."
            )
        return tuple(said)


def _are(number: int) -> str:
    return "is" if number == 1 else "are"


def image_title(image: str, part: str) -> str:
    """Name an image for people by its path and, where that is not enough, by what it is called in its file.

    Examples
    --------
    >>> image_title("day/a.lif", "Region 1"), image_title("day/a.zarr/2", "2")
    ('day/a.lif [Region 1]', 'day/a.zarr/2')
    """
    image = address(Path(image)) if is_remote(Path(image)) else image
    return legible(f"{image} [{part}]" if part and not _is_group(image, part) else image)


def short_title(image: str, part: str) -> str:
    """Name an image like `image_title`, but by the name of its file instead of the path.

    Examples
    --------
    >>> short_title("day/a.lif", "Region 1"), short_title("day/a.zarr/2", "2"), short_title("day/a.zarr/0", "")
    ('a.lif [Region 1]', 'a.zarr/2', 'a.zarr/0')
    """
    path = Path(image)
    if part and _is_group(image, part):
        return legible(f"{path.parents[part.count('/')].name}/{part}")
    # The only picture in a store lies in a group of it, beside the label of the slide.
    name = f"{path.parent.name}/{path.name}" if path.parent.suffix == ".zarr" else path.name
    return image_title(name, part)


def _is_group(image: str, part: str) -> bool:
    """True for an image in a store, whose own folder is its path."""
    return Path(image).as_posix().endswith(f"/{part}")


def plan_files(
    given: Sequence[Path],
    out: Path,
    recursive: bool = True,
    labels_format: str = "tif",
    series: str = "",
    channels: str = AUTOMATIC,
) -> RunPlan:
    """Find the images and name the results.

    ``series`` chooses among the images of a file as `choose_series` does, and ``channels`` says how files make up
    images, as `group_files` takes it. Results lie below ``out`` as their images lie below the given folders; where
    several folders are given, as they lie below the folder that all have in common.

    Raises
    ------
    ImageFileError
        If there is no image at all.
    OutputFileError
        If a result would overwrite an image of the run.
    SettingsError
        If ``channels`` cannot be understood, or fits no file.
    """
    found = find_images(given, recursive)
    # Results among the images are left out, but for those that are given by name.
    kept = {image: root for image, root in found.roots.items() if image in given or not _is_earlier_result(image, out)}
    masks = [image for image in kept if is_beside_image(image) and not _is_named(image, given)]
    if not found.roots:
        raise ImageFileError(" ".join(reason for _, reason in found.refused) or nothing_found(given))
    if masks and len(masks) == len(kept):
        raise ImageFileError(
            f"{name_some(given)}: no image but, by their names, masks ({name_some([path.name for path in masks])}). "
            "If one is an image, give it by its name."
        )
    kept = {image: root for image, root in kept.items() if image not in masks}
    images, refused, grouped = _images_of(kept, series, channels)
    files = _name_results(images, out, labels_format)
    # Real paths: a link, or a folder given twice under two names, leads to the same file.
    sources = {os.path.realpath(image) for image in (*kept, *(file.image for file in files))}
    for file in files:
        for taken in (file.labels, file.path("overlay")):
            if os.path.realpath(taken) in sources:
                raise OutputFileError(
                    f"The results of {file.image} would overwrite the image {taken}. "
                    "Choose another folder for the results."
                )
    others = [path for path in found.passed_over if not _is_written_by_runs(path, out)]
    outlines = outlines_among(others)
    passed_over = tuple(path for path in others if path not in outlines)
    unusable = (*found.refused, *refused)
    left_out = len(found.roots) - len(kept) - len(masks)
    return RunPlan(out, tuple(files), unusable, left_out, passed_over, grouped, (*masks, *outlines))


def check_subfolders(given: Sequence[Path], *, recursive: bool) -> None:
    """Raise SettingsError if subfolders are left out where no folder is given: in a form the switch just stands so."""
    if not recursive and not any(is_folder(path) or glob.has_magic(str(path)) for path in given):
        raise SettingsError("No folder is given, so leaving out subfolders has no effect.")


def _is_named(image: Path, given: Sequence[Path]) -> bool:
    """True for a file that is given by its name, or by a pattern that ends like it."""
    return image in given or any(is_beside_image(path) and image.match(path.name) for path in given)


def _is_earlier_result(image: Path, out: Path) -> bool:
    """True for labels and overlays that lie where this run writes its own."""
    return image.name.endswith(_EARLIER_RESULTS) and Path(os.path.realpath(image)).is_relative_to(os.path.realpath(out))


def _is_written_by_runs(path: Path, out: Path) -> bool:
    """True for tables, outlines and reports that lie where this run writes its own."""
    endings = (*ENDINGS.values(), SUMMARY, RUN, REPORT, JOINT_TABLE, JOINT_PARQUET, WELLS)
    return path.name.endswith(endings) and Path(os.path.realpath(path)).is_relative_to(os.path.realpath(out))


@dataclass(frozen=True)
class _Image:
    """An image of a run, its file or store, and the folder below which that was found.

    Results lie in the folder of ``file``, and are named after it, or after what is ``called`` otherwise.
    """

    file: Path
    root: Path
    path: Path
    series: int = 0
    part: str = ""
    listed: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    split: SplitImage | None = None
    place: PlateField | None = None
    called: str = ""

    @property
    def stem(self) -> str:
        """Name without its ending, which in ``a.ome.tif`` is all of ``.ome.tif``."""
        stem = self.file.stem
        return self.called or (stem[:-4] if stem.lower().endswith(".ome") else stem)

    @property
    def name(self) -> str:
        """Name with its ending, for images that have the same without it."""
        return self.called or self.file.name.replace(".", "_")


def _images_of(
    files: Mapping[Path, Path], series: str, channels: str
) -> tuple[list[_Image], list[tuple[str, str]], tuple[str, ...]]:
    """List the images of all files, those that are refused with the reason, and what the names were taken for."""
    places = places_in_plates(files)
    grouping = group_files({path: root for path, root in files.items() if path not in places}, channels)
    single = [_of_plate(path, files[path], place) for path, place in places.items()]
    single += [_of_split(split, files[split.files[0]]) for split in grouping.images]
    images, refused = _open_files({path: files[path] for path in grouping.alone}, series)
    if series:
        reason = "is a single image, so a choice of series has no effect on it: leave it out."
        refused += [(str(image.path), f"{image.path} {reason}") for image in single]
        single = []
    order = {path: number for number, path in enumerate(files)}

    def given(image: _Image) -> int:
        first = image.split.files[0] if image.split else image.path
        return order.get(first, order.get(image.file, len(order)))

    return sorted([*single, *images], key=given), refused, grouping.told


def _of_plate(path: Path, root: Path, place: PlateField) -> _Image:
    """Name a field of a plate: below its plate, after its well."""
    plate, field = path.parents[2], f"{place.well}_f{place.field}"
    folder = plate.with_name(place.plate) if plate.parent.is_relative_to(root) else root
    return _Image(folder / field, root, path, place=place, called=field)


def _of_split(split: SplitImage, root: Path) -> _Image:
    """Name an image that lies in several files."""
    # The folder of all channels may lie above the one that was given.
    file = split.path if split.path.is_relative_to(root) else root / split.path.name
    return _Image(file, root, split.path, split=split, place=split.place, called=split.path.name)


def _open_files(files: Mapping[Path, Path], series: str) -> tuple[list[_Image], list[tuple[str, str]]]:
    """List the chosen images of all files, and the files that have none such, with the reason."""
    images: dict[tuple[Path, int], _Image] = {}
    refused: list[tuple[str, str]] = []
    consumed: set[Path] = set()
    sets: set[Path] = set()
    for file, root in files.items():
        if file in consumed:
            continue
        try:
            chosen = choose_series(file, series)
        except SeriesError as error:
            refused.append((str(file), str(error)))
        except NucleiError:  # fails in words when its turn comes
            images[file, 0] = _Image(file, root, file)
        else:
            consumed |= chosen.consumed
            for header, name in zip(chosen.images, chosen.names, strict=True):
                key = header.path, header.series
                if header.consumed:
                    sets.add(header.path)
                named = file.with_name(header.path.name) if header.consumed else file
                image = _Image(named, root, *key, name, chosen.listed, chosen.others, header.remarks)
                images.setdefault(key, image)
    # Files that are part of an image have been found before it was known.
    return [one for one in images.values() if one.path in sets or one.path not in consumed], refused


def _name_results(images: Sequence[_Image], out: Path, labels_format: str) -> list[PlannedFile]:
    """Name the results of images that were found below folders."""
    roots = {root: Path(os.path.realpath(root)) for root in {image.root for image in images}}
    try:
        common = Path(os.path.commonpath(roots.values())) if roots else Path()
    except ValueError:  # on Windows, drives have nothing in common
        common = None
    folders = {}
    for image in images:
        base = roots[image.root].relative_to(common) if common else Path(*roots[image.root].parts[1:])
        folders[image.file] = base / image.file.parent.relative_to(image.root)
    # File systems may not tell upper case from lower case.
    stems = {image.file: image.stem for image in images}
    same = Counter((str(folder).casefold(), stems[file].casefold()) for file, folder in folders.items())
    files = []
    taken: set[str] = set()
    for image in images:
        folder = folders[image.file]
        alone = same[str(folder).casefold(), image.stem.casefold()] == 1
        # a.tif and a.png become a_tif and a_png, both of them, whichever comes first; a_tif.png may be there as well.
        stem = image.stem if alone else image.name
        if image.part:
            stem += f"_{_NOT_IN_NAMES.sub('_', image.part)}"
        number = 2
        unique = stem
        while str(folder / unique).casefold() in taken:
            unique, number = f"{stem}_{number}", number + 1
        taken.add(str(folder / unique).casefold())
        name = (folder / unique).as_posix()
        about = (image.series, image.part, image.listed, image.others, image.remarks, image.split, image.place)
        files.append(PlannedFile(image.path, out, name, labels_format, *about))
    return files
