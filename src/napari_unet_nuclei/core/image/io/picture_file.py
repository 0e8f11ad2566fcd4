"""Read PNG, JPEG, BMP, GIF, WebP and JPEG 2000 through Pillow: all bits of a colour, all frames, palettes as meant."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageSequence
from PIL.ImageFile import ImageFile as OpenPicture

from napari_unet_nuclei.core.image.colour import is_look_up_table, is_opacity, without_blank_opacity
from napari_unet_nuclei.core.image.io.image_file import ImageFile
from napari_unet_nuclei.core.image.pixel_size import PixelSize
from napari_unet_nuclei.core.types import AnyArray

_MODES = {"La": "LA", "RGBa": "RGBA", "RGBX": "RGB", "CMYK": "RGB", "YCbCr": "RGB", "LAB": "RGB", "HSV": "RGB"}
"""Colour models that only printers and codecs use, and what they are converted to."""

STAINS = (
    "Its last sample is called opacity, but has other values: all {count} were read as channels (with the axes {axes} "
    "they are a picture and its opacity)."
)
"""What was guessed of two or four samples."""

_LOW_BYTES = {"RGB;16B": "RGB;16L", "RGBA;16B": "RGBA;16L"}
"""Pillow keeps the high byte of 16 bits a colour, which come first in PNG; read as if they came last, it keeps the low
one."""


def read_picture(path: Path) -> ImageFile:
    """Read a picture; several frames are a series in time.

    Palettes become colours, unless they only tint an intensity. Errors are Pillow's.
    """
    with Image.open(path) as picture:
        deep = _deep_png(path, picture)
        if deep is not None:
            return _file(path, deep)
        if picture.mode in ("P", "PA") and not _is_animated(picture):
            indices = np.asarray(picture) if picture.mode == "P" else None
            return _file(path, _looked_up(picture), indices, made=True)
        # Frames of a stereo camera, or previews in a JPEG, are no series in time.
        frames = ImageSequence.Iterator(picture) if _is_animated(picture) else [picture]
        made = picture.mode not in ("LA", "RGBA", "RGBa") or _is_animated(picture)
        return _file(path, _alike([_values(frame) for frame in frames]), made=made)


def _is_animated(picture: Image.Image) -> bool:
    return picture.format in ("GIF", "PNG", "WEBP") and getattr(picture, "n_frames", 1) > 1


def _file(path: Path, array: NDArray[np.generic], indices: AnyArray | None = None, *, made: bool = False) -> ImageFile:
    """Return a picture or several, (Y, X), (Y, X, S), (T, Y, X) or (T, Y, X, S), without opacity that means nothing.

    ``made`` says that the opacity is not stored as such, but was made of a palette or a colour.
    """
    colours = array.shape[-1] in (2, 3, 4) and array.ndim > 2
    axes = "YXS" if colours else "YX"
    axes = "T" + axes if array.ndim > len(axes) else axes
    array = without_blank_opacity(array, axes)
    if array.shape[-1] == 2 and axes.endswith("S") and is_opacity(array[..., 1]) and array[..., 1].all():
        array = array[..., 0]  # opaque everywhere
    if axes.endswith("S") and array.ndim < len(axes):
        axes = axes[:-1]
    stored_axes = "" if indices is None else "YX"
    file = ImageFile(path, array, axes, PixelSize(), stored=indices, stored_axes=stored_axes)
    # Programs that save two or four stains have no other way to store them. Palettes and colours that stand for nothing
    # give an opacity of any strength.
    if axes.endswith("S") and array.shape[-1] in (2, 4) and not made and not is_opacity(array[..., -1]):
        return replace(file, axes=f"{axes[:-1]}C", guessed=STAINS.format(count=array.shape[-1], axes=axes))
    return file


def _values(picture: Image.Image) -> NDArray[np.generic]:
    """Return the values of one frame as grey (Y, X) or colours (Y, X, S)."""
    if picture.mode in ("P", "PA"):
        return _looked_up(picture)
    mode = _MODES.get(picture.mode, picture.mode)
    if "transparency" in picture.info and mode in ("L", "RGB"):
        mode = {"L": "LA", "RGB": "RGBA"}[mode]
    return np.asarray(picture if mode == picture.mode else picture.convert(mode))


def _looked_up(picture: Image.Image) -> NDArray[np.generic]:
    """Return the colours of a palette picture, grey where they are; the indices where the palette only tints them."""
    is_opaque = picture.mode == "P" and "transparency" not in picture.info
    if is_opaque:
        indices = np.asarray(picture)
        table = np.asarray(picture.getpalette("RGB"), np.uint8).reshape(-1, 3)
        if is_look_up_table(table / 255, indices):
            return indices
    colours = np.asarray(picture.convert("RGB" if is_opaque else "RGBA"))
    return _grey_if_equal(colours) if is_opaque else colours


def _grey_if_equal(colours: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return colours[..., 0] if (colours == colours[..., :1]).all() else colours


def _alike(frames: list[NDArray[np.generic]]) -> NDArray[np.generic]:
    """Stack frames, of which some may be grey and some coloured, opaque or not."""
    if len(frames) == 1:
        return frames[0]
    samples = max(1 if frame.ndim == 2 else frame.shape[2] for frame in frames)
    same = []
    for frame in frames:
        colours = frame if frame.ndim == 3 else frame[..., None]
        if colours.shape[2] == 1 and samples >= 3:
            colours = np.repeat(colours, 3, axis=2)
        if colours.shape[2] < samples:
            opaque = np.full((*colours.shape[:2], 1), np.iinfo(np.uint8).max, colours.dtype)
            colours = np.concatenate([colours, opaque], axis=2)
        same.append(colours[..., 0] if samples == 1 else colours)
    stack = np.stack(same)
    # Pillow turns all frames of a grey GIF but the first into colours.
    return stack[..., 0] if samples == 3 and (stack == stack[..., :1]).all() else stack


def _deep_png(path: Path, picture: OpenPicture) -> NDArray[np.uint16] | None:
    """Return a PNG of 16 bits a sample with several samples, of which Pillow keeps 8; None for any other picture."""
    layout = picture.tile[0].args if picture.format == "PNG" and len(picture.tile) == 1 else None
    if layout == "LA;16B":
        # Four bytes, as those of red, green, blue and opacity: high and low of grey, then of opacity.
        four = _read_as(path, "RGBA")
        return _joined(four[..., ::2], four[..., 1::2])
    if layout not in _LOW_BYTES:
        return None
    return _joined(np.asarray(picture), _read_as(path, _LOW_BYTES[layout]))


def _joined(high: NDArray[np.integer], low: NDArray[np.integer]) -> NDArray[np.uint16]:
    """Join the two bytes of every value."""
    return np.asarray(high.astype(np.uint16) << np.uint16(8) | low.astype(np.uint16), np.uint16)


def _read_as(path: Path, layout: str) -> NDArray[np.uint8]:
    """Decode a PNG with its bytes taken for another layout of as many bits."""
    with Image.open(path) as picture:
        picture.tile = [tile._replace(args=layout) for tile in picture.tile]
        return np.asarray(picture)
