"""Find the images of OME-TIFF files, whose metadata may speak of planes and positions in other files.

Microscopes write one file for each position, plane or channel, and into each of them the metadata of all; or into a
``companion.ome`` beside them. Here every image is told its own planes, wherever they are, and files that were renamed
are found by their UUID. tifffile then reads the image by metadata that are rewritten so.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TypeAlias
from xml.etree import ElementTree

from tifffile import TiffFile, TiffFileError

from napari_unet_nuclei.core.errors import ImageFileError
from napari_unet_nuclei.core.image.io.formats import format_of
from napari_unet_nuclei.core.image.io.missing import missing_planes
from napari_unet_nuclei.core.image.io.pairs import name_some
from napari_unet_nuclei.core.image.io.tiff.flex import flex_as_ome
from napari_unet_nuclei.core.image.io.tiff.metadata import suffix_flags

COMPANION_SUFFIX = ".ome"
"""Suffix of files that hold metadata alone."""

_LARGEST_SHARE = 100
"""How many times as large as its page a plane may be said to be: some programs give the size of a whole mosaic."""

LARGEST_COMPANION = 512 * 2**20
"""Bytes; the metadata of the largest plates take a tenth of that."""

_LETTERS = "TCZ"

_Planes: TypeAlias = dict[tuple[int, ...], tuple[Path, int]]
"""File and page of every plane of an image, by its index along `_LETTERS`."""

_Described: TypeAlias = tuple[ElementTree.Element, _Planes]


@dataclass(frozen=True)
class OmeImage:
    """One image of an OME-TIFF file.

    Attributes
    ----------
    path : Path
        The file of its first plane, which stands for the image.
    series : int
        Which of the images of that file it is.
    members : tuple of Path
        All files that hold planes of it.
    consumed : frozenset of Path
        Those that hold no planes but of it and the images listed with it; none if it is all in one file.
    remarks : tuple of str
        What of it was never taken or is lost, in words.
    """

    path: Path
    series: int
    members: tuple[Path, ...]
    consumed: frozenset[Path]
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class OmeFile:
    """The images with planes in one file, and the metadata by which tifffile reads those that the file stands for."""

    images: tuple[OmeImage, ...]
    xml: str
    source: Path  # the file with the original metadata


def read_ome(path: Path) -> OmeFile | None:
    """Find the images with planes in a file; None if it is no OME-TIFF, or the metadata do not say.

    Raises
    ------
    ImageFileError
        If the metadata are in another file, or speak of other files, and none of those is there.
    """
    found = _metadata(path)
    if found is None:
        return None
    root, source = found
    files = _Files(source, root)
    described = [(element, _planes(element, files)) for element in root.findall("{*}Image")]
    described = [(element, planes) for element, planes in described if planes]
    own = described if path.suffix.lower() == COMPANION_SUFFIX else _touching(described, path)
    if not own and not described and not files.lost:
        return None
    if not own:
        raise ImageFileError(
            f"{path} has metadata of a set of files, {name_some(sorted(files.names))}, but not of itself. "
            "Put the files of the set into one folder, under the names that they had."
        )
    for element, planes in own:
        _check_size(path, element, planes)
    listed = [element for element, _ in own]
    elsewhere = {file for element, planes in described if element not in listed for file, _ in planes.values()}
    images = tuple(_image(element, planes, described, elsewhere) for element, planes in own)
    return OmeFile(images, _rewritten(root, own, path), source)


def member_files(path: Path) -> tuple[Path, ...]:
    """List the files that an image or its metadata are in, for which one stands; the path alone where that is all."""
    try:
        found = read_ome(path) if format_of(path) == "tiff" else None
    # Reading it will say so. Before version 2025.12, tifffile's own error is no ValueError.
    except (ImageFileError, TiffFileError, OSError, ValueError):
        found = None
    if found is None:
        return (path,)
    return tuple(sorted({found.source, *(member for image in found.images for member in image.members)}))


def _touching(described: Sequence[_Described], path: Path) -> list[_Described]:
    """Those images of which a plane lies in one file."""
    return [(element, planes) for element, planes in described if any(file == path for file, _ in planes.values())]


def _image(
    element: ElementTree.Element, planes: _Planes, described: Sequence[_Described], elsewhere: set[Path]
) -> OmeImage:
    first = planes[min(planes)][0]
    # Numbered as in the listing of its first file, under which it is known from now on.
    number = next(at for at, (other, _) in enumerate(_touching(described, first)) if other is element)
    members = tuple(dict.fromkeys(file for _, (file, _) in sorted(planes.items())))
    consumed = frozenset(members) - elsewhere if len(members) > 1 else frozenset()
    return OmeImage(first, number, members, consumed, tuple(missing_planes(_declared(element), planes)))


def _metadata(path: Path) -> tuple[ElementTree.Element, Path] | None:
    """Return the metadata that tell of a file, and the file that they are in; None where there are none."""
    text = _own_xml(path)
    root = _parsed(text) if text else None
    if root is None:
        return None
    pointer = root.find("{*}BinaryOnly")
    if pointer is None:
        return root, path
    name, uuid = pointer.get("MetadataFile", ""), pointer.get("UUID", "")
    master = _named(path.parent, name) or _with_uuid(path.parent, uuid)
    text = _own_xml(master) if master is not None else None
    root = _parsed(text) if text else None
    if master is None or root is None:
        raise ImageFileError(
            f"{path} has its metadata in {name or 'another file'}, which is not beside it: put that file there."
        )
    return root, master


def _own_xml(path: Path) -> str | None:
    """Return the OME-XML in a file, or what Opera says of its pages in OME's words."""
    if path.suffix.lower() == COMPANION_SUFFIX:
        if path.stat().st_size > LARGEST_COMPANION:
            raise ImageFileError(f"{path} is too large for metadata: it may be damaged.")
        return path.read_text(encoding="utf-8-sig")
    with TiffFile(path, **suffix_flags(path)) as tif:
        return tif.ome_metadata or flex_as_ome(tif)


