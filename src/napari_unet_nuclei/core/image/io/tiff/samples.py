"""Tell what the samples of a TIFF's pixels are: colours, channels, planes of a stack, or indices of a colour table.

The tags alone do not say. tifffile, and with it napari, marks every stack of three or four planes as red, green and
blue; fluorescence of four stains is stored as three colours and a sample more.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tifffile import EXTRASAMPLE, PHOTOMETRIC, PLANARCONFIG, TiffPage, TiffPageSeries

from napari_unet_nuclei.core.image.axes import channels_last
from napari_unet_nuclei.core.image.colour import (
    has_colour_values,
    is_look_up_table,
    is_opacity,
    is_transmitted_light,
)
from napari_unet_nuclei.core.types import AnyArray

SAMPLED_SIDE = 1024
"""Pixels; the values are judged in a window of this size in the middle of the image."""

_OPACITY = (EXTRASAMPLE.ASSOCALPHA, EXTRASAMPLE.UNASSALPHA)
_COLOURS = (PHOTOMETRIC.RGB, PHOTOMETRIC.YCBCR)


@dataclass(frozen=True)
class Meaning:
    """How the stored array of a series is to be understood.

    Attributes
    ----------
    stored_axes : str
        One letter per axis of the array as stored.
    axes, shape : str and tuple of int
        Of the image that `convert` makes of it; colours come last.
    convert : callable
        Makes the image of the stored array; the identity where nothing is to be done.
    remark : str
        What was guessed, in a sentence; empty where nothing was.
    """

    stored_axes: str
    axes: str
    shape: tuple[int, ...]
    convert: Callable[[AnyArray], AnyArray] | None = None
    remark: str = ""


@dataclass(frozen=True)
class _Sampled:
    """An image as stored, and a window of it."""

    letters: str
    pixels: Callable[[], AnyArray]

    @cached_property
    def window(self) -> NDArray[Any]:
        """A window in the middle of the middle plane, samples last."""
        array = self.pixels()
        key: list[int | slice] = []
        for letter, length in zip(self.letters, array.shape, strict=True):
            first = max(length - SAMPLED_SIDE, 0) // 2
            window = {
                "S": slice(None),
                "Y": slice(first, first + SAMPLED_SIDE),
                "X": slice(first, first + SAMPLED_SIDE),
            }
            key.append(window.get(letter, length // 2))
        left = [letter for letter in self.letters if letter in "SYX"]
        values = np.asarray(array[tuple(key)])
        return np.moveaxis(values, left.index("S"), -1) if "S" in left else values


def find_meaning(series: TiffPageSeries, pixels: Callable[[], AnyArray]) -> Meaning:
    """Tell what the samples of a series are, by its tags, and where these leave it open, by its values.

    ``pixels`` opens the array as stored; it is called only where the values are needed.
    """
    letters = _letters(series)
    shape = tuple(int(length) for length in series.shape)
    if series.keyframe.photometric == PHOTOMETRIC.PALETTE and "S" not in letters:
        return _of_indices(series, _Sampled(letters, pixels), shape)
    if "S" not in letters:
        return Meaning(letters, letters, shape)
    kind, remark = _sample_kind(series, _Sampled(letters, pixels))
    if kind != "S":
        axes = letters.replace("S", "Q" if kind == "C" and "C" in letters else kind)
        return Meaning(letters, axes, shape, remark=remark)
    place = letters.index("S")
    order = letters.replace("S", "") + "S"
    moved = (*shape[:place], *shape[place + 1 :], shape[place])
    if series.keyframe.photometric == PHOTOMETRIC.SEPARATED:
        return Meaning(letters, order, (*moved[:-1], 3), lambda array: _from_inks(_colours_last(array, place)))
    convert = None if order == letters else lambda array: _colours_last(array, place)
    return Meaning(letters, order, moved, convert, remark)


def _letters(series: TiffPageSeries) -> str:
    """One letter per axis as stored, S for the samples of a pixel."""
    letters = "".join(letter if letter in "TZCYXS" else "Q" for letter in series.axes)
    described = (series.keyframe.shaped_description or "") if series.kind == "shaped" else ""
    # Without names of axes, tifffile takes the last one for columns.
    if series.kind == "shaped" and "axes" not in described and "S" not in letters and channels_last(series.shape):
        return f"{letters[:-3]}YXC"
    return letters


def _sample_kind(series: TiffPageSeries, sampled: _Sampled) -> tuple[str, str]:
    """Return the letter of the samples: S for colours, C for channels, Q for planes; and what was guessed."""
    page, count = series.keyframe, int(series.shape[sampled.letters.index("S")])
    if page.photometric == PHOTOMETRIC.SEPARATED:
        return ("S" if count == 4 and page.dtype in (np.uint8, np.uint16) else "C"), ""
    extra = page.extrasamples[-1] if page.extrasamples else None
    if page.photometric not in _COLOURS:
        return ("S" if count == 2 and extra in _OPACITY else "C"), ""
    if count not in (3, 4):
        return "C", ""
    if page.photometric == PHOTOMETRIC.YCBCR:
        return "S", ""
    if page.planarconfig == PLANARCONFIG.SEPARATE:
        return _plane_kind(series, sampled, count)
    if count == 4 and extra in _OPACITY and page.dtype in (np.uint8, np.uint16):
        return "S", ""
    sample = sampled.window
    if count == 4 and not is_opacity(sample[..., 3]):
        return "C", ""
    if has_colour_values(sample):
        return "S", ""
    return "C", f"Its {count} samples are marked as colours, but have other values: they were read as channels."


def _plane_kind(series: TiffPageSeries, sampled: _Sampled, count: int) -> tuple[str, str]:
    """Return the letter of colours that are stored one after the other, as planes of a stack are; likewise."""
    page = series.keyframe
    extra = page.extrasamples[-1] if page.extrasamples else None
    if count == 4 and extra not in _OPACITY:
        return ("S" if is_opacity(sampled.window[..., 3]) else "C"), ""
    if page.dtype in (np.uint8, np.uint16):
        # Only tifffile marks stacks so; other programs mean the colours that they write.
        if series.kind != "shaped":
            return "S", ""
        sample = sampled.window
        if is_transmitted_light(sample[..., :3]) and (count == 3 or is_opacity(sample[..., 3])):
            return "S", ""
    return "Q", (
        f"Its {count} planes are marked as colours, as tifffile and napari mark every stack of {count}: they were read "
        f"as planes (with the axes {sampled.letters} they are colours)."
    )


def _of_indices(series: TiffPageSeries, sampled: _Sampled, shape: tuple[int, ...]) -> Meaning:
    """Return the meaning of indices into tables of colours: colours, or intensities that a table only tints."""
    letters, tables = sampled.letters, _tables(series)
    if not tables:
        return Meaning(letters, letters, shape)
    in_use = np.unique(sampled.window)
    in_use = in_use[in_use < len(tables[0])]
    if all(is_look_up_table(table / 65535, in_use) for table in tables):
        return Meaning(letters, letters, shape)
    colours = np.stack([(table >> 8).astype(np.uint8) for table in tables])
    if (colours[:, in_use] == colours[:, in_use, :1]).all():
        return Meaning(letters, letters, shape, lambda array: _looked_up(array, colours[..., 0], letters))
    remark = (
        "Its values are indices of a table of colours, which were looked up (with the axes "
        f"{letters} they are taken as they are)."
    )
    return Meaning(letters, f"{letters}S", (*shape, 3), lambda array: _looked_up(array, colours, letters), remark)


def _tables(series: TiffPageSeries) -> list[NDArray[np.uint16]]:
    """Return the tables of colours (entries, 3) of all pages, or the only one that they share."""
    pages = [page.aspage() for page in series.pages if page is not None]
    tables = [np.asarray(page.colormap).T for page in pages if isinstance(page, TiffPage) and page.colormap is not None]
    if len(tables) != len(pages) or len({table.shape for table in tables}) > 1:
        return tables[:1]
    return tables[:1] if all(np.array_equal(table, tables[0]) for table in tables) else tables


def _looked_up(array: AnyArray, tables: NDArray[np.uint8], letters: str) -> NDArray[np.uint8]:
    """Look up the colours of indices (..., Y, X), page by page where every page has a table of its own."""
    indices = np.minimum(np.asarray(array), tables.shape[1] - 1)
    if len(tables) == 1 or not letters.endswith("YX"):
        return np.asarray(tables[0][indices])
    pages = indices.reshape(-1, *indices.shape[-2:])
    colours = np.stack([table[page] for table, page in zip(tables, pages, strict=True)])
    return colours.reshape(*indices.shape, *tables.shape[2:])


def _from_inks(array: NDArray[np.unsignedinteger]) -> NDArray[np.unsignedinteger]:
    """Return red, green and blue of cyan, magenta, yellow and black (..., 4)."""
    full = np.float32(np.iinfo(array.dtype).max)
    light = 1 - array.astype(np.float32) / full
    return np.rint(light[..., :3] * light[..., 3:] * full).astype(array.dtype)


def _colours_last(array: AnyArray, place: int) -> NDArray[Any]:
    return np.moveaxis(np.asarray(array), place, -1)
