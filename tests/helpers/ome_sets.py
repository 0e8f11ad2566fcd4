"""Writes sets of OME-TIFF files, each with the metadata of all, as microscopes do."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tifffile

Places = Mapping[tuple[int, int, int], tuple[str, int]]
"""File and page of every plane, by its index in time, channel and depth."""


@dataclass(frozen=True)
class DrawnImage:
    """One image of a set: its pixels (T, C, Z, Y, X), and where its planes lie."""

    pixels: np.ndarray
    places: Places
    name: str = ""
    channels: Sequence[str] = ()


def write_set(folder: Path, images: Sequence[DrawnImage], companion: str = "", **more: object) -> dict[str, str]:
    """Write all files of a set, or of an acquisition that was stopped those planes that have a place.

    With ``companion`` the metadata are in a file of that name alone. Return the UUIDs by the names of the files.
    """
    names = sorted({name for image in images for name, _ in image.places.values()})
    uuids = {name: f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, name)}" for name in [*names, companion]}
    described = "".join(_described(number, image, uuids) for number, image in enumerate(images))
    for name in names:
        places = [(image, place, at) for image in images for place, at in image.places.items()]
        pages = {page: image.pixels[place] for image, place, (file, page) in places if file == name}
        if companion:
            text = _root(uuids[name], f'<BinaryOnly MetadataFile="{companion}" UUID="{uuids[companion]}"/>')
        else:
            text = _root(uuids[name], described)
        with tifffile.TiffWriter(folder / name) as writer:
            for page in sorted(pages):
                description = text.encode() if page == 0 else None
                writer.write(pages[page], contiguous=False, metadata=None, description=description, **more)
    if companion:
        (folder / companion).write_text(_root(uuids[companion], described), encoding="utf-8")
    return uuids


def positions(stacks: Sequence[np.ndarray], name: str = "scan_MMStack_Pos{}.ome.tif") -> list[DrawnImage]:
    """Put every stack (Z, Y, X) of one channel into a file of its own."""
    return [
        DrawnImage(
            stack[None, None],
            {(0, 0, z): (name.format(number), z) for z in range(len(stack))},
            f"Pos{number}",
        )
        for number, stack in enumerate(stacks)
    ]


def _root(own: str, content: str) -> str:
    namespace = "http://www.openmicroscopy.org/Schemas/OME/2016-06"
    return f'<?xml version="1.0" encoding="UTF-8"?><OME xmlns="{namespace}" UUID="{own}">{content}</OME>'


def _described(number: int, image: DrawnImage, uuids: Mapping[str, str]) -> str:
    times, channels, depth, height, width = image.pixels.shape
    named = "".join(
        f'<Channel ID="Channel:{number}:{channel}" SamplesPerPixel="1"'
        + (f' Name="{image.channels[channel]}"/>' if image.channels else "/>")
        for channel in range(channels)
    )
    records = "".join(
        f'<TiffData FirstT="{t}" FirstC="{c}" FirstZ="{z}" IFD="{page}" PlaneCount="1">'
        f'<UUID FileName="{file}">{uuids[file]}</UUID></TiffData>'
        for (t, c, z), (file, page) in image.places.items()
    )
    return (
        f'<Image ID="Image:{number}" Name="{image.name}"><Pixels ID="Pixels:{number}" DimensionOrder="XYZCT" '
        f'Type="{image.pixels.dtype}" SizeX="{width}" SizeY="{height}" SizeC="{channels}" SizeZ="{depth}" '
        f'SizeT="{times}" PhysicalSizeX="0.5" PhysicalSizeY="0.5">{named}{records}</Pixels></Image>'
    )
