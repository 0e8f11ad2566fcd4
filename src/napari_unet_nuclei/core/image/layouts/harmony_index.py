"""The index that Harmony writes beside its images: names of the channels and the pixel size, which the images lack."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

from napari_unet_nuclei.core.image.pixel_size import PixelSize, micrometres

NAMES = ("Index.idx.xml", "Index.xml", "Index.ref.xml")
"""What it is called, the usual name first."""

_READ_IMAGES = 2000
"""Entries that are read: all channels are among the first, and the index of a plate has a hundred thousand."""


@dataclass(frozen=True)
class HarmonyIndex:
    """What the index says of all images.

    Attributes
    ----------
    channels : mapping of str to str
        Name of each channel, by ``ch`` and its number.
    pixel_size : PixelSize
    """

    channels: Mapping[str, str] = field(default_factory=dict)
    pixel_size: PixelSize = field(default_factory=PixelSize)


def read_harmony_index(folder: Path) -> HarmonyIndex:
    """Read the index of a folder of images; empty where there is none, or none that can be read."""
    found = [folder / name for name in NAMES if (folder / name).is_file()]
    channels: dict[str, str] = {}
    size = PixelSize()
    if not found:
        return HarmonyIndex()
    try:
        images = 0
        for _, element in ElementTree.iterparse(found[0]):
            kind = _plain(element.tag)
            if kind not in ("Image", "Entry"):
                continue
            said = {_plain(child.tag): child for child in element}
            number = element.get("ChannelID") or _text(said, "ChannelID")
            name = _text(said, "ChannelName")
            if number and name:
                channels.setdefault(f"ch{number}", name)
            if not size.known and "ImageResolutionX" in said:
                y, x = (micrometres(_text(said, f"ImageResolution{axis}"), _unit(said, axis)) for axis in "YX")
                size = PixelSize(y, x)
            if kind == "Image":
                images += 1
                element.clear()
            if images >= _READ_IMAGES:
                break
    except (OSError, ElementTree.ParseError):
        return HarmonyIndex(channels, size)
    return HarmonyIndex(channels, size)


def _plain(tag: str) -> str:
    """Name of an element without its namespace, which differs between versions."""
    return tag.rsplit("}", 1)[-1]


def _text(said: Mapping[str, ElementTree.Element], name: str) -> str:
    return (said[name].text or "").strip() if name in said else ""


def _unit(said: Mapping[str, ElementTree.Element], axis: str) -> str:
    return said[f"ImageResolution{axis}"].get("Unit", "m") if f"ImageResolution{axis}" in said else ""
