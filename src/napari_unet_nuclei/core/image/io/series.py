"""Choose among the images of one file or store: positions all, thumbnails and labels of slides never by themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from napari_unet_nuclei.core.errors import SeriesError
from napari_unet_nuclei.core.files.regular import is_file
from napari_unet_nuclei.core.files.text import comparable
from napari_unet_nuclei.core.image.io.formats import format_of
from napari_unet_nuclei.core.image.io.image_file import ImageHeader
from napari_unet_nuclei.core.image.io.pairs import name_some
from napari_unet_nuclei.core.image.io.read import read_headers
from napari_unet_nuclei.core.image.outlines.read import holds_outlines

Place: TypeAlias = tuple[Path, int | None]
"""File and number of an image, as `read_image` takes them."""

ALL = "all"
"""Choice of every image that is to be segmented."""


@dataclass(frozen=True)
class ChosenSeries:
    """Images chosen among those of a file or store.

    Attributes
    ----------
    images : tuple of ImageHeader
    names : tuple of str
        Of each image within its file, no two alike; empty of the only picture in a file.
    listed : tuple of str
        Number, name, size and purpose of every image in the file, in its order.
    others : tuple of str
        The same of those that are not chosen.
    consumed : frozenset of Path
        Files that hold nothing but planes of images in this list.
    """

    images: tuple[ImageHeader, ...]
    names: tuple[str, ...]
    listed: tuple[str, ...]
    others: tuple[str, ...]
    consumed: frozenset[Path] = frozenset()


def choose_series(path: Path, wanted: str = "") -> ChosenSeries:
    """Choose images of a file or store.

    Parameters
    ----------
    path : Path
    wanted : str
        Number (from 0) or name of an image; ``"all"``; or empty for all images where they are alike, as positions of
        one acquisition are, and otherwise for the first. Thumbnails and labels of slides are chosen only by number or
        name.

    Raises
    ------
    SeriesError
        If the file has no such image, or holds only one, so that a choice would have no effect.
    ImageFileError
        If the file cannot be read.
    """
    return _chosen(path, read_headers(path), wanted)


@dataclass(frozen=True)
class InStep:
    """Images of several files that belong together.

    Attributes
    ----------
    name : str
        Of the image within its file; empty where no file holds several pictures.
    places : tuple of Place
        Of the image in each of the files.
    """

    name: str
    places: tuple[Place, ...]


def choose_in_step(paths: Sequence[Path], wanted: str = "") -> tuple[tuple[InStep, ...], tuple[str, ...]]:
    """Choose images of files that belong together: labels and their image, predicted labels and true ones.

    Parameters
    ----------
    paths : sequence of Path
        Images, labels as images, or outlines.
    wanted : str
        As `choose_series` takes it, for every file that holds several images.

    Returns
    -------
    tuple of InStep
        The first of each file, the second of each, ...
    tuple of str
        What is left out, in sentences.

    Raises
    ------
    SeriesError
        If none of the files holds several images, so that a choice would have no effect; if one has no such image; or
        if one holds more of them than another, so that it is open which belong together.
    ImageFileError
        If a file cannot be read.
    """
    found = [(path, _several(path)) for path in paths]
    if wanted and all(len(headers) < 2 for _, headers in found):
        what = "holds a single image" if len(paths) == 1 else "hold a single image each"
        raise SeriesError(
            f"{' and '.join(map(str, paths))} {what}, so a choice of series ('{wanted}') has no effect: leave it out."
        )
    chosen = [_chosen(path, headers, wanted if len(headers) > 1 else "") for path, headers in found if headers]
    places: list[tuple[Place, ...]] = [tuple((header.path, header.series) for header in one.images) for one in chosen]
    single: list[tuple[Place, ...]] = [((path, None),) for path, headers in found if not headers]
    most, fewest = (pick((*places, *single), key=len) for pick in (max, min))
    if len(most) != len(fewest):
        listed = next(one.listed for one in chosen if len(one.images) == len(most))
        raise SeriesError(
            f"{most[0][0]} holds {len(most)} images ({'; '.join(listed)}), and {fewest[0][0]} {len(fewest)}: choose "
            "the one that belongs to it by its number or name (series)."
        )
    numbered = iter(places)
    each = [next(numbered) if headers else ((path, None),) for path, headers in found]
    names = next((one.names for one in chosen if any(one.names)), ("",) * len(most))
    left = tuple(
        f"Left out, of {one.images[0].path}: {name_some(one.others)}. Choose them by their series."
        for one in chosen
        if one.others
    )
    return tuple(map(InStep, names, zip(*each, strict=True))), left


def _several(path: Path) -> tuple[ImageHeader, ...]:
    """Return the headers of a file that may hold several images; none of a picture, an array or outlines."""
    is_one = holds_outlines(path) or (is_file(path) and format_of(path) in ("picture", "numpy"))
    return () if is_one else read_headers(path)


def _chosen(path: Path, headers: Sequence[ImageHeader], wanted: str) -> ChosenSeries:
    """Choose among the images of a file, as `choose_series` says."""
    numbered = list(enumerate(headers))
    pictures = [one for one in numbered if not one[1].what] or numbered
    if wanted and wanted.casefold() != ALL:
        chosen = [_named(path, headers, wanted.strip())]
    elif wanted or _are_alike([header for _, header in pictures]):
        chosen = [number for number, _ in pictures]
    else:
        chosen = [pictures[0][0]]
    alone = [number for number, _ in pictures] == chosen and len(chosen) == 1
    names = ("",) if alone else tuple(_distinct_name(headers, number) for number in chosen)
    listed = tuple(_described(*one) for one in numbered)
    others = tuple(text for number, text in enumerate(listed) if number not in chosen)
    consumed = frozenset[Path]().union(*(header.consumed for header in headers))
    return ChosenSeries(tuple(headers[number] for number in chosen), names, listed, others, consumed)


def _distinct_name(headers: Sequence[ImageHeader], number: int) -> str:
    """Name of an image that no other of the file has: its own, or its number, or both."""
    name = headers[number].name.strip()
    if not name:
        return str(number)
    same = sum(header.name.strip().casefold() == name.casefold() for header in headers)
    return name if same == 1 else f"{name} {number}"


def _named(path: Path, headers: Sequence[ImageHeader], wanted: str) -> int:
    """Find an image by number or name."""
    if len(headers) == 1 and comparable(wanted) != comparable(headers[0].name):
        raise SeriesError(
            f"{path} holds a single image, so a choice of series ('{wanted}') has no effect on it: leave it out."
        )
    named = [number for number, header in enumerate(headers) if comparable(header.name) == comparable(wanted)]
    if len(named) == 1:
        return named[0]
    if wanted.isdecimal() and int(wanted) < len(headers):
        return int(wanted)
    many = "more than one image" if named else "no image"
    listed = "; ".join(_described(number, header) for number, header in enumerate(headers))
    raise SeriesError(f"{path} has {many} '{wanted}'. It holds {listed}.")


def _are_alike(headers: Sequence[ImageHeader]) -> bool:
    """True for images of one kind, whatever their sizes: positions, scenes, fields."""
    kinds = set()
    for header in headers:
        lengths = dict(zip(header.axes, header.shape, strict=True))
        kinds.add((header.dtype, "".join(sorted(header.axes)), lengths.get("C"), lengths.get("S")))
    return len(kinds) == 1


def _described(number: int, header: ImageHeader) -> str:
    """Describe an image in words: "2 'Pos2' (3 × 512 × 512)"."""
    name = f" '{header.name}'" if header.name and header.name != str(number) else ""
    what = f", a {header.aside}" if header.aside else ""
    return f"{number}{name} ({' × '.join(map(str, header.shape))}{what})"
