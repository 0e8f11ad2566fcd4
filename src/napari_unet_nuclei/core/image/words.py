"""Say in words how an image is understood, and how else its axes could be meant."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations

from napari_unet_nuclei.core.image.axes import ImageSource
from napari_unet_nuclei.core.image.pixel_size import PixelSize

_ONE = {"T": "time point", "Z": "plane", "C": "channel", "Q": "plane"}
_MANY = {letter: f"{noun}s" for letter, noun in _ONE.items()}

_BETWEEN = " · "
"""Stands between what is said of an image."""

_ORDINALS = ("first", "second", "third", "fourth")

MOST_CHANNELS_LAST = 16
"""A last axis that is longer holds columns, not channels."""

MOST_NAMES = 6
"""Channels that are named; the others are counted."""


def image_in_words(source: ImageSource, pixel_size: PixelSize) -> str:
    """Describe an image: "3 channels: DAPI, GFP, Cy5 · 12 planes of 2 µm · 0.325 µm · 512 × 512 px".

    Examples
    --------
    >>> import numpy as np
    >>> image_in_words(ImageSource(np.zeros((12, 1, 64, 80)), "ZCYX"), PixelSize(0.325, 0.325, 2.0))
    '12 planes of 2 µm · 0.325 µm · 64 × 80 px'
    """
    parts = []
    if source.is_colour:
        parts.append("colour picture")
    elif source.channels > 1:
        names = [name for name in source.channel_names if name]
        listed = ", ".join(names[:MOST_NAMES]) + (", …" if len(names) > MOST_NAMES else "")
        parts.append(f"{source.channels} channels" + (f": {listed}" if names else ""))
    for letter, length in zip(source.leading_axes, source.leading_shape, strict=True):
        depth = f" of {pixel_size.z:.3g} µm" if letter == "Z" and pixel_size.z > 0 else ""
        parts.append(f"{length} {_ONE[letter] if length == 1 else _MANY[letter]}{depth}")
    parts.append(_spacing(pixel_size))
    parts.append(" × ".join(map(str, source.plane_shape)) + " px")
    return _BETWEEN.join(parts)


def reading_in_words(words: str, channel: str) -> str:
    """Add to an image in words where its nuclei are read from; of an image with one channel that says nothing.

    Examples
    --------
    >>> reading_in_words("3 channels: DAPI, GFP, Cy5 · 0.325 µm · 512 × 512 px", "DAPI")
    '3 channels: DAPI, GFP, Cy5 · 0.325 µm · 512 × 512 px; nuclei read from DAPI'
    >>> reading_in_words("0.325 µm · 512 × 512 px", "the only channel")
    '0.325 µm · 512 × 512 px'
    """
    several = words.startswith("colour picture") or " channels" in words.partition(_BETWEEN)[0]
    return f"{words}; nuclei read from {channel}" if several and channel else words


def without_size(words: str) -> str:
    """Return what `image_in_words` says without rows and columns, in which the images of a run may differ."""
    return words.rpartition(_BETWEEN)[0]


def possible_axes(axes: str, shape: Sequence[int]) -> tuple[str, ...]:
    """List how the axes of an array could be meant, the way in which they are read first.

    Rows, columns and colours stay where they are; of three axes the last one, if it is short, may hold channels.

    Examples
    --------
    >>> possible_axes("ZYX", (12, 512, 640)), possible_axes("TYXS", (5, 64, 64, 3))
    (('ZYX', 'TYX', 'CYX'), ('TYXS', 'ZYXS'))
    """
    places = [place for place, letter in enumerate(axes) if letter not in "YXS"]
    letters = "TZ" if "S" in axes else "TZC"
    if not places or len(places) > len(letters):
        return (axes,)
    found = [axes]
    for chosen in permutations(letters, len(places)):
        meant = list(axes)
        for place, letter in zip(places, chosen, strict=True):
            meant[place] = letter
        found.append("".join(meant))
    if len(axes) == 3 and "S" not in axes:
        # A stack of planes and channels that come last are told apart by nothing but their lengths.
        found += ["YXC"] if shape[-1] <= MOST_CHANNELS_LAST else []
        found += [f"{letter}YX" for letter in "ZTC"] if axes == "YXC" else []
    return tuple(dict.fromkeys(found))


def axes_in_words(axes: str, shape: Sequence[int]) -> str:
    """Name the axes that are neither rows nor columns.

    Examples
    --------
    >>> axes_in_words("ZYX", (12, 512, 640)), axes_in_words("YXC", (512, 640, 4)), axes_in_words("YX", (5, 5))
    ('first axis is planes (12)', 'third axis is channels (4)', 'rows and columns')
    >>> axes_in_words("TZYX", (5, 12, 512, 640))
    'time (5), planes (12)'
    """
    nouns = {"T": "time", "Z": "planes", "C": "channels", "Q": "unknown"}
    named = [(place, f"{nouns[letter]} ({shape[place]})") for place, letter in enumerate(axes) if letter in nouns]
    if axes == "YXS":
        return f"{_ORDINALS[2]} axis is colours ({shape[2]})"
    if len(named) == 1 and named[0][0] < len(_ORDINALS):
        return f"{_ORDINALS[named[0][0]]} axis is {named[0][1]}"
    return ", ".join(text for _, text in named) or "rows and columns"


def _spacing(size: PixelSize) -> str:
    if not size.known:
        return "pixel size unknown"
    same = abs(size.x - size.y) < 1e-3 * size.x
    return f"{size.x:.3g} µm" if same else f"{size.y:.3g} × {size.x:.3g} µm"
