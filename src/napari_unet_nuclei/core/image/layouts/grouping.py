"""Group files into images by their names: which channel, plane and time point of which image a file holds."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path

from napari_unet_nuclei.core.errors import SettingsError
from napari_unet_nuclei.core.image.channels import NUCLEAR_NAMES
from napari_unet_nuclei.core.image.io.pairs import name_some
from napari_unet_nuclei.core.image.layouts.harmony_index import read_harmony_index
from napari_unet_nuclei.core.image.layouts.pattern import JOINED, NamePattern, matches, read_pattern
from napari_unet_nuclei.core.image.layouts.presets import PRESETS, without_thumbnail_mark
from napari_unet_nuclei.core.image.layouts.split_image import BY_THEMSELVES, Member, SplitImage
from napari_unet_nuclei.core.image.plates import PlateField, split_well
from napari_unet_nuclei.core.quantity import quantity

AUTOMATIC, NONE = "automatic", "none"
"""How files are grouped that nobody has said anything about; and not at all."""

_NOT_THE_PLATE = re.compile(r"images?|tif+s?|timepoint_\d+|zstep_\d+", re.IGNORECASE)
"""Folders between a plate's own and its files."""

_OME = re.compile(r"\.ome\.tiff?$", re.IGNORECASE)

_SEPARATORS = " _-."

_MOST_NAMED = 5
"""Missing parts that one message names."""


@dataclass(frozen=True)
class Grouping:
    """Files grouped into images.

    Attributes
    ----------
    images : tuple of SplitImage
    alone : tuple of Path
        Files that are images of their own.
    told : tuple of str
        What was taken for what, in words for the user.
    """

    images: tuple[SplitImage, ...] = ()
    alone: tuple[Path, ...] = ()
    told: tuple[str, ...] = ()


def group_files(roots: Mapping[Path, Path], channels: str = AUTOMATIC) -> Grouping:
    """Group files by what their names say.

    Parameters
    ----------
    roots : mapping of Path to Path
        For each file the folder in which it was searched.
    channels : str
        A pattern as `read_pattern` takes it, the name of one of `PRESETS`, ``"automatic"`` for whichever of these the
        names fit, or ``"none"`` to leave every file by itself.

    Raises
    ------
    SettingsError
        If the pattern cannot be understood, or fits no file.
    """
    if channels == NONE:
        return Grouping(alone=tuple(roots))
    if channels == AUTOMATIC:
        return _recognise(roots)
    pattern = PRESETS.get(channels) or read_pattern(channels)
    found = _find(pattern, roots)
    if not found.named:
        raise SettingsError(
            f"No file has a name like '{channels}'; the first is {next(iter(roots)).name}. A pattern fits the whole "
            "name, * stands for anything."
        )
    told = _told(pattern, found)
    rest = [path for path in roots if path not in found.taken]
    if rest:
        fits = "name does not fit and is" if len(rest) == 1 else "names do not fit and are"
        told += (f"{len(rest):,} {fits} left out: {_names(rest)}.",)
    return Grouping(tuple(_images(found)), (), told)


def _recognise(roots: Mapping[Path, Path]) -> Grouping:
    """Group the files whose names are known by heart; the others are images of their own."""
    images: list[SplitImage] = []
    told: list[str] = []
    rest = dict(roots)
    for pattern in PRESETS.values():
        found = _find(pattern, rest)
        if not pattern.certain:
            found = _believable(found, pattern.nuclear)
        if not found.named:
            continue
        images += _images(found)
        told += _told(pattern, found)
        rest = {path: root for path, root in rest.items() if path not in found.taken}
    if images and rest:
        are = (
            "file has another name and is an image of its own"
            if len(rest) == 1
            else "files have other names and are images of their own"
        )
        told.append(f"{len(rest):,} {are}: {_names(list(rest))}.")
    if images:
        told.append(BY_THEMSELVES)
    return Grouping(tuple(images), tuple(rest), tuple(told))


@dataclass(frozen=True)
class _Named:
    """What the name of a file says."""

    image: tuple[str, ...]  # what files of the same image have in common
    name: Path  # of the image
    member: Member
    place: PlateField | None


@dataclass(frozen=True)
class _Found:
    """Files that fit a pattern, and the thumbnails among them."""

    named: dict[Path, _Named] = field(default_factory=dict)
    thumbnails: tuple[Path, ...] = ()
    projections: tuple[Path, ...] = ()  # of stacks whose planes are there as well

    @property
    def taken(self) -> set[Path]:
        """All files whose names were understood."""
        return {*self.named, *self.thumbnails, *self.projections}

    @property
    def groups(self) -> dict[tuple[str, ...], list[_Named]]:
        """The files by image."""
        groups = defaultdict(list)
        for one in self.named.values():
            groups[one.image].append(one)
        return groups


