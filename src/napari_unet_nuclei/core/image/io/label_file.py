"""Read labels from whatever holds them: a label image, or outlines of ImageJ or QuPath drawn at an image's size."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_unet_nuclei.core.arguments import checked
from napari_unet_nuclei.core.errors import ImageFileError, ImageShapeError
from napari_unet_nuclei.core.image.axes import ImageSource
from napari_unet_nuclei.core.image.io.image_file import ImageFile
from napari_unet_nuclei.core.image.io.pairs import PICKLED_ENDING
from napari_unet_nuclei.core.image.io.read import is_lossy, read_label_image
from napari_unet_nuclei.core.image.outlines.read import holds_outlines, read_outlines
from napari_unet_nuclei.core.image.pixel_size import PixelSize
from napari_unet_nuclei.core.pieces import NO_LABELS, middle, pieces_of
from napari_unet_nuclei.core.types import AnyArray

NUMBERED = (
    "{path} is a mask, which does not tell nuclei apart: its {pieces:,} separate pieces were numbered, so that "
    "touching nuclei count as one."
)
"""Notice of a file without ids."""

ImageSize: TypeAlias = tuple[str, tuple[int, ...]]
"""Leading axes and "YX", and the length of each."""

LARGEST = 2**26
"""Values; larger files are read plane by plane and taken as they are."""

SMEARED = (
    "{path} holds no labels any more: it is compressed with loss, as JPEG is, which changes the numbers of nuclei. "
    "Save the labels as PNG or TIFF from the program that made them."
)
"""Error of labels that were saved as pictures are."""

IN_PIECES = (
    "{path} may be no label image: its {pieces}. If these are classes of "
    "pixels, number the pieces first: each number counts as one nucleus."
)
"""Notice of a file whose numbers seem to be none of nuclei."""


@dataclass(frozen=True, eq=False)
class LabelFile:
    """Labels that were read from a file.

    Attributes
    ----------
    file : ImageFile
        Ids in its array, with its axes; of outlines the pixel size is unknown.
    notices : tuple of str
        What may be wrong about them: outlines that overlap, lie outside the image or are no area; no ids, or ids in
        many pieces; other images in the file.
    from_mask : bool
        The file held no ids, so that separate pieces were numbered.
    """

    file: ImageFile
    notices: tuple[str, ...] = ()
    from_mask: bool = False


@checked
def read_labels(path: Path | str, size: ImageSize | None = None, series: int | None = None) -> LabelFile:
    """Read labels of nuclei: a label image, a mask, or outlines drawn at the size of their image.

    Of a mask, which has one value for all nuclei, separate pieces get ids, and ``notices`` say so.

    Parameters
    ----------
    path : Path or str
        Any file that `read_image` takes, or ImageJ ROIs (``.roi``, ``.zip``) or GeoJSON (``.geojson``, ``.json``).
    size : tuple of (str, tuple of int), optional
        Axes and shape of the labels of the image, such as ``("TYX", (5, 512, 512))``, for outlines; without it, the
        smallest size that holds them.
    series : int, optional
        Which image of a file with several, as `read_image` takes it.

    Returns
    -------
    LabelFile

    Raises
    ------
    ImageFileError
        If the file cannot be read, none of its outlines lies in the image, or it is a pickle, which is never opened.
    ImageShapeError
        If a label image has channels or colours, or is no label image: an image of intensities, or labels whose numbers
        lossy compression (JPEG) or interpolation has changed.

    Examples
    --------
    >>> import json
    >>> square = [[1, 1], [3, 1], [3, 3], [1, 3], [1, 1]]
    >>> with open("cells.geojson", "w") as file:
    ...     json.dump({"type": "Polygon", "coordinates": [square]}, file)
    >>> read_labels("cells.geojson", ("YX", (4, 5))).file.array
    array([[0, 0, 0, 0, 0],
           [0, 1, 1, 0, 0],
           [0, 1, 1, 0, 0],
           [0, 0, 0, 0, 0]], dtype=int32)
    """
    path = Path(path)
    if path.name.lower().endswith(PICKLED_ENDING):
        raise ImageFileError(
            f"{path} is Cellpose's own file, a pickle: opening it could run any program, so it is never opened. In "
            "Cellpose, choose File > Save masks as PNG/tif or Save outlines as .zip archive of ROI files; give that."
        )
    if not holds_outlines(path):
        file, pieces = number_pieces(read_label_image(path, series))
        doubt = NUMBERED.format(path=path, pieces=pieces) if pieces else doubt_labels(file, lossy=is_lossy(path))
        return LabelFile(file, (*file.remarks, *([doubt] if doubt else [])), from_mask=bool(pieces))
    outlines = read_outlines(path)
    axes, shape = size or outlines.extent()
    drawn = outlines.draw(axes, shape)
    return LabelFile(ImageFile(path, drawn.labels, axes, PixelSize()), drawn.notices)


def read_label_pair(
    one: Path, other: Path, series: tuple[int | None, int | None] = (None, None)
) -> tuple[LabelFile, LabelFile]:
    """Read labels of the same image; outlines are drawn at the size of the other labels, if those are an image.

    ``series`` says which image of either file is read, as `read_labels` takes it.
    """
    paths = (one, other)
    drawn = [holds_outlines(path) for path in paths]
    if all(drawn):
        size = largest([read_outlines(path).extent() for path in paths])
        return read_labels(one, size), read_labels(other, size)
    if not any(drawn):
        return read_labels(one, series=series[0]), read_labels(other, series=series[1])
    image = read_labels(paths[drawn.index(False)], series=series[drawn.index(False)])
    outlines = read_labels(paths[drawn.index(True)], size_of(image.file.source()))
    return (outlines, image) if drawn[0] else (image, outlines)


def size_of(source: ImageSource) -> ImageSize:
    """Return the axes and the shape of the labels of an image."""
    return source.channel_axes, source.channel_shape


def largest(sizes: Sequence[ImageSize]) -> ImageSize:
    """Return the smallest size that holds all of them.

    Examples
    --------
    >>> largest([("YX", (9, 5)), ("TYX", (3, 4, 8))])
    ('TYX', (3, 9, 8))
    """
    lengths: dict[str, int] = {}
    for axes, shape in sizes:
        for letter, length in zip(axes, shape, strict=True):
            lengths[letter] = max(length, lengths.get(letter, 1))
    axes = "".join(letter for letter in "TZQYX" if letter in lengths)
    return axes, tuple(lengths[letter] for letter in axes)


def number_pieces(file: ImageFile) -> tuple[ImageFile, int]:
    """Number the pieces of a mask that are connected by sides, in planes and from plane to plane of a stack.

    Return the file as it is, and 0, if it holds more than one id, or one in a single piece.
    """
    if math.prod(file.array.shape) > LARGEST:
        return file, 0
    inside = _only_value(np.asarray(file.array))
    if inside is None:
        return file, 0
    pieces, count = ndimage.label(inside, structure=_neighbours(file.axes))
    return (replace(file, array=pieces, stored=None, stored_axes=""), count) if count > 1 else (file, 0)


def doubt_labels(file: ImageFile, *, lossy: bool) -> str:
    """Return why the numbers in a file may be none of nuclei; empty where nothing speaks against it.

    Raise ImageShapeError where they surely are not: of an image, or of labels that compression or interpolation has
    smeared. ``lossy`` says that the file keeps values only roughly.
    """
    source = ImageSource(file.array, file.axes)
    index, region = middle(source.channel_shape)
    found = pieces_of(source.stored(index, region=region))
    if lossy and found.numbers > 1:
        raise ImageShapeError(SMEARED.format(path=file.path))
    if found.of_an_image:
        raise ImageShapeError(NO_LABELS.format(what=file.path, pieces=found.text))
    return IN_PIECES.format(path=file.path, pieces=found.text) if found.doubtful else ""


def _only_value(values: AnyArray) -> NDArray[np.bool_] | None:
    """Return where the only value above 0 lies; None if there are none or several, or values that are no ids."""
    inside: NDArray[np.bool_] = values > 0
    known = values[inside]
    if not known.size or (known != known[0]).any() or (values < -1).any():
        return None
    value = known[0].item()
    return inside if value == value // 1 <= np.iinfo(np.int64).max else None


def _neighbours(axes: str) -> NDArray[np.bool_]:
    """Return which neighbours of a pixel are connected with it: those along rows, columns and depth."""
    neighbours = np.zeros((3,) * len(axes), bool)
    middle = (1,) * len(axes)
    neighbours[middle] = True
    for place in (axes.index(letter) for letter in "ZYX" if letter in axes):
        for step in (0, 2):
            neighbours[(*middle[:place], step, *middle[place + 1 :])] = True
    return neighbours
