"""Writes the smallest files of microscope makers' formats that their readers take, since no library writes them."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

LIF_AXES = {"X": 1, "Y": 2, "Z": 3, "T": 4}


def write_lif(path: Path, images: list[np.ndarray], axes: str, pixel_size: float) -> None:
    """Write grey images of the same axes (no channels), ``pixel_size`` in m."""
    blocks, elements = [], []
    for number, image in enumerate(images):
        step = image.itemsize
        dimensions = []
        for letter, length in reversed(list(zip(axes, image.shape, strict=True))):
            extent = pixel_size * (length - 1)
            dimensions.append(
                f'<DimensionDescription DimID="{LIF_AXES[letter]}" NumberOfElements="{length}" Origin="0" '
                f'Length="{extent}" Unit="m" BitInc="0" BytesInc="{step}"/>'
            )
            step *= length
        channel = (
            f'<ChannelDescription DataType="0" ChannelTag="0" Resolution="{8 * image.itemsize}" '
            'NameOfMeasuredQuantity="" Min="0" Max="1" Unit="" LUTName="Grey" IsLUTInverted="0" '
            'BytesInc="0" BitInc="0"/>'
        )
        elements.append(
            f'<Element Name="image {number}" UniqueID="{number}"><Data><Image><ImageDescription>'
            f"<Channels>{channel}</Channels><Dimensions>{''.join(dimensions)}</Dimensions></ImageDescription></Image>"
            f'</Data><Memory Size="{image.nbytes}" MemoryBlockID="MemBlock_{number}"/></Element>'
        )
        name = f"MemBlock_{number}".encode("utf-16-le")
        block = struct.pack("<BQBI", 0x2A, image.nbytes, 0x2A, len(name) // 2) + name
        blocks.append(struct.pack("<II", 0x70, len(block)) + block + image.tobytes())
    children = f"<Children>{''.join(elements)}</Children>"
    project = f'<Element Name="p" UniqueID="p">{children}</Element>'
    xml = f'<LMSDataContainerHeader Version="2">{project}</LMSDataContainerHeader>'
    text = xml.encode("utf-16-le")
    header = struct.pack("<IIBI", 0x70, len(text) + 5, 0x2A, len(text) // 2) + text
    path.write_bytes(header + b"".join(blocks))


def write_czi(path: Path, scenes: np.ndarray, pixel_size: float, channels: list[str], apart: int = 0) -> None:
    """Write scenes of axes (S, C, Y, X), uint16, one uncompressed piece per plane; ``pixel_size`` in m.

    Scenes lie ``apart`` pixels from each other on the slide.
    """
    entries, pieces = [], []
    position = 32 + 512
    for scene, channel in np.ndindex(*scenes.shape[:2]):
        plane = scenes[scene, channel]
        sizes = (("X", scene * apart, plane.shape[1]), ("Y", 0, plane.shape[0]), ("C", channel, 1), ("S", scene, 1))
        dimensions = b"".join(struct.pack("<4siifi", name.encode(), at, size, 0.0, size) for name, at, size in sizes)
        entry = struct.pack("<2siqiiBB4si", b"DV", 1, position, 0, 0, 0, 0, bytes(4), len(sizes)) + dimensions
        content = struct.pack("<iiq", 0, 0, plane.nbytes) + entry + bytes(max(240 - len(entry), 0)) + plane.tobytes()
        pieces.append(_segment(b"ZISRAWSUBBLOCK", content))
        position += len(pieces[-1])
        entries.append(entry)
    directory = _segment(b"ZISRAWDIRECTORY", struct.pack("<i", len(entries)) + bytes(124) + b"".join(entries))
    distances = "".join(f'<Distance Id="{axis}"><Value>{pixel_size}</Value></Distance>' for axis in "XY")
    named = "".join(f'<Channel Id="Channel:{number}" Name="{name}"/>' for number, name in enumerate(channels))
    image = f"<Information><Image><Dimensions><Channels>{named}</Channels></Dimensions></Image></Information>"
    scaling = f"<Scaling><Items>{distances}</Items></Scaling>"
    xml = f"<ImageDocument><Metadata>{image}{scaling}</Metadata></ImageDocument>".encode()
    metadata = _segment(b"ZISRAWMETADATA", struct.pack("<ii", len(xml), 0) + bytes(248) + xml)
    positions = (position, position + len(directory), 0, 0)
    header = struct.pack("<iiii16s16siqqiq", 1, 0, 0, 0, b"p" * 16, b"p" * 16, 0, *positions)
    path.write_bytes(
        _segment(b"ZISRAWFILE", header + bytes(512 - len(header))) + b"".join(pieces) + directory + metadata
    )


def _segment(name: bytes, content: bytes) -> bytes:
    return struct.pack("<16sqq", name, len(content), len(content)) + content


def write_nd2(path: Path, image: np.ndarray, pixel_size: float, channels: list[str], described: bool = True) -> None:
    """Write one frame of axes (C, Y, X), uint16; ``pixel_size`` in µm; channels with or without their stain."""
    count, height, width = image.shape
    attributes = {
        "uiWidth": width,
        "uiWidthBytes": width * count * image.itemsize,
        "uiHeight": height,
        "uiComp": count,
        "uiBpcInMemory": 8 * image.itemsize,
        "uiBpcSignificant": 8 * image.itemsize,
        "uiSequenceCount": 1,
        "eCompression": 2,
    }
    probe = {"m_ExcitationSpectrum": {"uiCount": 0}} if described else {}
    planes = {
        f"a{number}": {"sDescription": name, "uiCompCount": 1, "pFluorescentProbe": probe}
        for number, name in enumerate(channels)
    }
    metadata = {
        "dCalibration": pixel_size,
        "bCalibrated": True,
        "sPicturePlanes": {"uiCount": count, "uiCompCount": count, "sPlaneNew": planes},
    }
    chunks = {
        b"ND2 FILE SIGNATURE CHUNK NAME01!": b"Ver3.0".ljust(64, b"\0"),
        b"ImageAttributesLV!": _lite_variant({"SLxImageAttributes": attributes}),
        b"ImageMetadataSeqLV|0!": _lite_variant({"SLxPictureMetadata": metadata}),
        b"ImageDataSeq|0!": struct.pack("<d", 0.0) + np.moveaxis(image, 0, -1).tobytes(),
    }
    content, places = b"", b""
    for name, value in chunks.items():
        places += name + struct.pack("<QQ", len(content), len(value))
        padded = name.ljust(4072, b"\0") if name.startswith(b"ImageDataSeq") else name  # pixels are aligned
        content += struct.pack("<IIQ", 0x0ABECEDA, len(padded), len(value)) + padded + value
    signature = b"ND2 CHUNK MAP SIGNATURE 0000001!"
    name, places = b"ND2 FILEMAP SIGNATURE NAME 0001!", places + signature + bytes(16)
    table = struct.pack("<IIQ", 0x0ABECEDA, len(name), len(places)) + name + places
    path.write_bytes(content + table + signature + struct.pack("<Q", len(content)))


def _lite_variant(values: dict[str, object]) -> bytes:
    """Encode names and values as these files do: type, length of the name, name, value."""
    written = b""
    for name, value in values.items():
        encoded = (name + "\0").encode("utf-16-le")
        length = len(encoded) // 2
        if isinstance(value, dict):
            inner = _lite_variant(value)
            size = 2 + len(encoded) + 12 + len(inner)
            offsets = bytes(8 * len(value))
            written += struct.pack("BB", 11, length) + encoded + struct.pack("<IQ", len(value), size) + inner + offsets
        elif isinstance(value, bool):
            written += struct.pack("BB", 1, length) + encoded + struct.pack("B", value)
        elif isinstance(value, int):
            written += struct.pack("BB", 3, length) + encoded + struct.pack("<I", value)
        elif isinstance(value, float):
            written += struct.pack("BB", 6, length) + encoded + struct.pack("<d", value)
        else:
            written += struct.pack("BB", 8, length) + encoded + f"{value}\0".encode("utf-16-le")
    return written
