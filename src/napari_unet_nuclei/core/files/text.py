"""Read text and names as other systems and programs write them."""

from __future__ import annotations

import codecs
import json
import os
import re
import unicodedata
from pathlib import Path
from typing import Any

from napari_unet_nuclei.core.errors import TextFileError
from napari_unet_nuclei.core.files.regular import open_regular

LARGEST_TEXT = 256 * 2**20
"""Bytes; a larger file is no list and no table that people or programs of this field write."""

LARGEST_JSON = 64 * 2**20
"""Bytes of what this program keeps as JSON, at most."""

_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",  # begins like the mark of UTF-16, and comes before it
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}

_HALVES = re.compile("[\ud800-\udfff]+")
"""Halves of characters: how Python keeps the bytes of a file's name that it could not read as text."""

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
"""What moves the cursor or ends a line."""

_SAMPLED = 1024
"""Bytes that tell UTF-16 without its mark."""


def read_text(path: Path) -> str:
    """Read a text file: UTF-8 or UTF-16 with or without a byte order mark, else Windows' western European characters.

    Raise TextFileError if it cannot be read, is too large, or is no text.
    """
    try:
        if path.stat().st_size > LARGEST_TEXT:
            raise TextFileError(f"{path} is too large for a list or a table.")
        content = path.read_bytes()
    except OSError as error:
        raise TextFileError(f"{path} cannot be read ({error.strerror or error}).") from error
    try:
        return content.decode(_encoding(content))
    except UnicodeDecodeError as error:
        raise TextFileError(f"{path} is no text that can be read: save it as UTF-8.") from error


def read_json(path: Path, largest: int = LARGEST_JSON) -> Any:
    """Read a JSON file of at most so many bytes; raise OSError if that cannot be read, ValueError if it is none."""
    with open_regular(path) as file:
        content = file.read(largest + 1)
    if len(content) > largest:
        raise ValueError(f"it is larger than {largest:,} bytes")
    return parse_json(content.decode("utf-8"))


def parse_json(text: str | bytes) -> Any:
    """Return the value of a JSON text; raise ValueError if it is none, or nested more deeply than Python can follow."""
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def composed(name: str) -> str:
    r"""Write a name with composed letters, as Windows and Linux do; macOS takes ü apart into u and two points.

    Examples
    --------
    >>> len("Zu\u0308rich"), len(composed("Zu\u0308rich"))
    (7, 6)
    """
    return unicodedata.normalize("NFC", name)


def comparable(name: str) -> str:
    r"""Return a name as it is compared with another: without blanks around it, whatever its letters are written as.

    Examples
    --------
    >>> comparable(" 5 \u00b5M") == comparable("5 \u03bcm"), comparable("Zu\u0308rich") == comparable("Z\u00dcRICH")
    (True, True)
    """
    return unicodedata.normalize("NFKC", name.strip()).casefold()


def legible(name: str) -> str:
    r"""Write a name so that any file, page and terminal can hold it, on one line; most names stay as they are.

    Bytes that Python could not read as text become letters where they are UTF-8, and escapes where they are not.

    Examples
    --------
    >>> legible("na\udcc3\udcafve.tif"), legible("caf\udce9.tif"), legible("a\rb.tif")
    ('naïve.tif', 'caf\\xe9.tif', 'a\\rb.tif')
    """
    return _CONTROL.sub(_escaped, _HALVES.sub(_read_anew, name))


def on_disk(path: Path) -> Path:
    """Return a path as it is on the disk, where letters may be composed or not; unchanged if there is none."""
    if os.path.lexists(path):
        return path
    spelled = (Path(unicodedata.normalize(form, str(path))) for form in ("NFC", "NFD"))
    return next((other for other in spelled if os.path.lexists(other)), path)


def _read_anew(found: re.Match[str]) -> str:
    try:
        return found[0].encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:  # halves of a damaged text, which were no bytes
        return _escaped(found)


def _escaped(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode("ascii")


def _encoding(content: bytes) -> str:
    for mark, encoding in _MARKS.items():
        if content.startswith(mark):
            return encoding
    zeros = [content[start:_SAMPLED:2].count(0) for start in (0, 1)]
    # In western text of UTF-16, every other byte is zero.
    if max(zeros) > len(content[:_SAMPLED]) / 4:
        return "utf-16-be" if zeros[0] > zeros[1] else "utf-16-le"
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8"
