"""A small stack that is large enough for several blocks in three dimensions, and requests to label it."""

from __future__ import annotations

from pathlib import Path

from napari_unet_nuclei.core.segment.request import SegmentRequest
from tests.helpers.block_images import request_of, write_image
from tests.helpers.samples import packed_tissue

TISSUE = packed_tissue(shape=(10, 64, 60), diameter=24, count=9, spacing=4)
GIVEN = {"diameter": 26.0, "pixel_size": TISSUE.pixel_size}
BLOCK = 24
"""Cubes: there are 2 x 2 x 2 blocks of them, and 1 x 3 x 3 of voxels."""


def write_stack(folder: Path) -> Path:
    return write_image(folder, 3, TISSUE.image, "ZYX")


def request_of_stack(path: Path, **given: object) -> SegmentRequest:
    return request_of(path, diameter=26.0, z_spacing=4.0, z_spacing_unit="px", **given)
