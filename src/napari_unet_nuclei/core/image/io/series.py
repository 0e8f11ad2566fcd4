"""Choose among the images of one file or store: positions all, thumbnails and labels of slides never by themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from napari_unet_nuclei.core.errors import SeriesError
from napari_unet_nuclei.core.image.io.image_file import ImageHeader
from napari_unet_nuclei.core.image.io.read import read_headers

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
    headers = read_headers(path)
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
    if len(headers) == 1 and wanted.casefold() != headers[0].name.casefold():
        raise SeriesError(
            f"{path} holds a single image, so a choice of series ('{wanted}') has no effect on it: leave it out."
        )
    named = [number for number, header in enumerate(headers) if header.name.casefold() == wanted.casefold()]
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