def _find(pattern: NamePattern, roots: Mapping[Path, Path]) -> _Found:
    """Find the files whose names fit a pattern."""
    # With the name of the folder itself, which may be the channel's, or the plate's.
    paths = {
        path: path.relative_to(root.parent) if root.name else path.relative_to(root) for path, root in roots.items()
    }
    texts = {path: short.with_name(without_thumbnail_mark(short.name)).as_posix() for path, short in paths.items()}
    named, thumbnails = {}, []
    for (path, text), spans in zip(texts.items(), matches(pattern, list(texts.values())), strict=True):
        if spans is None:
            continue
        if Path(text).name == path.name:
            named[path] = _said(path, text, spans)
        else:
            thumbnails.append(path)
    return _without_projections(_Found(named, tuple(thumbnails)))


def _without_projections(found: _Found) -> _Found:
    """Set files aside that are no plane of a stack whose planes have files of their own."""
    stacks = {image for image, files in found.groups.items() if any(one.member.plane for one in files)}
    aside = dict.fromkeys(path for path, one in found.named.items() if one.image in stacks and not one.member.plane)
    named = {path: one for path, one in found.named.items() if path not in aside}
    return replace(found, named=named, projections=tuple(aside))


def _said(path: Path, text: str, spans: Mapping[str, tuple[int, int]]) -> _Named:
    """Read what the name of a file says, of which the places are known."""
    said = {name: text[start:stop] for name, (start, stop) in spans.items()}
    folder = path.parents[text.removeprefix(said.pop("folder", "")).count("/")]
    removed = {name: (_start(text, *spans[name]), spans[name][1]) for name in JOINED if name in spans}
    channel = text[slice(*removed["channel"])].strip(_SEPARATORS) if "channel" in removed else ""
    kept = {name: value for name, value in said.items() if name not in JOINED}
    place = _place(folder, kept)
    image = (str(folder), *(f"{name} {kept[name]}" for name in sorted(kept)))
    end = max(stop for name, (_, stop) in spans.items() if name != "folder")
    name = _left(text, text.rfind("/") + 1, end, list(removed.values()))
    if place is not None and name.count("(") != name.count(")"):
        name = f"{place.well}_f{place.field}"
    member = Member(path, channel, said.get("plane", ""), said.get("time", ""))
    return _Named(image, folder / (name or folder.name), member, place)


def _start(text: str, start: int, stop: int) -> int:
    """Where a place begins: a number with the letters before it, for people call a channel w1 and not 1."""
    if text[start:stop].isdecimal():
        while start > 0 and text[start - 1].isalpha():
            start -= 1
    return start


def _left(text: str, start: int, end: int, removed: Sequence[tuple[int, int]]) -> str:
    """What of a text is left without some stretches, and without the separators that stood around them."""
    kept = [place for place in range(start, end) if not any(first <= place < last for first, last in removed)]
    return re.sub(r"([-_. ])[-_. ]+", r"\1", "".join(text[place] for place in kept)).strip(_SEPARATORS)


def _place(folder: Path, said: Mapping[str, str]) -> PlateField | None:
    """Where on a plate an image was taken; None where its name does not tell."""
    plate, field_name = said.get("plate", ""), re.sub(r"^0+(?=.)", "", said.get("field", ""))
    if not plate:
        above = [one for one in (folder, *folder.parents) if not _NOT_THE_PLATE.fullmatch(one.name)]
        plate = above[0].name
    if {"row", "column"} <= set(said):
        return PlateField.at(plate, said["row"], said["column"], field_name)
    well = split_well(said.get("well", ""))
    if well is not None:
        return PlateField.at(plate, *well, field_name)
    return PlateField(plate, f"W{said['spot']}", "", "", field_name) if "spot" in said else None


def _believable(found: _Found, nuclear: bool) -> _Found:
    """Of names that other files may have as well, those of folders in which several files belong to one image."""
    # An OME-TIFF says itself which files it belongs with.
    found = _Found({path: one for path, one in found.named.items() if not _OME.search(path.name)})
    folders = {files[0].image[0] for files in found.groups.values() if _belong_together(files, nuclear)}
    return _Found({path: one for path, one in found.named.items() if one.image[0] in folders})


def _belong_together(files: Sequence[_Named], nuclear: bool) -> bool:
    """True for files that differ in channel or plane, one of them of nuclei where that is asked for."""
    channels, planes = {one.member.channel for one in files}, {one.member.plane for one in files}
    shown = not nuclear or any(NUCLEAR_NAMES.search(channel) for channel in channels)
    return shown and max(len(channels), len(planes)) > 1


def _images(found: _Found) -> list[SplitImage]:
    """Make images of their files."""
    # What is missing of an image is told by the others of its folder.
    folders: dict[str, list[list[_Named]]] = defaultdict(list)
    for image, files in found.groups.items():
        folders[image[0]].append(files)
    images = [
        replace(image, index=index)
        for folder, groups in folders.items()
        for index in [read_harmony_index(Path(folder))]
        for image in _of_folder(groups)
    ]
    return [replace(image, path=path) for image, path in zip(images, _unique(images), strict=True)]