def _parsed(text: str) -> ElementTree.Element | None:
    try:
        return ElementTree.fromstring(text)
    except ElementTree.ParseError:
        return None


def _declared(element: ElementTree.Element) -> dict[str, int]:
    """Return how many time points, channels (of one page each) and planes an image was to have."""
    pixels = element.find("{*}Pixels")
    assert pixels is not None, "images without are left out"
    sizes = {letter: int(pixels.get(f"Size{letter}", 1)) for letter in _LETTERS}
    channel = pixels.find("{*}Channel")
    samples = int(channel.get("SamplesPerPixel", 1)) if channel is not None else 1
    return sizes | {"C": max(sizes["C"] // max(samples, 1), 1)}


def _check_size(path: Path, element: ElementTree.Element, planes: _Planes) -> None:
    """Raise if a plane is said to be far larger than its page: tifffile would make up the rest, whatever its size."""
    pixels = element.find("{*}Pixels")
    assert pixels is not None, "images without are left out"
    width, height, channels = (int(pixels.get(f"Size{letter}", 1)) for letter in "XYC")
    there = _about(planes[min(planes)][0]).values
    if width * height * (channels // _declared(element)["C"]) > _LARGEST_SHARE * there > 0:
        raise ImageFileError(
            f"{path} says that its planes have {width:,} × {height:,} pixels, but its pages hold {there:,} values: it "
            "is damaged. Copy or export it again."
        )


def _planes(element: ElementTree.Element, files: _Files) -> _Planes:
    """Find the page of every plane that an image has, by its index."""
    pixels = element.find("{*}Pixels")
    if pixels is None:
        return {}
    sizes = _declared(element)
    # The order in which planes follow one another where a record speaks of several, the quickest last.
    order = [letter for letter in pixels.get("DimensionOrder", "XYCZT")[:1:-1] if letter in _LETTERS]
    planes: _Planes = {}
    records = pixels.findall("{*}TiffData") or [ElementTree.Element("TiffData")]
    for record in records:
        file = files.find(record.find("{*}UUID"))
        if file is None:
            continue
        first = int(record.get("IFD", 0))
        pages = _about(file).pages
        count = int(record.get("PlaneCount", record.get("NumPlanes", 1 if "IFD" in record.attrib else pages)))
        start = [int(record.get(f"First{letter}", 0)) for letter in order]
        for page, place in zip(range(first, min(first + count, pages)), _following(start, order, sizes), strict=False):
            planes[place] = (file, page)
    return planes


def _following(start: Sequence[int], order: Sequence[str], sizes: dict[str, int]) -> Iterator[tuple[int, ...]]:
    """Yield a place and those after it."""
    index = list(start)
    while index[0] < sizes[order[0]]:
        if all(at < sizes[letter] for at, letter in zip(index, order, strict=True)):
            where = dict(zip(order, index, strict=True))
            yield tuple(where[letter] for letter in _LETTERS)
        index[-1] += 1
        for axis in range(len(order) - 1, 0, -1):
            if index[axis] >= sizes[order[axis]]:
                index[axis], index[axis - 1] = 0, index[axis - 1] + 1


def _rewritten(root: ElementTree.Element, images: Sequence[_Described], path: Path) -> str:
    """Return metadata of some images alone for tifffile to open ``path`` by; they say of every plane where it is now.

    Time points and planes at the end that were never taken are left out, and channels wherever they are missing.
    """
    namespace = root.tag.partition("}")[0] + "}" if "}" in root.tag else ""
    new = ElementTree.Element(root.tag, {"UUID": str(path)})
    new.extend(one for one in root if one.tag.endswith("StructuredAnnotations"))
    for element, planes in images:
        image = ElementTree.SubElement(new, element.tag, element.attrib)
        for part in element:
            if not part.tag.endswith("Pixels"):
                image.append(part)
                continue
            channels = sorted({place[1] for place in planes})
            samples = int(part.get("SizeC", 1)) // _declared(element)["C"]
            pixels = ElementTree.SubElement(image, part.tag, part.attrib)
            pixels.set("SizeC", str(len(channels) * samples))
            for letter in "TZ":
                pixels.set(f"Size{letter}", str(max(place[_LETTERS.index(letter)] for place in planes) + 1))
            described = part.findall("{*}Channel")
            pixels.extend(one for number, one in enumerate(described) if number in channels)
            for (time, channel, z), (file, page) in planes.items():
                where = {"FirstT": time, "FirstC": channels.index(channel), "FirstZ": z, "IFD": page, "PlaneCount": 1}
                record = ElementTree.SubElement(
                    pixels, f"{namespace}TiffData", {name: str(value) for name, value in where.items()}
                )
                uuid = ElementTree.SubElement(record, f"{namespace}UUID", {"FileName": str(file.absolute())})
                uuid.text = str(file)
            pixels.extend(_kept(part.findall("{*}Plane"), planes, channels))
    return ElementTree.tostring(new, encoding="unicode")


def _kept(
    described: Sequence[ElementTree.Element], planes: _Planes, channels: Sequence[int]
) -> Iterator[ElementTree.Element]:
    """Yield what is said of those planes that there are, such as their time, numbered anew."""
    for plane in described:
        place = tuple(int(plane.get(f"The{letter}", 0)) for letter in _LETTERS)
        if place in planes:
            plane.set("TheC", str(channels.index(place[1])))
            yield plane


@dataclass
class _Files:
    """Finds the files that the metadata of a set speak of, whatever they are called by now."""

    path: Path
    root: ElementTree.Element
    lost: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        records = self.root.iterfind(".//{*}TiffData/{*}UUID")
        named = [(one.get("FileName", ""), (one.text or "").strip()) for one in records]
        self.names = {name for name, _ in named}
        # Some programs write one UUID for the whole set: files are then known by their names alone.
        uuids: dict[str, set[str]] = {}
        for name, uuid in named:
            uuids.setdefault(uuid, set()).add(name)
        self._telling = {uuid for uuid, names in uuids.items() if uuid and len(names) == 1}
        self._found: dict[tuple[str, str], Path | None] = {}

    def find(self, uuid: ElementTree.Element | None) -> Path | None:
        """Return the file of a record; None if it is not there."""
        if uuid is None:
            return self.path
        key = (uuid.get("FileName", ""), (uuid.text or "").strip())
        if key not in self._found:
            self._found[key] = self._search(*key)
            if self._found[key] is None:
                self.lost.add(key[0])
        return self._found[key]

    def _search(self, name: str, uuid: str) -> Path | None:
        telling, is_image = uuid in self._telling, self.path.suffix.lower() != COMPANION_SUFFIX
        # Of a single file that was renamed or copied, the metadata still have the former name.
        if is_image and ((telling and uuid == self.root.get("UUID")) or self.names == {name}):
            return self.path
        found = _named(self.path.parent, name)
        if telling and (found is None or _about(found).uuid not in ("", uuid)):
            found = _with_uuid(self.path.parent, uuid) or found
        if found is None and is_image and self.path.name not in self.names:
            lost = [other for other in self.names if _named(self.path.parent, other) is None]
            return self.path if lost == [name] else None
        return found


@dataclass(frozen=True)
class _About:
    """What is known of a file of a set."""

    uuid: str
    pages: int
    values: int  # of the first page


def _about(path: Path) -> _About:
    state = path.stat()
    return _about_once(path, state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=100_000)
def _about_once(path: Path, size: int, modified: int) -> _About:
    """Open a file of a set once, for every other file of the set that asks."""
    try:
        with TiffFile(path, **suffix_flags(path)) as tif:
            root = _parsed(tif.ome_metadata or "")
            uuid = root.get("UUID", "") if root is not None else ""
            return _About(uuid, len(tif.pages), int(tif.pages.first.size))
    except (TiffFileError, OSError, ValueError):
        return _About("", 0, 0)


def _named(folder: Path, name: str) -> Path | None:
    """Find a file by its name, however another system spells it; names in metadata may have folders."""
    if not name:
        return None
    plain = name.replace("\\", "/").rpartition("/")[2]
    for candidate in (folder / name, folder / plain):
        if candidate.is_file():
            return candidate
    wanted = unicodedata.normalize("NFC", plain).casefold()
    alike = [one for one in _files_in(folder) if unicodedata.normalize("NFC", one.name).casefold() == wanted]
    return alike[0] if len(alike) == 1 else None


def _with_uuid(folder: Path, uuid: str) -> Path | None:
    """Find a renamed file of a set by its UUID."""
    for file in _files_in(folder) if uuid else ():
        if file.suffix.lower() == COMPANION_SUFFIX:
            root = _parsed(_own_xml(file) or "")
            if root is not None and root.get("UUID") == uuid:
                return file
        elif file.suffix.lower() in (".tif", ".tiff", ".tf2", ".tf8", ".btf") and _about(file).uuid == uuid:
            return file
    return None


def _files_in(folder: Path) -> list[Path]:
    with os.scandir(folder) as entries:
        return sorted(folder / entry.name for entry in entries if entry.is_file())
