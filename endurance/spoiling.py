"""Spoil files: as bytes, as text with numbers and names in it, as JSON, and as archives of other files."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any

Spoiler = Callable[[bytes, Random], bytes]

NUMBERS = (0, 1, 2, -1, 127, 255, 256, 65535, 65536, 2**31 - 1, 2**31, 2**32 - 1, 2**62, 2**63 - 1, 2**63, 2**64 - 1)
"""At which programs overflow."""

WIDTHS = (1, 2, 4, 8)
"""Bytes of a number in a binary file."""

HOSTILE_NUMBERS = (*map(str, NUMBERS), "1000000000", "-0", "1e999", "-1e999", "NaN", "Infinity", "0.0", "1e-300", "007")
HOSTILE_TEXTS = (
    "",
    " ",
    "\0",
    "../bait.tif",
    "/proc/self/mem",
    "/dev/zero",
    "file:///etc/passwd",
    "\x1b[2J\x1b]0;mine\x07",
    "\u202e\u2028",
    "\ud800",
    "é" * 300,
    "A" * 70_000,
    "__class__",
    "%s%n{0}",
    "<script>alert(1)</script>",
    "=cmd|'/c calc'!A1",
    "con",
    ".",
    "..",
    "\\\\server\\share",
)
"""What names and texts of a hostile file may be."""

MOST_DEEP = 5_000
"""Levels of lists in lists: more than Python's own limit."""


def spoiled_bytes(content: bytes, drawn: Random) -> bytes:
    """Cut, flip, overwrite, insert, remove, repeat or zero some of a file, or set a number in it to an extreme."""
    changed = bytearray(content)
    for _ in range(drawn.choice((1, 1, 1, 2, 3, 8))):
        place, length = drawn.randrange(len(changed) + 1), drawn.choice((1, 2, 4, 8, 64, 512))
        match drawn.randrange(9):
            case 0:
                del changed[place:]
            case 1 if place < len(changed):
                changed[place] ^= 1 << drawn.randrange(8)
            case 2:
                changed[place : place + length] = drawn.randbytes(length)
            case 3:
                changed[place:place] = drawn.randbytes(length)
            case 4:
                del changed[place : place + length]
            case 5:
                changed[place:place] = changed[place : place + length] * drawn.randint(1, 20)
            case 6:
                changed[place : place + length] = bytes(length)
            case 7:
                other = drawn.randrange(len(changed) + 1)
                changed[place : place + length] = changed[other : other + length]
            case _:
                width, order = drawn.choice(WIDTHS), drawn.choice(("little", "big"))
                number = drawn.choice(NUMBERS) % 256**width
                changed[place : place + width] = number.to_bytes(width, order)
    return bytes(changed)


def spoiled_head(content: bytes, drawn: Random, head: int = 512) -> bytes:
    """Spoil the first bytes alone, where most formats describe the rest."""
    return spoiled_bytes(content[:head], drawn) + content[head:]


def spoiled_text(content: bytes, drawn: Random) -> bytes:
    """Change numbers, quoted texts and words of a text, or the bytes that it is stored in."""
    text = content.decode("utf-8")
    found = [
        *re.finditer(r"-?\d+(?:\.\d+)?", text),
        *re.finditer(r'(?<=")[^"\n]*(?=")', text),
        *re.finditer(r"\w+", text),
    ]
    for _ in range(drawn.choice((1, 1, 2, 4))):
        if not found or drawn.random() < 0.15:
            return spoiled_bytes(text.encode("utf-8", "surrogatepass"), drawn)
        start, end = drawn.choice(found).span()
        hostile = drawn.choice(HOSTILE_NUMBERS if drawn.random() < 0.6 else HOSTILE_TEXTS)
        text = text[:start] + hostile + text[end:]
    return text.encode(drawn.choice(("utf-8", "utf-8", "utf-8", "utf-16", "latin-1")), "replace")


