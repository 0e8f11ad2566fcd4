"""Decide, before anything is computed, which files a run reads and where it writes; nothing is overwritten."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from napari_unet_nuclei.core.errors import ImageFileError, NucleiError, OutputFileError, SeriesError
from napari_unet_nuclei.core.image.io.find import find_images, nothing_found
from napari_unet_nuclei.core.image.io.pairs import is_beside_image, name_some, outlines_among
from napari_unet_nuclei.core.image.io.series import choose_series

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

SUMMARY = "summary.csv"
RUN = "run.json"
REPORT = "report.html"
JOINT_TABLE = "nuclei.csv"
JOINT_PARQUET = "nuclei.parquet"
"""What a run writes of all images together."""

_EARLIER_RESULTS = ("_labels.tif", "_labels.ome.tif", "_labels.ome.zarr", "_overlay.png")
"""Endings of results that could be taken for images."""


_NOT_IN_NAMES = re.compile(r"[^\w.+-]+")
"""What names of images in a file may hold, and names of files had better not."""


@dataclass(frozen=True)
class PlannedFile:
    """One image and the files that its nuclei go to.

    Attributes
    ----------
    image : Path
        Of an image in an OME-Zarr store its own group.
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
    """

    image: Path
    out: Path
    name: str
    labels_format: str = "tif"
    series: int = 0
    part: str = ""
    listed: tuple[str, ...] = ()
    others: tuple[str, ...] = ()

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
    """

    out: Path
    files: tuple[PlannedFile, ...]
    unusable: tuple[tuple[str, str], ...]
    left_out: int
    passed_over: tuple[Path, ...] = ()
    masks: tuple[Path, ...] = ()

    @property
    def remarks(self) -> tuple[str, ...]:
        """What was not taken for an image, and why, in sentences."""
        said = []
        if self.left_out:
            said.append(f"{self.left_out} results of an earlier run are left out.")
        if self.masks:
            said.append(
                f"{len(self.masks)} masks and outlines beside the images are left out, by their names: "
                f"{name_some([path.name for path in self.masks])}. If one is an image, give it by its name."
            )
        if self.passed_over:
            said.append(
                f"{len(self.passed_over)} files were passed over, as nothing here reads them as images: "
                f"{name_some([path.name for path in self.passed_over])}. If one is an image, save it as OME-TIFF."
            )
        return tuple(said)


def image_title(image: str, part: str) -> str:
    """Name an image by its path and, where that is not enough, by what it is called in its file.

    Examples
    --------
    >>> image_title("day/a.lif", "Region 1"), image_title("day/a.zarr/2", "2")
    ('day/a.lif [Region 1]', 'day/a.zarr/2')
    """
    return f"{image} [{part}]" if part and not _is_group(image, part) else image


def short_title(image: str, part: str) -> str:
    """Name an image like `image_title`, but by the name of its file instead of the path.

    Examples
    --------
    >>> short_title("day/a.lif", "Region 1"), short_title("day/a.zarr/2", "2")
    ('a.lif [Region 1]', 'a.zarr/2')
    """
    path = Path(image)
    if part and _is_group(image, part):
        return f"{path.parents[part.count('/')].name}/{part}"
    return image_title(path.name, part)


def _is_group(image: str, part: str) -> bool:
    """True for an image in a store, whose own folder is its path."""
    return Path(image).as_posix().endswith(f"/{part}")


def plan_files(
    given: Sequence[Path], out: Path, recursive: bool = True, labels_format: str = "tif", series: str = ""
) -> RunPlan:
    """Find the images and name the results; ``series`` chooses among the images of a file as `choose_series` does.

    Results lie below ``out`` as their images lie below the given folders; where several folders are given, as they
    lie below the folder that all have in common.

    Raises
    ------
    ImageFileError
        If there is no image at all.
    OutputFileError
        If a result would overwrite an image of the run.
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
    images, refused = _open_files(kept, series)
    files = _name_results(images, out, labels_format)
    # Real paths: a link, or a folder given twice under two names, leads to the same file.
    sources = {os.path.realpath(file.image) for file in files}
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
    return RunPlan(out, tuple(files), unusable, left_out, passed_over, (*masks, *outlines))


def _is_named(image: Path, given: Sequence[Path]) -> bool:
    """True for a file that is given by its name, or by a pattern that ends like it."""
    return image in given or any(is_beside_image(path) and image.match(path.name) for path in given)


def _is_earlier_result(image: Path, out: Path) -> bool:
    """True for labels and overlays that lie where this run writes its own."""
    return image.name.endswith(_EARLIER_RESULTS) and Path(os.path.realpath(image)).is_relative_to(os.path.realpath(out))


def _is_written_by_runs(path: Path, out: Path) -> bool:
    """True for tables, outlines and reports that lie where this run writes its own."""
    endings = (*ENDINGS.values(), SUMMARY, RUN, REPORT, JOINT_TABLE, JOINT_PARQUET)
    return path.name.endswith(endings) and Path(os.path.realpath(path)).is_relative_to(os.path.realpath(out))


@dataclass(frozen=True)
class _Image:
    """An image of a run, its file or store, and the folder below which that was found."""

    file: Path
    root: Path
    path: Path
    series: int = 0
    part: str = ""
    listed: tuple[str, ...] = ()
    others: tuple[str, ...] = ()


def _open_files(files: Mapping[Path, Path], series: str) -> tuple[list[_Image], list[tuple[str, str]]]:
    """List the chosen images of all files, and the files that have none such, with the reason."""
    images: list[_Image] = []
    refused: list[tuple[str, str]] = []
    for file, root in files.items():
        try:
            chosen = choose_series(file, series)
        except SeriesError as error:
            refused.append((str(file), str(error)))
        except NucleiError:  # fails in words when its turn comes
            images.append(_Image(file, root, file))
        else:
            for header, name in zip(chosen.images, chosen.names, strict=True):
                about = (header.path, header.series, name, chosen.listed, chosen.others)
                images.append(_Image(file, root, *about))
    return images, refused


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
    same = Counter((str(folder).casefold(), _stem(file).casefold()) for file, folder in folders.items())
    files = []
    taken: set[str] = set()
    for image in images:
        folder = folders[image.file]
        alone = same[str(folder).casefold(), _stem(image.file).casefold()] == 1
        # a.tif and a.png become a_tif and a_png, both of them, whichever comes first; a_tif.png may be there as well.
        stem = _stem(image.file) if alone else image.file.name.replace(".", "_")
        if image.part:
            stem += f"_{_NOT_IN_NAMES.sub('_', image.part)}"
        number = 2
        unique = stem
        while str(folder / unique).casefold() in taken:
            unique, number = f"{stem}_{number}", number + 1
        taken.add(str(folder / unique).casefold())
        name = (folder / unique).as_posix()
        about = (image.series, image.part, image.listed, image.others)
        files.append(PlannedFile(image.path, out, name, labels_format, *about))
    return files


def _stem(image: Path) -> str:
    """Name without its ending, which in ``a.ome.tif`` is all of ``.ome.tif``."""
    return image.stem[:-4] if image.stem.lower().endswith(".ome") else image.stem
