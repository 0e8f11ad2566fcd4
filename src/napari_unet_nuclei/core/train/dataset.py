"""Read labelled images from disk, and say which file is wrong where one is."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np

from napari_unet_nuclei.core.errors import DatasetError, ImageFileError, NoSamplesError
from napari_unet_nuclei.core.image.normalise import intensity_range
from napari_unet_nuclei.core.image.read import read_image
from napari_unet_nuclei.core.train.samples import Sample
from napari_unet_nuclei.core.types import Labels

Row = dict[str, str]


def read_index(path: Path, split: str, keep: Callable[[Row], bool] = lambda row: True) -> tuple[Sample, ...]:
    """Read one split of a data set described by a CSV file.

    The CSV has a column ``image`` and, where known, ``split`` and ``field`` (images of one field are kept together).
    Image and labels are ``images/<image>.png`` and ``labels/<image>.png`` beside it.

    Parameters
    ----------
    path : Path
        The CSV file.
    split : str
        Rows whose ``split`` is this are read.
    keep : callable, optional
        Further choice of rows.

    Raises
    ------
    DatasetError
        If a file is missing, unreadable, or image and labels do not fit together; the message names the file.
    NoSamplesError
        If no row is left.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = [row for row in csv.DictReader(file) if row.get("split", split) == split and keep(row)]
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"The data set's index {path} cannot be read: {error}.") from error
    if not rows:
        raise NoSamplesError(f"The index {path} has no image of split '{split}' that fits the choice.")
    if "image" not in rows[0]:
        raise DatasetError(f"The index {path} has no column 'image' with the names of the images.")
    try:
        return tuple(_read_sample(path.parent, row) for row in rows)
    except ImageFileError as error:
        raise DatasetError(f"The data set of {path} is incomplete: {error}") from error


def _read_sample(folder: Path, row: Row) -> Sample:
    name = row["image"]
    image_path, labels_path = (folder / kind / f"{name}.png" for kind in ("images", "labels"))
    pixels = read_image(image_path).array.astype(np.float32)
    labels = read_image(labels_path).array
    if pixels.ndim != 2 or labels.shape != pixels.shape:
        raise DatasetError(
            f"{image_path} has shape {pixels.shape} and {labels_path} has shape {labels.shape}; "
            "training needs one grey image and labels of the same height and width."
        )
    image = intensity_range(pixels).normalise(pixels)[np.newaxis]
    return Sample(name, image, whole_labels(labels), row.get("field", name))


def whole_labels(labels: Labels) -> Labels:
    """Return labels as int32 with ids 1..n without gaps."""
    ids, inverse = np.unique(labels, return_inverse=True)
    first = 0 if ids[0] == 0 else 1
    return np.asarray(inverse.reshape(labels.shape) + first, np.int32)