def spoiled_json(content: bytes, drawn: Random) -> bytes:
    """Change values, names and structure of a JSON document; now and then the text itself."""
    if drawn.random() < 0.15:
        return spoiled_text(content, drawn)
    document = spoiled_value(json.loads(content), drawn)
    if drawn.random() < 0.02:
        deep = MOST_DEEP
        return b"[" * deep + json.dumps(document).encode() + b"]" * deep
    return json.dumps(document).encode("ascii")


def spoiled_value(document: Any, drawn: Random) -> Any:
    """Return a JSON value with some of its parts changed."""
    for _ in range(drawn.choice((1, 1, 1, 2, 3))):
        document = _changed(document, drawn)
    return document


def _changed(value: Any, drawn: Random) -> Any:
    """Go down to a random part, and change it."""
    if isinstance(value, dict) and value and drawn.random() < 0.85:
        key = drawn.choice(sorted(value))
        match drawn.randrange(12):
            case 0:
                return {name: one for name, one in value.items() if name != key}
            case 1:
                return {**value, drawn.choice(HOSTILE_TEXTS): value[key]}
            case _:
                return {**value, key: _changed(value[key], drawn)}
    if isinstance(value, list) and value and drawn.random() < 0.85:
        place = drawn.randrange(len(value))
        match drawn.randrange(12):
            case 0:
                return value[:place] + value[place + 1 :]
            case 1:
                return value + value[place:]
            case 2:
                return value * drawn.choice((2, 100))
            case _:
                return [*value[:place], _changed(value[place], drawn), *value[place + 1 :]]
    return _hostile_value(value, drawn)


def _hostile_value(value: Any, drawn: Random) -> Any:
    """Return something in place of a value: often of the same type, sometimes of any other."""
    if isinstance(value, str) and drawn.random() < 0.5:
        return drawn.choice((value[: len(value) // 2], value * 3, value.upper(), *HOSTILE_TEXTS))
    if isinstance(value, int | float) and not isinstance(value, bool) and drawn.random() < 0.6:
        return drawn.choice((*NUMBERS, -value, value * 1000, float("nan"), float("inf"), 1e-300, 10**40))
    return drawn.choice(
        (
            None,
            True,
            False,
            0,
            -1,
            1.5,
            10**40,
            float("nan"),
            "text",
            [],
            {},
            [[]],
            [value],
            {"": value},
            *HOSTILE_TEXTS,
        )
    )


def spoiled_zip(content: bytes, drawn: Random, spoilers: Mapping[str, Sequence[Spoiler]]) -> bytes:
    """Spoil a zip file: itself as bytes, or one of its members by a spoiler for its name's end."""
    if drawn.random() < 0.25:
        return spoiled_bytes(content, drawn)
    members = members_of(content)
    name = drawn.choice(sorted(members))
    ways = next((ways for end, ways in spoilers.items() if name.endswith(end)), (spoiled_bytes,))
    match drawn.randrange(12):
        case 0:
            del members[name]
        case 1:
            members[_member_name(drawn)] = members.pop(name)
        case 2:
            members[name] = members[name] * drawn.choice((0, 2, 50))
        case _:
            members[name] = drawn.choice(ways)(members[name], drawn)
    return zip_of(members, drawn.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)))


def _member_name(drawn: Random) -> str:
    """Return a hostile name that a zip file can hold: some letters, in UTF-8, in two bytes of length."""
    return drawn.choice(HOSTILE_TEXTS).replace("\ud800", "?").replace("\0", "?")[:60_000] or "?"


def members_of(content: bytes) -> dict[str, bytes]:
    """Unpack a zip file."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def zip_of(members: Mapping[str, bytes], packing: int = zipfile.ZIP_STORED) -> bytes:
    """Pack a zip file."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", packing) as archive:
        for name, content in members.items():
            archive.writestr(
                zipfile.ZipInfo(name), content, packing
            )  # without a date, so that it is the same each time
    return packed.getvalue()