def _unique(images: Sequence[SplitImage]) -> Iterator[Path]:
    """Yield the paths of images, each another one: what sets two apart may be lost in their short names."""
    taken: set[Path] = set()
    for image in images:
        path, number = image.path, 2
        while path in taken:
            path, number = image.path.with_name(f"{image.path.name}_{number}"), number + 1
        taken.add(path)
        yield path


def _of_folder(groups: Sequence[Sequence[_Named]]) -> list[SplitImage]:
    every = [one.member for files in groups for one in files]
    known = _parts(every)
    images = []
    for files in groups:
        members = [one.member for one in files]
        there = _parts(members)
        gone = [
            f"{what} {', '.join(part for part in all_parts if part not in parts)}"
            for what, all_parts, parts in zip(("time", "plane", "channel"), known, there, strict=True)
            if len(parts) < len(all_parts)
        ]
        warnings: tuple[str, ...] = (f"Missing, but there in other images: {'; '.join(gone)}.",) if gone else ()
        warnings += tuple(
            f"The files skip {what} {skipped}: those beside it are taken as neighbours."
            for what, parts in (("time point", there[0]), ("plane", there[1]))
            for skipped in _skipped(parts)
        )
        members.sort(key=lambda one: tuple(_natural(part) for part in (one.time, one.plane, one.channel)))
        image = SplitImage(files[0].name, tuple(members), *there, known[2], files[0].place, "", warnings)
        images.append(replace(image, problem=_problem(image)))
    return images


def _parts(members: Sequence[Member]) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """Time points, planes and channels that there are, in their order."""
    times, planes, channels = (
        tuple(sorted({getattr(one, what) for one in members}, key=_natural)) for what in ("time", "plane", "channel")
    )
    return times, planes, channels


def _skipped(parts: Sequence[str]) -> Iterator[str]:
    """Yield the gaps in numbers that otherwise follow one another by the same step; by 1 where there are only two.

    Examples
    --------
    >>> list(_skipped(["1", "2", "5"])), list(_skipped(["00", "10", "20"])), list(_skipped(["1", "3"]))
    (['3 to 4'], [], ['2'])
    """
    if not all(part.isdecimal() for part in parts):
        return
    numbers = [int(part) for part in parts]
    step = min((other - one for one, other in pairwise(numbers)), default=1) if len(numbers) > 2 else 1
    for one, other in pairwise(numbers):
        first, last = one + step, other - step
        if first <= last:
            yield str(first) if first == last else f"{first} to {last}"


def _natural(text: str) -> list[tuple[int, str]]:
    """Order in which people count: 2 before 10."""
    return [(int(part), "") if part.isdecimal() else (-1, part.casefold()) for part in re.split(r"(\d+)", text)]


def _problem(image: SplitImage) -> str:
    """Say why files do not make an image: two for the same part, or none."""
    parts = Counter((one.time, one.plane, one.channel) for one in image.members)
    for part, count in parts.items():
        if count > 1:
            names = [one.path.name for one in image.members if (one.time, one.plane, one.channel) == part]
            return (
                f"{' and '.join(names[:2])} are the same part of one image by their names. Remove one of them, or let "
                "the pattern tell what they differ in."
            )
    gone = [
        _part_text(time, plane, channel)
        for time in image.times
        for plane in image.planes
        for channel in image.channels
        if (time, plane, channel) not in parts
    ]
    if gone:
        more = f" and {len(gone) - _MOST_NAMED} more" if len(gone) > _MOST_NAMED else ""
        return f"files are missing: {'; '.join(gone[:_MOST_NAMED])}{more}. Copy them again, or take them away as well."
    return ""


def _part_text(time: str, plane: str, channel: str) -> str:
    said = {"time": time, "plane": plane, "": channel}
    return " ".join(f"{what} {value}".strip() for what, value in said.items() if value)


def _told(pattern: NamePattern, found: _Found) -> tuple[str, ...]:
    """Say what was taken for what."""
    images = found.groups
    times, planes, channels = _parts([one.member for one in found.named.values()])
    parts = f" of {quantity(len(channels), 'channel')} ({', '.join(channels)})" if any(channels) else ""
    parts += f", {quantity(len(planes), 'plane')}" if len(planes) > 1 else ""
    parts += f", {quantity(len(times), 'time point')}" if len(times) > 1 else ""
    names = f"like {pattern.title}" if pattern.asked else f"as of {pattern.title}"
    are = "is" if len(found.named) == 1 else "are"
    told = [f"Names {names}: {quantity(len(found.named), 'file')} {are} {quantity(len(images), 'image')}{parts}."]
    if found.thumbnails:
        are = "thumbnail is" if len(found.thumbnails) == 1 else "thumbnails are"
        told.append(f"{len(found.thumbnails):,} {are} left out.")
    if found.projections:
        told.append(f"Left out beside their planes: {quantity(len(found.projections), 'projection')}.")
    return tuple(told)


def _names(paths: Sequence[Path]) -> str:
    return name_some([Path(path.name) for path in paths])
