"""Images of a given size, all with the same density of nuclei at the size that the bundled model knows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from tifffile import imwrite

from napari_unet_nuclei.core.samples.synthetic import fluorescent_nuclei

PIECE = 1024
DIAMETER = 22.0
NUCLEI_PER_PIECE = 700


def field(megapixels: int) -> np.ndarray:
    """Return a square of 2^20 pixels times a square number, (Y, X) uint16, made of repeated pieces."""
    repeats = round(megapixels**0.5)
    assert repeats**2 == megapixels, "a square needs a square number of pieces"
    piece = fluorescent_nuclei(0, (PIECE, PIECE), DIAMETER, NUCLEI_PER_PIECE).image
    return np.tile(piece, (repeats, repeats))


def write_folder(folder: Path, count: int, megapixels: int) -> Path:
    """Make a folder with so many different TIFF files, and return it."""
    folder.mkdir()
    for number in range(count):
        image = field(megapixels)
        image[0, 0] = number
        imwrite(folder / f"{number:03}.tif", image, compression="zlib")
    return folder
