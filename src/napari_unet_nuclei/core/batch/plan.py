"""Decides, before anything is computed, which files a run reads and where it writes: nothing is ever overwritten."""

from __future__ import annotations

import glob
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from napari_unet_nuclei.core.errors import ImageFileError, OutputFileError
from napari_unet_nuclei.core.image.read import image_paths

LABELS_ENDING = "_labels.tif"
TABLE_ENDING = "_table.csv"


@dataclass(frozen=True)
class PlannedFile:
    """One image and the files that its nuclei go to.

    Attributes
    ----------
    image, labels, table : Path
    """

    image: Path
    labels: Path
    table: Path

    @staticmethod
    def named(image: Path, folder: Path, stem: str) -> PlannedFile:
        """Name the results after a stem."""
        return PlannedFile(image, folder / f"{stem}{LABELS_ENDING}", folder / f"{stem}{TABLE_ENDING}")


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
        Labels that an earlier run wrote into the same folder, found among the images and not segmented again.
    """

    files: tuple[PlannedFile, ...]
    unusable: tuple[tuple[str, str], ...]
    left_out: int


def plan_files(given: Sequence[Path], out: Path, recursive: bool = True) -> RunPlan:
    """Find the images and name the results.

    Results lie below ``out`` as their images lie below the given folders; where several folders are given, as they
    lie below the folder that all have in common.

    Parameters
    ----------
    given : sequence of Path
        Files, folders and patterns.
    out : Path
        Folder for the results.
    recursive : bool
        Look into folders within folders too.

    Raises
    ------
    ImageFileError
        If there is no image at all.
    OutputFileError
        If a result would overwrite an image of the run.
    """
    found, unusable = _find(given, recursive)
    kept = {image: root for image, root in found.items() if image in given or not _earlier_labels(image, out)}
    if not kept and unusable:
        raise ImageFileError(" ".join(reason for _, reason in unusable))
    files = _name_results(kept, out)
    images = {os.path.realpath(file.image) for file in files}
    for file in files:
        if os.path.realpath(file.labels) in images:
            raise OutputFileError(
                f"The labels of {file.image} would overwrite the image {file.labels}. "
                "Choose another folder for the results."
            )
    return RunPlan(tuple(files), tuple(unusable), len(found) - len(kept))


def _find(given: Sequence[Path], recursive: bool) -> tuple[dict[Path, Path], list[tuple[str, str]]]:
    """Return images with the folder that each was found below, every one once, and paths that lead to none."""
    found: dict[str, tuple[Path, Path]] = {}
    unusable = []
    for path in given:
        try:
            for image in image_paths([path], recursive):
                found.setdefault(os.path.realpath(image), (image, _root(path)))
        except ImageFileError as error:
            unusable.append((str(path), str(error)))
    return dict(found.values()), unusable


def _root(given: Path) -> Path:
    """Folder below which the images of a given path are found."""
    if given.is_dir():
        return given
    root = given.parent
    while glob.has_magic(str(root)) and not root.exists():
        root = root.parent
    return root


def _earlier_labels(image: Path, out: Path) -> bool:
    """True for labels that lie where this run writes its own."""
    return image.name.endswith(LABELS_ENDING) and Path(os.path.realpath(image)).is_relative_to(os.path.realpath(out))


def _name_results(images: dict[Path, Path], out: Path) -> list[PlannedFile]:
    """Name the results of images that were found below folders."""
    roots = {root: Path(os.path.realpath(root)) for root in set(images.values())}
    try:
        common = Path(os.path.commonpath(roots.values())) if roots else Path()
    except ValueError:  # on Windows, drives have nothing in common
        common = None
    folders = {}
    for image, root in images.items():
        base = roots[root].relative_to(common) if common else Path(*roots[root].parts[1:])
        folders[image] = out / base / image.parent.relative_to(root)
    # File systems may not tell upper case from lower case.
    same = Counter((str(folders[image]).casefold(), _stem(image).casefold()) for image in images)
    files = []
    taken: set[str] = set()
    for image, folder in folders.items():
        alone = same[str(folder).casefold(), _stem(image).casefold()] == 1
        stem = _stem(image) if alone else image.name.replace(".", "_")
        number = 2
        unique = stem
        while str(folder / unique).casefold() in taken:
            unique, number = f"{stem}_{number}", number + 1
        taken.add(str(folder / unique).casefold())
        files.append(PlannedFile.named(image, folder, unique))
    return files


def _stem(image: Path) -> str:
    """Name without its ending, which in ``a.ome.tif`` is all of ``.ome.tif``."""
    return image.stem[:-4] if image.stem.lower().endswith(".ome") else image.stem
