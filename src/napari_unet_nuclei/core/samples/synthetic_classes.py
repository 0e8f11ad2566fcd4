"""A synthetic data set of several classes, for trying and testing the semantic task without a download.

Every image is determined by its seed.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import imageio.v3 as iio
import numpy as np

from napari_unet_nuclei.core.files.atomic import atomic
from napari_unet_nuclei.core.image.pixel_size import PixelSize
from napari_unet_nuclei.core.samples.drawing import Nucleus, camera, draw, place_nuclei, uneven_light
from napari_unet_nuclei.core.samples.synthetic import SampleImage

CLASSES = ("background", "round nucleus", "elongated nucleus", "debris")
"""Names of the classes by id."""

ELONGATION = 3.0
"""Long axis divided by short axis of nuclei of class 2."""

BRIGHTNESS = {1: (0.55, 0.75), 2: (0.3, 0.45), 3: (0.9, 1.0)}
"""Ranges by class: chromatin is denser in small round nuclei than in the long nuclei of connective tissue."""

IMAGES, LABELS = "images", "labels"
"""Folders of the data set."""


def cell_classes(seed: int = 0, shape: tuple[int, int] = (256, 256), diameter: float = 22.0) -> SampleImage:
    """Draw two kinds of cells that differ in shape and brightness of their nuclei, and bright specks of debris.

    Parameters
    ----------
    seed : int
        Determines everything.
    shape : tuple of int
        Rows and columns.
    diameter : float
        Median diameter of the nuclei, in pixels.

    Returns
    -------
    SampleImage
        Axes YX, uint16; its ``labels`` are class ids, named by `CLASSES`.
    """
    rng = np.random.default_rng(seed)
    room = shape[0] * shape[1] / diameter**2
    placed = place_nuclei(shape, diameter, round(room / 5), rng, clumped=0.0)
    round_ones = [replace(nucleus, elongation=1.05) for nucleus in placed[::2]]
    long_ones = [replace(nucleus, elongation=ELONGATION) for nucleus in placed[1::2]]
    specks = [_speck(shape, diameter, rng) for _ in range(round(room / 6))]
    # Indexed by the id of a drawn nucleus, 0 for background.
    class_of = np.repeat([0, 1, 2, 3], [1, len(round_ones), len(long_ones), len(specks)])
    drawn = [
        replace(one, brightness=rng.uniform(*BRIGHTNESS[kind]))
        for one, kind in zip([*round_ones, *long_ones, *specks], class_of[1:].tolist(), strict=True)
    ]
    clean, ids = draw(drawn, shape)
    image = camera((clean + 0.05) * uneven_light(shape, rng), rng)
    return SampleImage("Cell classes", image, class_of[ids].astype(np.int32), "YX", PixelSize(0.5, 0.5))


def _speck(shape: tuple[int, int], diameter: float, rng: np.random.Generator) -> Nucleus:
    y, x = rng.uniform(0, shape)
    return Nucleus(y, x, diameter * rng.uniform(0.12, 0.22), seed=int(rng.integers(2**31)))


def write_class_set(folder: Path | str, images: int = 12, shape: tuple[int, int] = (256, 256)) -> None:
    """Write images of `cell_classes`, with seeds from 0, and their class ids into two folders of PNG files.

    Parameters
    ----------
    folder : Path or str
        Receives ``images/`` and ``labels/``; files of the same names are replaced.
    images : int
        Number of images.
    shape : tuple of int
        Rows and columns of each image.

    Raises
    ------
    OutputFileError
        If a file cannot be written.

    Examples
    --------
    >>> from pathlib import Path
    >>> from napari_unet_nuclei import write_class_set
    >>> write_class_set("cells", images=2, shape=(64, 64))
    >>> sorted(path.name for path in Path("cells/labels").iterdir())
    ['cells_00.png', 'cells_01.png']
    """
    for seed in range(images):
        sample = cell_classes(seed, shape)
        for kind, pixels in ((IMAGES, sample.image), (LABELS, sample.labels.astype(np.uint8))):
            with atomic(Path(folder) / kind / f"cells_{seed:02}.png") as temporary:
                temporary.write_bytes(iio.imwrite("<bytes>", pixels, extension=".png"))
