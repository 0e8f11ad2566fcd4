"""Images of every format, spoiled in their pixels, their headers and what they say of themselves."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import imageio.v3 as iio
import numpy as np
import tifffile

from endurance.bounded import WrongRead
from endurance.spoiling import spoiled_bytes, spoiled_head, spoiled_json, spoiled_text
from endurance.tally import Tally
from endurance.trials import Case, Spoil, file_spoiled, try_cases
from napari_unet_nuclei.core.errors import ImageShapeError
from napari_unet_nuclei.core.image.io.label_file import read_labels
from napari_unet_nuclei.core.image.io.read import read_headers, read_image
from napari_unet_nuclei.core.progress import Silent
from napari_unet_nuclei.core.segment.run import run_segment
from napari_unet_nuclei.core.segment.template import RequestTemplate
from napari_unet_nuclei.core.settings import SegmentSettings
from tests.helpers.block_images import write_image as write_store
from tests.helpers.microscope_files import write_czi, write_dv, write_lif, write_nd2, write_oif
from tests.helpers.ome_sets import positions, write_set
from tests.helpers.program import small_image
from tests.helpers.tiny import write_tiny_model

IMAGE = small_image(side=64)
STACK = np.stack([IMAGE] * 3)
CHANNELS = STACK[:2]

MOST_PIXELS = 2**20
"""Of what is segmented; of larger images only a corner of the first plane is read."""

CORNER = (0, 256, 0, 256)


def run(share: float, kept: Path) -> Tally:
    """Spoil images, and open, read and segment them."""
    return try_cases("Images", CASES, share, kept)


def reading(name: str) -> Callable[[Path], None]:
    """Return what opens, reads and segments the image of that name in a folder."""

    def read(folder: Path) -> None:
        path = folder / "in" / name
        read_headers(path)
        image = read_image(path)
        given = image.source()
        channel = "0" if given.channels > 1 and not given.is_colour else ""
        settings = SegmentSettings().changed(diameter=24.0, device="cpu", channel=channel)
        request = RequestTemplate(settings, str(folder / "model.safetensors")).request(image)
        source = request.source
        height, width = source.plane_shape
        indices = source.plane_indices()
        if height * width * int(np.prod(source.leading_shape)) > MOST_PIXELS:
            source.read(next(indices), 0, (0, min(height, CORNER[1]), 0, min(width, CORNER[3])))
            return
        result = run_segment(request, Silent())
        if result.labels.shape[-2:] != (height, width):
            raise WrongRead(f"labels of shape {result.labels.shape} for planes of {(height, width)}")
        with suppress(ImageShapeError):  # an image is no labels, which only its pixels tell
            read_labels(path)

    return read


def made(write: Callable[[Path], object]) -> Callable[[Path], None]:
    """Return what writes an image into the folder ``in``, beside a model."""

    def make(folder: Path) -> None:
        write_tiny_model(folder / "model.safetensors")
        (folder / "in").mkdir()
        write(folder / "in")

    return make


def spoiling(*spoilers: Callable[[bytes, Random], bytes], ending: str = "") -> Spoil:
    """Return what spoils one file of the image."""
    spoil = file_spoiled(*spoilers, ending=ending)
    return lambda folder, drawn: spoil(folder / "in", drawn)


def spoil_description(folder: Path, drawn: Random) -> None:
    """Change what a TIFF file says of itself in its first description."""
    path = next((folder / "in").glob("*.tif"))
    with tifffile.TiffFile(path) as tif:
        pages = [page.asarray() for page in tif.pages]
        said = tif.pages.first.description
    changed = spoiled_text(said.encode(), drawn)
    with tifffile.TiffWriter(path) as writer:
        for number, page in enumerate(pages):
            writer.write(page, contiguous=False, metadata=None, description=None if number else changed)


def case(name: str, trials: int, file: str, write: Callable[[Path], object], spoil: Spoil) -> Case:
    """Return a case of images."""
    return Case(name, trials, made(write), spoil, reading(file))


def _tiff(name: str, pixels: Any, **options: Any) -> Callable[[Path], object]:
    return lambda folder: tifffile.imwrite(folder / name, pixels, **options)


ANY = spoiling(spoiled_bytes, spoiled_head)
ABOUT = spoiling(spoiled_json, ending=".json")
DYES = ["DAPI", "GFP"]

CASES = (
    case("TIFF", 150, "a.tif", _tiff("a.tif", IMAGE), ANY),
    case("tiled TIFF, deflate", 120, "a.tif", _tiff("a.tif", IMAGE, tile=(32, 32), compression="zlib"), ANY),
    case("ImageJ TIFF", 60, "a.tif", _tiff("a.tif", STACK, imagej=True, metadata={"axes": "ZYX"}), ANY),
    case(
        "ImageJ TIFF, description",
        60,
        "a.tif",
        _tiff("a.tif", STACK, imagej=True, metadata={"axes": "ZYX"}),
        spoil_description,
    ),
    case("OME-TIFF", 80, "a.ome.tif", _tiff("a.ome.tif", CHANNELS, ome=True, metadata={"axes": "CYX"}), ANY),
    case(
        "OME-TIFF, description",
        200,
        "a.ome.tif",
        _tiff("a.ome.tif", CHANNELS, ome=True, metadata={"axes": "CYX", "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5}),
        spoil_description,
    ),
    case(
        "OME-TIFF set",
        80,
        "p0.ome.tif",
        lambda folder: write_set(folder, positions([STACK, STACK], "p{}.ome.tif"), "c.companion.ome"),
        spoiling(spoiled_text, ending=".companion.ome"),
    ),
    case("PNG", 100, "a.png", lambda folder: iio.imwrite(folder / "a.png", IMAGE), ANY),
    case("JPEG", 40, "a.jpg", lambda folder: iio.imwrite(folder / "a.jpg", (IMAGE >> 8).astype(np.uint8)), ANY),
    case("NumPy", 60, "a.npy", lambda folder: np.save(folder / "a.npy", STACK), ANY),
    case(
        "OME-Zarr 0.4, metadata",
        120,
        "a.ome.zarr",
        lambda folder: _store(folder, 2),
        spoiling(spoiled_json, ending=".z[ag]*"),
    ),
    case(
        "OME-Zarr 0.4, chunks", 60, "a.ome.zarr", lambda folder: _store(folder, 2), spoiling(spoiled_bytes, ending="0")
    ),
    case("OME-Zarr 0.5, metadata", 120, "a.ome.zarr", lambda folder: _store(folder, 3), ABOUT),
    case(
        "OME-Zarr 0.5, chunks", 60, "a.ome.zarr", lambda folder: _store(folder, 3), spoiling(spoiled_bytes, ending="0")
    ),
    case("ND2", 100, "a.nd2", lambda folder: write_nd2(folder / "a.nd2", CHANNELS, 0.5, DYES), ANY),
    case("LIF", 100, "a.lif", lambda folder: write_lif(folder / "a.lif", [CHANNELS], "CYX", 5e-7, dyes=DYES), ANY),
    case("CZI", 100, "a.czi", lambda folder: write_czi(folder / "a.czi", CHANNELS[None], 5e-7, DYES), ANY),
    case("OIB", 60, "a.oib", lambda folder: write_oif(folder / "a.oib", CHANNELS, "CYX", 0.5, DYES, 1.0), ANY),
    case("DV", 60, "a.dv", lambda folder: write_dv(folder / "a.dv", CHANNELS[None, :, None], 0, (0.5, 0.5, 1)), ANY),
)


def _store(folder: Path, zarr_format: int) -> None:
    write_store(folder / "a.ome.zarr", zarr_format, IMAGE)
