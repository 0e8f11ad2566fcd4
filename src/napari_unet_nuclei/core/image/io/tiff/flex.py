"""Read what Opera writes into its files (FLEX), which hold the fields of a well one after the other."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from xml.etree import ElementTree

from tifffile import TiffFile

from napari_unet_nuclei.core.image.pixel_size import PixelSize, micrometres

_TAG = 65200
"""Description, in XML."""

_ONE = re.compile(r"1(\.0*)?")
"""Factor of intensities that are stored as they were taken."""


def flex_pixel_size(tif: TiffFile, index: int) -> PixelSize:
    """Return the pixel size, which Opera states in metres; 0.0 without it."""
    described = _described(tif)
    if described is None:
        return PixelSize()
    return PixelSize(*(micrometres(described.findtext(f".//{{*}}ImageResolution{axis}"), "m") for axis in "YX"))


def flex_remarks(tif: TiffFile) -> tuple[str, ...]:
    """Say that intensities are not those of the camera, where Opera divided them to fit into fewer bits."""
    described = _described(tif)
    factors = {page.get("Factor", "1") for page in _arrays(described)}
    divided = sorted(factor for factor in factors if not _ONE.fullmatch(factor))
    if not divided:
        return ()
    return (f"Opera stored its intensities divided by {', '.join(divided)}, and as stored they are measured.",)


def flex_as_ome(tif: TiffFile) -> str | None:
    """Describe the fields of a file as the images of an OME-TIFF; None if it is no FLEX, or does not name its pages."""
    described = _described(tif)
    names = [page.get("Name", "") for page in _arrays(described)]
    if described is None or len(names) != len(tif.pages):
        return None
    pages = _field_and_channel(names, _count(described, "Field"))
    fields, channels = (list(dict.fromkeys(page[part] for page in pages)) for part in (0, 1))
    repeats, depth = Counter(pages)[pages[0]], _count(described, "Plane")
    if (
        len(pages) == 1
        or len(fields) * len(channels) * repeats != len(pages)
        or len(set(pages)) * repeats != len(pages)
    ):
        return None
    depth = depth if repeats % depth == 0 else 1
    page, size = tif.pages.first, flex_pixel_size(tif, 0)
    lengths = {"X": page.imagewidth, "Y": page.imagelength, "C": len(channels), "Z": depth, "T": repeats // depth}
    about: dict[str, object] = {f"Size{axis}": length for axis, length in lengths.items()}
    about |= {"PhysicalSizeX": size.x, "PhysicalSizeY": size.y} if size.known else {}
    root = ElementTree.Element("OME")
    for number, field in enumerate(fields):
        image = ElementTree.SubElement(root, "Image", _texts({"ID": f"Image:{number}", "Name": f"field {field}"}))
        about |= {"ID": f"Pixels:{number}", "DimensionOrder": "XYCZT", "Type": page.dtype}
        pixels = ElementTree.SubElement(image, "Pixels", _texts(about))
        for at, channel in enumerate(channels):
            ElementTree.SubElement(pixels, "Channel", _texts({"ID": f"Channel:{number}:{at}", "Name": channel}))
        seen = Counter[str]()
        for ifd, (_, channel) in ((at, one) for at, one in enumerate(pages) if one[0] == field):
            time, z = divmod(seen[channel], depth)
            place = {"FirstT": time, "FirstZ": z, "FirstC": channels.index(channel), "IFD": ifd, "PlaneCount": 1}
            ElementTree.SubElement(pixels, "TiffData", _texts(place))
            seen[channel] += 1
    return ElementTree.tostring(root, encoding="unicode")


def _described(tif: TiffFile) -> ElementTree.Element | None:
    """Return Opera's description; None if there is none."""
    text = tif.pages.first.tags.valueof(_TAG, "") if len(tif.pages) else ""  # a damaged file has no page
    text = text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)
    try:
        # Some files have a sign too many at the end.
        return ElementTree.fromstring(f"{text.rstrip(chr(0) + ' %>')}>")
    except ElementTree.ParseError:
        return None


def _arrays(described: ElementTree.Element | None) -> Sequence[ElementTree.Element]:
    """Return what is said of each page."""
    return [] if described is None else list(described.iterfind(".//{*}Array"))


def _count(described: ElementTree.Element, kind: str) -> int:
    """Count the fields or planes that were planned; 1 where none is listed."""
    return max(len({one.get("No") for one in described.iterfind(f".//{{*}}{kind}")}), 1)


def _field_and_channel(names: Sequence[str], fields: int) -> list[tuple[str, str]]:
    """Tell field and channel of pages from their names, "2_Exp1Cam1"; names without a field come field by field."""
    each = max(len(names) // fields, 1)
    found = []
    for number, name in enumerate(names):
        field, sign, channel = name.partition("_")
        known = bool(sign) and field.isdecimal()
        found.append((field, channel) if known else (str(number // each + 1), name.rpartition(":")[2]))
    return found


def _texts(values: Mapping[str, object]) -> dict[str, str]:
    return {name: str(value) for name, value in values.items()}
