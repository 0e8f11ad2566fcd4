"""The table of volumes that are larger than memory: blocks sum up the voxels of their nuclei, and the sums add up.

Whatever the blocks, a nucleus has the same row as in the undivided volume. What is held of it is a few hundred bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_unet_nuclei.core.blocks.grid import Block
from napari_unet_nuclei.core.blocks.plan import BlockPlan
from napari_unet_nuclei.core.files.atomic import atomic
from napari_unet_nuclei.core.image.axes import ImageSource
from napari_unet_nuclei.core.labels.measure.volume_sums import VolumeGeometry, VolumeSums, sum_part
from napari_unet_nuclei.core.segment.table import column_names
from napari_unet_nuclei.core.types import Box


def sum_block(
    plan: BlockPlan, block: Block, source: ImageSource, read_labels: Callable[[Box], NDArray[np.integer[Any]]]
) -> dict[str, NDArray[Any]]:
    """Sum up what lies in a block of the labels; returns the ids there, their sums, and the ``part``."""
    assert plan.volume is not None, "planes are measured nucleus by nucleus"
    grid, stack = plan.label_grid, plan.volume.stacks[block.part]
    # Surfaces are counted between neighbours, each pair by one block.
    view = grid.grown(block.core, 1)
    names = column_names(source)
    z0, z1, y0, y1, x0, x1 = block.core
    top, left = plan.region[0], plan.region[2]
    ids, numbers = np.unique(read_labels((z0, *view[1:])), return_inverse=True)
    background = int(ids[0] == 0)
    numbers = (numbers + 1 - background).astype(np.int32)

    def planes() -> Iterator[tuple[NDArray[np.int32], dict[str, NDArray[Any]]]]:
        for z, plane in enumerate(numbers, start=z0):
            where = (top + y0, top + y1, left + x0, left + x1)
            images = {
                name: source.read(plan.indices[stack[z]], channel, where) if z < z1 else np.zeros((0, 0))
                for channel, name in enumerate(names)
            }
            yield plane, images

    sums = sum_part(planes(), len(ids) - background, names, block.core, plan.volume.shape)
    return {"ids": ids[background:].astype(np.int64), "part": np.array(block.part), **vars(sums)}


def write_volume_table(
    path: Path,
    plan: BlockPlan,
    source: ImageSource,
    parts: Iterable[dict[str, NDArray[Any]]],
    scores: NDArray[np.float64],
) -> None:
    """Add up the sums of all blocks, and write the table of nuclei 1..n, whose scores these are, sorted by id."""
    volume = plan.volume
    assert volume is not None, "planes have a table of their own"
    names, count = column_names(source), len(scores)
    of_part = np.zeros(count, np.int64)

    def placed() -> Iterator[tuple[NDArray[np.int64], VolumeSums]]:
        for one in parts:
            places = one["ids"] - 1
            of_part[places] = one["part"]
            yield places, VolumeSums(**{field.name: one[field.name] for field in fields(VolumeSums)})

    sums = VolumeSums.of_parts(placed(), count, len(names))
    geometry = _geometry(plan, source)
    tables = []
    for number, stack in enumerate(volume.stacks):
        index = plan.indices[stack[0]]
        here = np.flatnonzero(of_part == number)
        others = index[: geometry.depth] + index[geometry.depth + 1 :]
        tables.append(pd.DataFrame(sums.chosen(here).columns(here + 1, names, geometry, others)))
    table = pd.concat(tables, ignore_index=True).sort_values("label")
    table["score"] = scores
    with atomic(path) as partial:
        table.to_csv(partial, index=False, lineterminator="\n")


def _geometry(plan: BlockPlan, source: ImageSource) -> VolumeGeometry:
    """Tell where the labels lie; an only leading axis that is unknown is depth, as the user has said."""
    axes = source.channel_axes
    spacing = plan.provenance["z_spacing"]
    sizes = (float(spacing["um"]), *plan.pixel_size)
    known = min(sizes) > 0
    return VolumeGeometry(
        axes=axes if "Z" in axes else axes.replace("Q", "Z"),
        origin=(*(0 for _ in source.leading_axes), plan.region[0], plan.region[2]),
        sizes=sizes if known else (float(spacing["pixels"]), 1.0, 1.0),
        known=known,
    )
