"""Match images and labels by name, as this program and others leave them beside each other.

``a.tif`` is matched by ``a.png`` in another folder, and in the same folder by ``a_labels.tif``, ``a_cp_masks.png``
(Cellpose), ``a_mask.tif``, ``a_seg.tif`` and their like, by ImageJ's ``a_rois.zip`` and ``a.roi.zip``, and by GeoJSON
such as ``a.geojson`` (QuPath).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from napari_unet_nuclei.core.errors import ImageFileError
from napari_unet_nuclei.core.files.text import composed
from napari_unet_nuclei.core.image.io.find import find_images, nothing_found
from napari_unet_nuclei.core.image.io.formats import IMAGE_SUFFIXES
from napari_unet_nuclei.core.image.outlines.geojson import GEOJSON_SUFFIX, PACKED_SUFFIX
from napari_unet_nuclei.core.image.outlines.imagej_rois import ROI_SUFFIX
from napari_unet_nuclei.core.image.outlines.read import ARCHIVE_SUFFIX, holds_outlines

LABELS_MARK = re.compile(
    r"[-_. ](?:cp[-_])?(?:masks?|labels?|seg|segmentation|instances|rois?|nuclei|cells)$", re.IGNORECASE
)
"""End of the name of labels that may lie beside their image; of label images, not the last three words."""

OUTLINES_MARK = re.compile(r"[-_. ](?:rois?|nuclei|cells)$", re.IGNORECASE)
"""What only outlines are called: an image may well be called ``nuclei``."""

PICTURE_MARK = re.compile(r"_(?:overlay|cp_output|cp_outlines|outlines|flows)$", re.IGNORECASE)
"""End of the name of pictures that this program and Cellpose draw beside an image: neither image nor labels."""

PICKLED_ENDING = "_seg.npy"
"""What Cellpose saves by itself: a pickle, which can run any code when it is opened."""

GEOJSON_IN_FOLDERS = (GEOJSON_SUFFIX, f"{GEOJSON_SUFFIX}{PACKED_SUFFIX}")
OUTLINE_ENDINGS = (ROI_SUFFIX, ARCHIVE_SUFFIX, *GEOJSON_IN_FOLDERS)
"""Of outlines in folders, where .json may be anything."""

MOST_NAMED = 5
"""Files named in one message."""


def plain_stem(path: Path) -> str:
    """Stem of a file, without ``.ome``, or ``.geojson`` before ``.gz``, too.

    Examples
    --------
    >>> plain_stem(Path("a.ome.tif")), plain_stem(Path("b.c.png"))
    ('a', 'b.c')
    """
    first = GEOJSON_SUFFIX if path.suffix.lower() == PACKED_SUFFIX else ".ome"
    return path.stem[: -len(first)] if path.stem.lower().endswith(first) else path.stem


def labels_stem(path: Path) -> str:
    """Name of the image that labels belong to if they lie beside it; empty if the file is not named like labels.

    Examples
    --------
    >>> names = ("a_cp_masks.png", "a.tif.geojson", "a.geojson.gz", "a_rois.zip", "a_nuclei.tif")
    >>> [labels_stem(Path(name)) for name in names]
    ['a', 'a', 'a', 'a', '']
    """
    stem = plain_stem(path)
    if _is_pickle(path):
        return path.name[: -len(PICKLED_ENDING)]
    if not _outlines(path):
        return "" if OUTLINES_MARK.search(stem) else _without(LABELS_MARK, stem)
    bare = _without(LABELS_MARK, stem) or stem
    # QuPath names a file after the image with its suffix.
    return plain_stem(Path(bare)) if Path(bare).suffix.lower() in IMAGE_SUFFIXES else bare


def is_beside_image(path: Path) -> bool:
    """Tell whether a file is named like labels, or like a picture of them, that another program leaves by an image."""
    return bool(labels_stem(path)) or PICTURE_MARK.search(plain_stem(path)) is not None


def image_files(folder: Path) -> dict[str, Path]:
    """List the images of a folder and its subfolders by the path below the folder without the suffix.

    Labels beside their image are left out. Raise ImageFileError if the folder cannot be opened, holds no image, or two
    images differ only in their suffix.
    """
    images, _ = _found_in(folder)
    named = [path for path in images if not is_beside_image(path)]
    # In a folder of their own, images may be called like labels.
    chosen = named or [path for path in images if not _is_pickle(path)]
    return _by_name(folder, [(pair_name(folder, path), path) for path in chosen])


def label_files(folder: Path) -> dict[str, Path]:
    """List the labels of a folder and its subfolders by the name of their image.

    Like `image_files`; images beside their labels are left out. Of one image, label images come before outlines, ImageJ
    ROIs before GeoJSON, and files of the image's own name last.
    """
    images, others = _found_in(folder)
    candidates = [path for path in (*images, *others) if not PICTURE_MARK.search(plain_stem(path))]
    ranked: dict[str, list[tuple[int, Path]]] = {}
    for path in candidates:
        stem = labels_stem(path)
        name = pair_name(folder, path.with_name(f"{stem}.x")) if stem else pair_name(folder, path)
        ranked.setdefault(name, []).append((_rank(path), path))
    best = []
    for name, files in ranked.items():
        first = min(rank for rank, _ in files)
        best += [(name, path) for rank, path in files if rank == first]
    if not best:
        raise ImageFileError(nothing_found([folder]))
    return _by_name(folder, best)


def outlines_among(paths: Iterable[Path]) -> list[Path]:
    """Return the files of outlines among files of a folder, where .json may be anything."""
    return [path for path in paths if _outlines(path) and holds_outlines(path)]


def pair_name(folder: Path, path: Path) -> str:
    """Path of a file below a folder, without its suffix, by which it is matched."""
    return composed((path.parent.relative_to(folder) / plain_stem(path)).as_posix())


def name_some(paths: Sequence[Path | str]) -> str:
    """List files, or other things, for a message, at most `MOST_NAMED` of them.

    Examples
    --------
    >>> name_some([Path("a.png")] * 7)
    'a.png, a.png, a.png, a.png, a.png and 2 more'
    """
    more = f" and {len(paths) - MOST_NAMED} more" if len(paths) > MOST_NAMED else ""
    return ", ".join(map(str, paths[:MOST_NAMED])) + more


def _found_in(folder: Path) -> tuple[list[Path], list[Path]]:
    """List images, and files of outlines; raise if there are neither, or the folder cannot be opened."""
    if folder.is_file():
        raise ImageFileError(f"{folder} is a file: give the folder that it lies in.")
    found = find_images([folder])
    for _, reason in found.refused:
        raise ImageFileError(reason)
    images = sorted(found.roots)
    others = outlines_among(sorted(found.passed_over))
    if not images and not others:
        raise ImageFileError(nothing_found([folder]))
    return images, others


def _by_name(folder: Path, named: Iterable[tuple[str, Path]]) -> dict[str, Path]:
    """Return files by name; raise if two have the same."""
    found: dict[str, Path] = {}
    for name, path in named:
        if name in found:
            differ = "differ only in their suffix" if found[name].stem == path.stem else f"both belong to '{name}'"
            raise ImageFileError(f"{found[name]} and {path} {differ}: keep one of them.")
        found[name] = path
    if not found:
        raise ImageFileError(nothing_found([folder]))
    return found


def _rank(path: Path) -> int:
    """Which of several labels of an image is taken: the one with the lowest rank."""
    if _outlines(path):
        return 2 if path.name.lower().endswith(GEOJSON_IN_FOLDERS) else 1
    if _is_pickle(path):  # refused when it is read, which is better than to take the image itself for labels
        return 3
    return 0 if labels_stem(path) else 4


def _is_pickle(path: Path) -> bool:
    return path.name.lower().endswith(PICKLED_ENDING)


def _outlines(path: Path) -> bool:
    """Tell by its name whether a file may be one of outlines."""
    return path.name.lower().endswith(OUTLINE_ENDINGS)


def _without(mark: re.Pattern[str], stem: str) -> str:
    """Return a stem without its mark; empty if it has none, or nothing else."""
    found = mark.search(stem)
    return stem[: found.start()] if found else ""
