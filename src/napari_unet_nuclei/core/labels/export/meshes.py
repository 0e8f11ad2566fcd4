"""Write the surfaces of nuclei in three dimensions for Blender, ParaView, MeshLab and Fiji's 3D Viewer.

One nucleus after the other: only those that the current plane cuts are in memory.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.measure import marching_cubes

from napari_unet_nuclei.core.errors import ImageShapeError
from napari_unet_nuclei.core.files.atomic import atomic
from napari_unet_nuclei.core.labels.numbering import as_ids, whole_labels
from napari_unet_nuclei.core.types import AnyArray, Mask, Region

SMOOTHING = 1.0
"""Gaussian sigma in pixels of a plane: the steps of voxels vanish, nuclei do not."""

MOST_FACES = 20_000
"""Of one nucleus; larger ones get a coarser surface."""


@dataclass
class _Sections:
    """Planes of one nucleus that were read so far."""

    masks: list[tuple[int, Region, Mask]] = field(default_factory=list)

    def volume(self) -> tuple[Mask, tuple[int, int, int]]:
        """Return the whole nucleus, and the indices (z, y, x) of its first voxel."""
        y0, x0 = (min(region[axis] for _, region, _ in self.masks) for axis in (0, 2))
        y1, x1 = (max(region[axis] for _, region, _ in self.masks) for axis in (1, 3))
        first, last = self.masks[0][0], self.masks[-1][0]
        whole = np.zeros((last + 1 - first, y1 - y0, x1 - x0), bool)
        for z, (top, bottom, left, right), mask in self.masks:
            whole[z - first, top - y0 : bottom - y0, left - x0 : right - x0] = mask
        return whole, (first, y0, x0)


def write_meshes(
    path: Path | str,
    labels: AnyArray,
    *,
    axes: str = "ZYX",
    pixel_size_z: float = 0.0,
    pixel_size_y: float = 0.0,
    pixel_size_x: float = 0.0,
) -> int:
    """Write a closed surface of every nucleus of stacks into one OBJ file, and return the number of nuclei.

    Parameters
    ----------
    path : Path or str
        Objects of the file are called ``nucleus_7``, with other axes than Z ``t0_nucleus_7``.
    labels : array_like, shape (..., Y, X)
        Ids of nuclei: whole numbers; 0 and below is background. Read plane by plane, twice.
    axes : str
        One letter per axis of ``labels``, "YX" last, and Z among them.
    pixel_size_z, pixel_size_y, pixel_size_x : float
        In µm, of which coordinates (x, y, z) then are; where one is unknown (0), coordinates are indices of voxels.

    Raises
    ------
    ImageShapeError
        If shapes or axes do not match, or if values are not ids.
    OutputFileError
        If the file cannot be written.
    """
    if len(axes) != len(labels.shape) or not axes.endswith("YX") or axes.count("Z") != 1:
        raise ImageShapeError(
            f"Labels of shape {tuple(labels.shape)} with the axes '{axes}' are no stack: one letter per axis, one Z."
        )
    known = min(pixel_size_z, pixel_size_y, pixel_size_x) > 0
    sizes = np.array([pixel_size_z, pixel_size_y, pixel_size_x] if known else [1.0, 1.0, 1.0])
    count = written = 0
    with atomic(Path(path)) as partial, partial.open("w", encoding="ascii", newline="\n") as file:
        file.write(f"# nuclei, x y z in {'micrometres' if known else 'voxels'}\n")
        for name, sections in _nuclei(labels, axes):
            corners, faces = mesh_of(*sections.volume(), sizes)
            file.write(f"o {name}\n")
            np.savetxt(file, corners[:, ::-1], "v %.3f %.3f %.3f")
            np.savetxt(file, faces + 1 + written, "f %d %d %d")
            written += len(corners)
            count += 1
    return count


def mesh_of(
    mask: Mask, first: tuple[int, int, int], sizes: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return corners (z, y, x) in the unit of ``sizes`` and triangles, which turn their outer side outwards.

    The surface is closed, and encloses as many voxels as the mask (Z, Y, X) has.
    """
    sigma = SMOOTHING * min(sizes[1:]) / sizes
    around = [(math.ceil(3 * along) + 1,) * 2 for along in sigma]
    smooth = ndimage.gaussian_filter(np.pad(mask, around).astype(np.float32), sigma, truncate=3)
    level, spacing = min(0.5, float(smooth.max()) / 2), tuple(sizes.tolist())
    corners, faces = marching_cubes(smooth, level, spacing=spacing)[:2]
    if len(faces) > MOST_FACES:
        step = math.ceil(math.sqrt(len(faces) / MOST_FACES))
        corners, faces = marching_cubes(smooth, level, spacing=spacing, step_size=step)[:2]
    volume = _signed_volume(corners[:, ::-1], faces)
    # Smoothing makes small nuclei smaller.
    middle = corners.mean(axis=0)
    corners = middle + (corners - middle) * np.cbrt(np.count_nonzero(mask) * math.prod(spacing) / abs(volume))
    placed = corners + (np.array(first) - np.array([before for before, _ in around])) * sizes
    return placed, faces[:, ::-1] if volume < 0 else faces


def _signed_volume(corners: NDArray[Any], faces: NDArray[Any]) -> float:
    """Return the enclosed volume; negative where triangles turn their outer side inwards."""
    a, b, c = (corners[faces[:, place]] for place in range(3))
    return float(np.einsum("ij,ij->", a, np.cross(b, c)) / 6)


def _nuclei(labels: AnyArray, axes: str) -> Iterator[tuple[str, _Sections]]:
    """Yield the name and the sections of every nucleus, as soon as its last plane is read."""
    depth = axes.index("Z")
    others = [size for axis, size in enumerate(labels.shape[:-2]) if axis != depth]
    for index in np.ndindex(*others):
        places = [(*index[:depth], z, *index[depth:]) for z in range(labels.shape[depth])]
        prefix = "".join(f"{axis.lower()}{i}_" for axis, i in zip(axes.replace("Z", ""), index, strict=False))
        last = {int(one): z for z, place in enumerate(places) for one in np.unique(as_ids(labels[place])) if one > 0}
        opened: dict[int, _Sections] = {}
        for z, place in enumerate(places):
            plane = as_ids(labels[place])
            ids = np.unique(plane[plane > 0]).tolist()
            for nucleus, (rows, columns) in zip(ids, ndimage.find_objects(whole_labels(plane)), strict=True):
                region = rows.start, rows.stop, columns.start, columns.stop
                opened.setdefault(nucleus, _Sections()).masks.append((z, region, plane[rows, columns] == nucleus))
                if last[nucleus] == z:
                    yield f"{prefix}nucleus_{nucleus}", opened.pop(nucleus)
