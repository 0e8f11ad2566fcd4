"""Find the image files that files, folders and patterns stand for."""

from __future__ import annotations

import glob
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from napari_unet_nuclei.core.errors import ImageFileError
from napari_unet_nuclei.core.files.regular import is_folder
from napari_unet_nuclei.core.files.text import on_disk
from napari_unet_nuclei.core.image.io.formats import IMAGE_SUFFIXES, content_format
from napari_unet_nuclei.core.image.io.ome_zarr import is_ome_zarr
from napari_unet_nuclei.core.image.io.plate_store import plate_images
from napari_unet_nuclei.core.image.io.zarr_store import ARCHIVE_SUFFIXES, address, is_remote


@dataclass(frozen=True)
class FoundImages:
    """The images that files, folders and patterns stand for."""

    roots: dict[Path, Path]  # for every image, once each, the folder in which it was searched
    refused: tuple[tuple[str, str], ...]  # paths that lead to no image, each with the reason
    passed_over: tuple[Path, ...] = ()  # visible files, in folders and patterns, that are no images read here


def find_images(paths: Sequence[Path], recursive: bool = True) -> FoundImages:
    """Find image files, sorted within a folder or pattern; record what cannot be found or opened, and go on.

    Files are taken as given. In folders and patterns (``*``, ``?``, ``[...]``, ``**``), OME-Zarr images and files that
    are images by content or suffix are taken; the others are passed over, hidden ones without a word. Links between
    folders are followed; each folder is entered once.
    """
    found: dict[str, tuple[Path, Path]] = {}
    refused: list[tuple[str, str]] = []
    passed_over: list[Path] = []
    for given in map(on_disk, paths):
        root = _root(given)
        for image in sorted(_meant_by(given, recursive, refused, passed_over)):
            # By its real path, an image reached through a link or named twice is taken once.
            found.setdefault(os.path.realpath(image), (image, root))
    others = [path for path in dict.fromkeys(passed_over) if os.path.realpath(path) not in found]
    return FoundImages(dict(found.values()), tuple(refused), tuple(others))


def image_paths(paths: Sequence[Path], recursive: bool = True) -> list[Path]:
    """List image files, sorted and once each, like `find_images`; but raise if any cannot be found.

    Raise ImageFileError if a path does not exist, a pattern matches nothing, a folder cannot be opened, or no image is
    found at all.
    """
    found = find_images(sorted(paths), recursive)
    for _, reason in found.refused:
        raise ImageFileError(reason)
    if not found.roots:
        raise ImageFileError(nothing_found(paths))
    return sorted(found.roots)


def nothing_found(paths: Sequence[Path]) -> str:
    """Message that no image was found, and what counts as one."""
    places = ", ".join(str(path) for path in paths) or "an empty list"
    return f"No image found in {places}. Images end in {', '.join(sorted(IMAGE_SUFFIXES))}."


def is_plain_folder(path: Path) -> bool:
    """Return whether a path is a folder of files, not an OME-Zarr image."""
    return is_folder(path) and not is_ome_zarr(path)


def _root(given: Path) -> Path:
    """Folder in which the images of a given path are searched."""
    if is_plain_folder(given):
        return given
    root = given.parent
    # The last real folder before the wildcards: results mirror the folders below it.
    while glob.has_magic(str(root)) and not root.exists():
        root = root.parent
    return root


def _meant_by(path: Path, recursive: bool, refused: list[tuple[str, str]], passed_over: list[Path]) -> Iterator[Path]:
    """Yield the images that one given path stands for."""
    if is_remote(path):
        yield from _images_at(path, refused)
    elif is_ome_zarr(path):
        yield from _images_of_store(path, refused)
    elif is_folder(path):
        yield from _images_in(path, recursive, refused, passed_over)
    elif os.path.lexists(path):
        yield path
    elif glob.has_magic(str(path)):
        matches = _matches(path, refused)
        if not matches:
            refused.append((str(path), f"Nothing matches {path}: check the pattern."))
        for match in matches:
            if is_ome_zarr(match):
                yield from _images_of_store(match, refused)
            elif match.is_dir():
                yield from _images_in(match, recursive, refused, passed_over)
            else:
                yield from _images_among([match], passed_over)
    else:
        refused.append((str(path), f"{path} does not exist: check the name."))


