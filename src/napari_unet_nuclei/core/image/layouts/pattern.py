"""Read what the names of files say: channel, well, field, plane and time, by a pattern that a user writes.

A pattern is a file's name with places in braces, ``{well}_s{field}_w{channel}.tif``, or a regular expression with named
groups. Regular expressions that a user writes are searched in a process of their own, for one that never ends cannot be
interrupted otherwise.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from napari_unet_nuclei.core.errors import SettingsError

JOINED = ("channel", "plane", "time")
"""Places in which the files of one image differ."""

PLACES = {
    "channel": r"[^/]+?",
    "well": r"(?:[A-Za-z]{1,2}[ _-]?\d{1,2}|r\d{1,2}c\d{1,2})",
    "row": r"(?:[A-Za-z]{1,2}|\d{1,2})",
    "column": r"\d{1,2}",
    "field": r"\d+",
    "plane": r"\d+",
    "time": r"\d+(?:d\d+h(?:\d+m)?)?",
    "plate": r"[^/]+?",
    "name": r"[^/]+?",
}
"""Places of a pattern, and what may stand there."""

FOLDER = r"(?P<folder>(?:[^/]*/)*?)"
"""Folders above those that a pattern describes; as few as possible, for a pattern may describe folders as well."""

SUFFIX = r"\.(?:ome\.)?[a-z]{2,4}\d?"
"""Ending of a file's name, where a pattern names none."""

PATIENCE = 10.0
"""Seconds that a pattern may take; one for ten thousand names takes 0.2 s."""

_OTHER_NAMES = {
    "site": "field",
    "fov": "field",
    "z": "plane",
    "slice": "plane",
    "t": "time",
    "timepoint": "time",
    "c": "channel",
    "wavelength": "channel",
    "channelnumber": "channel",
    "wellrow": "row",
    "wellcolumn": "column",
    "col": "column",
}
"""What groups of regular expressions are called elsewhere, CellProfiler's among them."""

_TOKEN = re.compile(r"\{(?P<place>[^{}]*)\}|(?P<any>\*)|(?P<literal>[^{}*]+)|(?P<stray>[{}])")

_SEARCH = """
import json, re, sys
expression, texts = json.load(sys.stdin)
pattern = re.compile(expression, re.IGNORECASE)
found = (pattern.search(text) for text in texts)
named = [one and {name: one.span(name) for name in pattern.groupindex if one[name] is not None} for one in found]
json.dump(named, sys.stdout)
"""


@dataclass(frozen=True)
class NamePattern:
    """What the names of files look like.

    Attributes
    ----------
    title : str
        What people call names like these.
    expression : str
        Regular expression with the group ``folder``; searched in a path with ``/``, whatever the case of letters.
    asked : bool
        Written by a user, not one of this program's own.
    certain : bool
        Nothing else has such names. Names of other patterns are taken for what they seem to say only where files of
        the same image are there that differ in channel, plane or time.
    nuclear : bool
        Channels are called by their stain; where none of them shows nuclei, other things may be meant.
    """

    title: str
    expression: str
    asked: bool = False
    certain: bool = True
    nuclear: bool = False


def read_pattern(text: str) -> NamePattern:
    """Read a pattern that a user has written.

    Raise SettingsError if it cannot be understood; the message says what is wrong.

    Examples
    --------
    >>> pattern = read_pattern("{well}_s{field}_w{channel}.tif")
    >>> [(name, "B02_s1_w2.TIF"[slice(*span)]) for name, span in matches(pattern, ["B02_s1_w2.TIF"])[0].items()]
    [('folder', ''), ('well', 'B02'), ('field', '1'), ('channel', '2')]
    """
    if "(?P<" in text:
        expression = re.sub(r"\(\?P<(\w+)>", lambda found: f"(?P<{_usual_name(found[1])}>", text)
        # The whole name of a file and of the folders that the expression describes; before them, any folder.
        start = "" if text.startswith("^") else ".*?" if "/" in text else "[^/]*?"
        whole = rf"\A{FOLDER}(?=[^/]*{'/[^/]*' * text.count('/')}\Z){start}{expression.removeprefix('^')}"
        _check(text, whole)
        return NamePattern(text, whole, asked=True)
    parts = [_part(text, token) for token in _TOKEN.finditer(text)]
    places = re.findall(r"\{([^{}]*)\}", text)
    if not places:
        raise SettingsError(
            f"'{text}' names no place: write a file's name with {{channel}}, {{well}}, {{field}}, {{plane}} or "
            "{time} in it, for instance {well}_s{field}_w{channel}.tif."
        )
    if len(set(places)) < len(places) or re.search(r"\}\{|\*\{|\}\*\{|\*\*", text):
        raise SettingsError(f"'{text}': each place may stand there once, with something between it and the next.")
    ending = "" if "." in text.rsplit("/", 1)[-1] else SUFFIX
    return NamePattern(text, rf"\A{FOLDER}{''.join(parts)}{ending}\Z", asked=True)


def matches(pattern: NamePattern, texts: Sequence[str]) -> list[Mapping[str, tuple[int, int]] | None]:
    """Find the places of a pattern in paths: where each begins and ends, by its name; None where the path does not fit.

    Raise SettingsError if a user's pattern takes longer than `PATIENCE`.
    """
    if pattern.asked:
        return _search_elsewhere(pattern, texts)
    expression = re.compile(pattern.expression, re.IGNORECASE)
    found = (expression.search(text) for text in texts)
    return [
        None if one is None else {name: one.span(name) for name in expression.groupindex if one[name] is not None}
        for one in found
    ]


def _search_elsewhere(pattern: NamePattern, texts: Sequence[str]) -> list[Mapping[str, tuple[int, int]] | None]:
    """Search in a process that can be ended: `re` can take longer than the universe has been there."""
    program = [sys.executable, "-I", "-S", "-c", _SEARCH]
    try:
        told = json.dumps([pattern.expression, texts])
        run = subprocess.run(program, input=told, capture_output=True, text=True, timeout=PATIENCE, check=True)
    except subprocess.TimeoutExpired as error:
        raise SettingsError(
            f"'{pattern.title}' takes too long: it can be fitted to a name in too many ways. Use fewer repetitions."
        ) from error
    found: list[Mapping[str, tuple[int, int]] | None] = json.loads(run.stdout)
    return found


def _usual_name(group: str) -> str:
    """What a group of a regular expression is called here."""
    name = group.lower().removeprefix("metadata_")
    return _OTHER_NAMES.get(name, name)


def _check(text: str, expression: str) -> None:
    """Raise SettingsError unless a regular expression can be read."""
    try:
        re.compile(expression)
    except re.error as error:
        raise SettingsError(f"'{text}' is no regular expression ({error}).") from error


def _part(text: str, token: re.Match[str]) -> str:
    """Regular expression for one piece of a pattern."""
    if token["stray"]:
        raise SettingsError(f"'{text}': a brace has no partner.")
    if token["any"]:
        return r"[^/]*?"
    if token["literal"]:
        return re.escape(token["literal"])
    place = token["place"]
    if place not in PLACES:
        raise SettingsError(f"'{text}': there is no place {{{place}}}. Places are {', '.join(PLACES)}.")
    return f"(?P<{place}>{PLACES[place]})"
