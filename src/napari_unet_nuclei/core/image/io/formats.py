"""Tell the format of a file by its first bytes: programs write TIFF under many suffixes, and people rename files."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Literal, TypeAlias

from napari_unet_nuclei.core.files.regular import open_regular

MicroscopeFormat: TypeAlias = Literal["nd2", "lif", "czi", "oif", "dv"]
"""Formats of microscope makers, most read by a package of its own."""

FileFormat: TypeAlias = Literal["tiff", "picture", "numpy"] | MicroscopeFormat
"""How a file is read: by tifffile, by Pillow, by NumPy, or by the package for a microscope."""

FORMATS: dict[str, FileFormat] = {
    **dict.fromkeys((".tif", ".tiff", ".btf", ".tf2", ".tf8", ".lsm", ".stk", ".flex"), "tiff"),
    **dict.fromkeys((".svs", ".qptiff", ".scn", ".ndpi"), "tiff"),
    **dict.fromkeys((".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".jp2"), "picture"),
    **dict.fromkeys((".avif", ".pbm", ".pgm", ".ppm", ".pnm"), "picture"),
    ".ome": "tiff",  # the metadata of a set of OME-TIFF files
    ".npy": "numpy",
    ".nd2": "nd2",
    ".lif": "lif",
    ".czi": "czi",
    **dict.fromkeys((".lof", ".xlif", ".xlef"), "lif"),
    **dict.fromkeys((".oib", ".oif"), "oif"),
    **dict.fromkeys((".dv", ".r3d", ".d3d"), "dv"),
}  # fmt: skip
"""By suffix, for files whose content says nothing: empty, damaged or cut short, they are then refused by name."""

IMAGE_SUFFIXES = frozenset(FORMATS)

_SIGNATURES: tuple[tuple[bytes, FileFormat], ...] = (
    (b"II*\0", "tiff"),
    (b"MM\0*", "tiff"),
    (b"II+\0", "tiff"),  # BigTIFF
    (b"MM\0+", "tiff"),
    (b"\x89PNG\r\n\x1a\n", "picture"),
    (b"\xff\xd8\xff", "picture"),  # JPEG
    (b"GIF87a", "picture"),
    (b"GIF89a", "picture"),
    (b"\xff\x4f\xff\x51", "picture"),  # JPEG 2000, bare
    (b"\0\0\0\x0cjP  \r\n\x87\n", "picture"),  # and in its container
    (b"\x93NUMPY", "numpy"),
    (b"\xda\xce\xbe\x0a", "nd2"),
    (b"\x70\0\0\0", "lif"),
    (b"ZISRAWFILE", "czi"),
)

_BITMAP_HEADERS = (12, 40, 52, 56, 64, 108, 124)
"""Lengths of the header that follows "BM", which many a text begins with."""

_LONGEST = 98
"""Bytes that tell all formats."""

_DELTAVISION = -16224
"""Number at byte 96 of DeltaVision files, in the byte order of all other numbers."""


def format_of(path: Path) -> FileFormat | None:
    """Tell the format of a file by its content, else by its suffix; None if neither is known.

    Raises OSError if the file cannot be opened.
    """
    return content_format(path) or FORMATS.get(path.suffix.lower())


def content_format(path: Path) -> FileFormat | None:
    """Tell the format of a file by its content alone."""
    with open_regular(path) as file:
        start = file.read(_LONGEST)
    if path.suffix.lower() == ".nd2" and start[4:8] == b"jP  ":
        return "nd2"  # before 2010, ND2 was kept in the container of JPEG 2000
    for signature, known in _SIGNATURES:
        if start.startswith(signature):
            return known
    if (start.startswith(b"RIFF") and start[8:12] == b"WEBP") or start[4:12] == b"ftypavif":
        return "picture"
    if deltavision_order(start):
        return "dv"
    is_bitmap = start.startswith(b"BM") and int.from_bytes(start[14:18], "little") in _BITMAP_HEADERS
    return "picture" if is_bitmap else None


def deltavision_order(start: bytes) -> Literal["<", ">", ""]:
    """Tell the byte order of a DeltaVision file by its first bytes; empty if it is none."""
    orders: tuple[Literal["<"], Literal[">"]] = ("<", ">")
    for order in orders:
        if len(start) >= _LONGEST and struct.unpack_from(f"{order}h", start, 96) == (_DELTAVISION,):
            *sides, mode = struct.unpack_from(f"{order}4i", start)
            # Two bytes are soon alike by chance.
            if min(sides) > 0 and max(sides) < 2**20 and 0 <= mode < 8:
                return order
    return ""


def is_lossy_picture(path: Path) -> bool:
    """Tell whether a picture is JPEG, or WebP compressed like it, which change values; others need not."""
    with open_regular(path) as file:
        start = file.read(_LONGEST)
    return start.startswith(b"\xff\xd8\xff") or (start[8:12] == b"WEBP" and start[12:16] == b"VP8 ")