def _images_at(path: Path, refused: list[tuple[str, str]]) -> Iterator[Path]:
    """Yield the image, or the images of a plate, at an address."""
    try:
        if is_ome_zarr(path):
            yield from _images_of_store(path, refused)
        else:
            reason = f"There is no OME-Zarr image at {address(path)}: check the address. Download files of other kinds."
            refused.append((address(path), reason))
    except ImageFileError as error:
        refused.append((address(path), str(error)))


def _images_of_store(path: Path, refused: list[tuple[str, str]]) -> Iterator[Path]:
    """Yield an OME-Zarr image, or all fields of a plate or of one of its wells."""
    try:
        images = plate_images(path)
    except ImageFileError as error:
        refused.append((str(path), str(error)))
        return
    if images is None:
        yield path
        return
    for image in images:
        if is_ome_zarr(image):
            yield image
        else:
            reason = f"{image} is listed in its plate but not there, or not whole: copy the plate again."
            refused.append((str(image), reason))


def _matches(pattern: Path, refused: list[tuple[str, str]]) -> list[Path]:
    """Expand a pattern. ``**`` is expanded here: Python's own ``**`` would follow loops of links forever."""
    if "**" not in pattern.parts:
        return [Path(match) for match in glob.glob(str(pattern))]  # noqa: PTH207  # Path.glob takes no absolute pattern
    place = pattern.parts.index("**")
    starts = _matches(Path(*pattern.parts[:place]), refused) if place else [Path()]
    # A pattern that ends in ** stands for everything below.
    rest = pattern.parts[place + 1 :] or ("*",)
    folders = [folder for start in starts for folder, _, _ in _folders_in(start, True, refused)]
    found = [match for folder in folders for match in _matches(Path(glob.escape(str(folder)), *rest), refused)]
    # Several ** can lead to the same file.
    return list(dict.fromkeys(found))


def _images_in(
    folder: Path, recursive: bool, refused: list[tuple[str, str]], passed_over: list[Path]
) -> Iterator[Path]:
    """Yield the images in a folder."""
    for place, stores, names in _folders_in(folder, recursive, refused):
        for name in stores:
            yield from _images_of_store(place / name, refused)
        yield from _images_among((place / name for name in sorted(names)), passed_over)


def _images_among(files: Iterable[Path], passed_over: list[Path]) -> Iterator[Path]:
    """Yield the images among visible files, and note the others."""
    for path in files:
        if path.name.startswith(".") or not _may_be_file(path):
            continue
        if _is_image(path):
            yield path
        else:
            passed_over.append(path)


def _folders_in(
    folder: Path, recursive: bool, refused: list[tuple[str, str]]
) -> Iterator[tuple[Path, list[str], list[str]]]:
    """Yield a folder and its subfolders, each with its OME-Zarr images and its files.

    Hidden folders and insides of stores are skipped; links are followed, and each folder is entered once.
    """

    def refuse(error: OSError) -> None:
        reason = f"{error.filename} cannot be opened ({error.strerror}): check your permissions."
        refused.append((str(error.filename), reason))

    entered = {os.path.realpath(folder)}
    for place, subfolders, names in os.walk(folder, onerror=refuse, followlinks=True):
        visible = [name for name in sorted(subfolders) if not name.startswith(".")]
        stores = [name for name in visible if is_ome_zarr(Path(place, name))]
        # os.walk goes on into what is put back into this list.
        subfolders.clear()
        for name in visible if recursive else ():
            target = os.path.realpath(Path(place, name))
            if name not in stores and not name.endswith(".zarr") and target not in entered:
                entered.add(target)
                subfolders.append(name)
        archives = [name for name in names if Path(name).suffix.lower() in ARCHIVE_SUFFIXES]
        stores += [name for name in archives if not name.startswith(".") and is_ome_zarr(Path(place, name))]
        yield Path(place), stores, [name for name in names if name not in stores]


def _is_image(path: Path) -> bool:
    """Tell whether a file is read as an image: by its suffix, or where that is unusual, by its content."""
    if path.suffix.lower() in IMAGE_SUFFIXES:
        return True  # without opening it: on a server, that takes long
    try:
        return content_format(path) is not None
    except OSError:
        return False


def _may_be_file(path: Path) -> bool:
    """False only for what is certainly not a file: a folder, a device. A dead link gets its message on reading."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except FileNotFoundError:
        return path.is_symlink()
    except OSError:  # not permitted, or circular links: reading it will say so
        return True
