"""Cut a plane into tiles whose seams cannot be seen.

Every tile is read with a halo as wide as the network can see and cropped back to its inner part. Origins lie on
multiples of the network's stride, so poolings fall on the same pixels in every tile. At the image's own edge there is
no halo: the network's zero padding stands there, as it does when the image is one piece.

::

    outer  ┌───────────────┐
           │  halo         │
           │   ┌───────┐   │
           │   │ inner │   │
           │   └───────┘   │
           └───────────────┘
"""

from __future__ import annotations

from dataclasses import dataclass

from napari_unet_nuclei.core.types import Region


@dataclass(frozen=True)
class Tile:
    """One tile of a plane."""

    inner: Region  # the pixels this tile decides; inner regions partition the plane
    outer: Region  # what the network reads: inner and halo, cut at the plane's edge

    @property
    def crop(self) -> tuple[slice, slice]:
        """Where ``inner`` lies in an array of the shape of ``outer``."""
        (y0, y1, x0, x1), (oy, _, ox, _) = self.inner, self.outer
        return slice(y0 - oy, y1 - oy), slice(x0 - ox, x1 - ox)


@dataclass(frozen=True)
class Tiling:
    """How planes are cut."""

    largest: int  # largest side of an inner region in pixels
    halo: int  # pixels read on every side beyond it; a multiple of `stride`
    stride: int  # total stride of the network in pixels


def plan_tiles(shape: tuple[int, int], tiling: Tiling) -> tuple[Tile, ...]:
    """Partition a plane (Y, X), whose sides are multiples of the stride, into tiles of about equal size, row by row.

    Examples
    --------
    >>> tiles = plan_tiles((64, 160), Tiling(largest=96, halo=16, stride=16))
    >>> [tile.inner for tile in tiles], [tile.outer for tile in tiles]
    ([(0, 64, 0, 80), (0, 64, 80, 160)], [(0, 64, 0, 96), (0, 64, 64, 160)])
    """
    rows, columns = (_intervals(size, tiling) for size in shape)
    return tuple(
        Tile((*inner_y, *inner_x), (*outer_y, *outer_x)) for inner_y, outer_y in rows for inner_x, outer_x in columns
    )


def placed_tiles(region: Region, shape: tuple[int, int], tiling: Tiling) -> tuple[Tile, ...]:
    """Partition a rectangle, whose edges are multiples of the stride, of a plane (Y, X) that goes on beyond it.

    The halo of `plan_tiles` ends with the rectangle; here it ends with the plane.
    """
    top, bottom, left, right = region
    height, width = shape
    tiles = []
    for tile in plan_tiles((bottom - top, right - left), tiling):
        y0, y1, x0, x1 = tile.inner[0] + top, tile.inner[1] + top, tile.inner[2] + left, tile.inner[3] + left
        halo = tiling.halo
        outer = (max(y0 - halo, 0), min(y1 + halo, height), max(x0 - halo, 0), min(x1 + halo, width))
        tiles.append(Tile((y0, y1, x0, x1), outer))
    return tuple(tiles)


def _intervals(size: int, tiling: Tiling) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Inner and outer intervals along one axis."""
    assert size % tiling.stride == 0, "the plane must be padded to the stride"
    assert tiling.halo % tiling.stride == 0, "a halo that is no multiple of the stride would shift the poolings"
    # Rounded down to the stride, but at least one of it, which is the smallest input.
    largest = max(tiling.largest // tiling.stride * tiling.stride, tiling.stride)
    # -(-a // b) is a / b rounded up.
    count = max(-(-size // largest), 1)
    # Tiles of equal size, not full ones and a narrow rest, whose halo would cost as much as theirs.
    step = max(round_up(-(-size // count), tiling.stride), tiling.stride)
    inner = [(start, min(start + step, size)) for start in range(0, size, step)]
    return [((a, b), (max(a - tiling.halo, 0), min(b + tiling.halo, size))) for a, b in inner]


def round_up(value: int, multiple: int) -> int:
    """Smallest multiple of ``multiple`` that is not below ``value``."""
    return -(-value // multiple) * multiple
