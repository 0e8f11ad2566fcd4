"""Writes stacks as MetaMorph does (STK)."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np


def write_stk(
    path: Path, planes: np.ndarray, unit: str, apart: float, times: Sequence[float], calibrated: int = 1
) -> None:
    """Write planes (N, Y, X) of 16 bits behind a single set of tags, as these files have them.

    A pixel has 0.645 ``unit``; planes are ``apart`` µm, and were taken at ``times`` in s.
    """
    count, height, width = planes.shape
    text = unit.encode() + b"\0"
    place = 8 + 2 + 12 * 11 + 4
    uic1 = [(3, calibrated), (4, place), (5, place), (6, place + 8)]
    extra = struct.pack("<IIi", 645, 1000, len(text)) + text
    places = [place + len(extra)]
    extra += b"".join(struct.pack("<II", *pair) for pair in uic1)
    places.append(place + len(extra))
    for time in times:
        extra += struct.pack("<IIIIII", round(apart * 1000), 1000, 2_459_000, round(time * 1000), 2_459_000, 0)
    pixels = place + len(extra)
    tags = [(256, 3, 1, width), (257, 3, 1, height), (258, 3, 1, 16), (259, 3, 1, 1), (262, 3, 1, 1),
            (273, 4, 1, pixels), (277, 3, 1, 1), (278, 3, 1, height), (279, 4, 1, planes[0].nbytes),
            (33628, 4, len(uic1), places[0]), (33629, 5, count, places[1])]  # fmt: skip
    listed = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    path.write_bytes(struct.pack("<2sHIH", b"II", 42, 8, len(tags)) + listed + bytes(4) + extra + planes.tobytes())
