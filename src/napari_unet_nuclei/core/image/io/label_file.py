"""Read labels from whatever holds them: a label image, or outlines of ImageJ or QuPath drawn at an image's size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from napari_unet_nuclei.core.errors import ImageFileError
from napari_unet_nuclei.core.image.axes import ImageSource
from napari_unet_nuclei.core.image.io.image_file import ImageFile
from napari_unet_nuclei.core.image.io.read import read_image
from napari_unet_nuclei.core.image.outlines.read import holds_outlines, read_outlines
from napari_unet_nuclei.core.image.pixel_size import PixelSize

PICKLED_ENDING = "_seg.npy"
"""What Cellpose saves by itself: a pickle, which can run any code when it is opened."""


@dataclass(frozen=True, eq=False)
class LabelFile:
    """Labels as an image, and what may be wrong about them, in words."""

    file: ImageFile
    notices: tuple[str, ...] = ()


def read_labels(path: Path, like: Sequence[ImageSource] = ()) -> LabelFile:
    """Read labels.

    Outlines are drawn with the leading axes and the size of the first image in ``like``; without one, in the smallest
    image that holds them.

    Raise ImageFileError as `read_image` and `read_outlines` do, or if the file is a pickle, which is never opened.
    """
    if path.name.lower().endswith(PICKLED_ENDING):
        raise ImageFileError(
            f"{path} is Cellpose's own file, a pickle: opening it could run any program, so it is never opened. In "
            "Cellpose choose File > Save masks as PNG/tif or Save outlines as .zip archive of ROI files, and give that."
        )
    if not holds_outlines(path):
        return LabelFile(read_image(path))
    outlines = read_outlines(path)
    axes, shape = outlines.extent()
    if like:
        axes, shape = f"{like[0].leading_axes}YX", (*like[0].leading_shape, *like[0].plane_shape)
    drawn = outlines.draw(axes, shape)
    return LabelFile(ImageFile(path, drawn.labels, axes, PixelSize()), drawn.notices)
