"""Decide, before anything is computed, which files a run reads and where it writes; nothing is overwritten."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from napari_unet_nuclei.core.errors import ImageFileError, OutputFileError
from napari_unet_nuclei.core.image.io.find import find_images, nothing_found
from napari_unet_nuclei.core.image.io.plate_store import places_in_plates
from napari_unet_nuclei.core.image.layouts.grouping import AUTOMATIC, group_files
from napari_unet_nuclei.core.image.layouts.split_image import SplitImage
from napari_unet_nuclei.core.image.plates import PlateField

LABELS_ENDING = "_labels.tif"
TABLE_ENDING = "_table.csv"

ENDINGS = {
    "labels": "_labels",  # and the suffix of their format
    "table": TABLE_ENDING,
    "parquet": "_table.parquet",
    "rois": "_rois.zip",
    "geojson": "_nuclei.geojson",
    "overlay": "_overlay.png",
}
"""What the names of results end in, by what they are."""

RECORDS = ".nuclei"
"""Hidden folder among the results where a run notes what is done."""

_EARLIER_RESULTS = ("_labels.tif", "_labels.ome.tif", "_labels.ome.zarr", "_overlay.png")
"""Endings of results that could be taken for images."""


@dataclass(frozen=True)
class PlannedFile:
    """One image and the files that its nuclei go to.

    Attributes
    ----------
    name : str
        Where below ``out``, and what the results' names begin with: ``day 1/cells``.
    labels_format : str
        Suffix of the labels, without its first point.
    split : SplitImage or None
        The files of an image whose channels, planes or time points lie in files of their own.
    place : PlateField or None
        Where on a plate the image was taken.
    """

    image: Path
    out: Path
    name: str
    labels_format: str = "tif"
    split: SplitImage | None = None
    place: PlateField | None = None

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
    notes : tuple of str
        What was taken for what, in words for the user.
    """

    out: Path
    files: tuple[PlannedFile, ...]
    unusable: tuple[tuple[str, str], ...]
    left_out: int
    notes: tuple[str, ...] = ()


def plan_files(
    given: Sequence[Path], out: Path, recursive: bool = True, labels_format: str = "tif", channels: str = AUTOMATIC
) -> RunPlan:
    """Find the images and name the results.

    Results lie below ``out`` as their images lie below the given folders; where several folders are given, as they
    lie below the folder that all have in common. ``channels`` says how files that hold one channel each are grouped
    into images, as `group_files` takes it.

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
    if not found.roots:
        raise ImageFileError(" ".join(reason for _, reason in found.refused) or nothing_found(given))
    files, notes = _images_of(kept, out, channels)
    files = [replace(file, labels_format=labels_format) for file in files]
    # Real paths: a link, or a folder given twice under two names, leads to the same file.
    images = {os.path.realpath(image) for image in kept}
    for file in files:
        for taken in (file.labels, file.path("overlay")):
            if os.path.realpath(taken) in images:
                raise OutputFileError(
                    f"The results of {file.image} would overwrite the image {taken}. "
                    "Choose another folder for the results."
                )
    return RunPlan(out, tuple(files), found.refused, len(found.roots) - len(kept), notes)


def _is_earlier_result(image: Path, out: Path) -> bool:
    """True for labels and overlays that lie where this run writes its own."""
    return image.name.endswith(_EARLIER_RESULTS) and Path(os.path.realpath(image)).is_relative_to(os.path.realpath(out))


def _images_of(roots: Mapping[Path, Path], out: Path, channels: str) -> tuple[list[PlannedFile], tuple[str, ...]]:
    """Group files into images, find their places on plates, and name their results; also return what to tell of it."""
    places = places_in_plates(roots)
    grouping = group_files({path: root for path, root in roots.items() if path not in places}, channels)
    split = {image.path: image for image in grouping.images}
    alone = set(grouping.alone) | set(places)
    # In the order in which they were given.
    firsts = {image.members[0].path: image.path for image in grouping.images}
    images = {firsts.get(path, path): root for path, root in roots.items() if path in firsts or path in alone}
    places |= {image.path: image.place for image in grouping.images if image.place is not None}
    called = {image: _called(image, root, split.get(image), places.get(image)) for image, root in images.items()}
    files = [
        PlannedFile(image, out, name, split=split.get(image), place=places.get(image))
        for image, name in _name_results(called).items()
    ]
    return files, grouping.told


@dataclass(frozen=True)
class _Called:
    """What the results of an image are named after: ``name`` where another image has the same ``stem``."""

    folder: Path
    stem: str
    name: str
    root: Path


def _called(image: Path, root: Path, split: SplitImage | None, place: PlateField | None) -> _Called:
    """Choose the name of an image's results."""
    if split is not None:
        # The folder of all channels may lie above the one that was given.
        folder = image.parent if image.is_relative_to(root) else root
        return _Called(folder, image.name, image.name, root)
    if place is not None:
        plate = image.parents[2]
        folder = plate.with_name(place.plate) if plate.is_relative_to(root) else root
        field = f"{place.well}_f{place.field}"
        return _Called(folder, field, f"{place.plate}_{field}", root)
    # Without its ending, which in a.ome.tif is all of .ome.tif.
    stem = image.stem[:-4] if image.stem.lower().endswith(".ome") else image.stem
    return _Called(image.parent, stem, image.name.replace(".", "_"), root)


def _name_results(images: Mapping[Path, _Called]) -> dict[Path, str]:
    """Name the results of images that were found below folders, each differently."""
    roots = {root: Path(os.path.realpath(root)) for root in {called.root for called in images.values()}}
    try:
        common = Path(os.path.commonpath(roots.values())) if roots else Path()
    except ValueError:  # on Windows, drives have nothing in common
        common = None
    folders = {}
    for image, called in images.items():
        base = roots[called.root].relative_to(common) if common else Path(*roots[called.root].parts[1:])
        folders[image] = base / called.folder.relative_to(called.root)
    # File systems may not tell upper case from lower case.
    same = Counter((str(folders[image]).casefold(), called.stem.casefold()) for image, called in images.items())
    names = {}
    taken: set[str] = set()
    for image, folder in folders.items():
        called = images[image]
        alone = same[str(folder).casefold(), called.stem.casefold()] == 1
        # a.tif and a.png become a_tif and a_png, both of them, whichever comes first; a_tif.png may be there as well.
        stem = called.stem if alone else called.name
        number = 2
        unique = stem
        while str(folder / unique).casefold() in taken:
            unique, number = f"{stem}_{number}", number + 1
        taken.add(str(folder / unique).casefold())
        names[image] = (folder / unique).as_posix()
    return names
