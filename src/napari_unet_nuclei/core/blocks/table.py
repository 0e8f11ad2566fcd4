"""The table of an image that is larger than memory: every nucleus is measured once, where it is seen whole."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_unet_nuclei.core.blocks.grid import Block
from napari_unet_nuclei.core.blocks.join import Numbers
from napari_unet_nuclei.core.blocks.plan import BlockPlan
from napari_unet_nuclei.core.files.atomic import atomic
from napari_unet_nuclei.core.image.axes import ImageSource
from napari_unet_nuclei.core.labels.measure.measure import measure
from napari_unet_nuclei.core.segment.table import SegmentedChannel, column_names, stain_images
from napari_unet_nuclei.core.types import Box

_WIDENINGS = 3
"""The view is doubled so many times for nuclei that reach beyond it; one that is larger still is measured as seen."""

_SHARED = "shared"


def measure_block(
    plan: BlockPlan,
    block: Block,
    source: ImageSource,
    numbers: Numbers,
    scores: NDArray[np.float64],
    read_labels: Callable[[Box], NDArray[np.integer[Any]]],
) -> dict[str, NDArray[Any]]:
    """Measure the nuclei that are numbered in a block, wherever they reach.

    ``scores`` are those of the nuclei that lie within this block alone, in the order of their ids. Returns columns by
    their number, their ``names``, and which nuclei are ``shared`` with other blocks.
    """
    start, stop = numbers.starts[block.number], numbers.starts[block.number + 1]
    shared = _shared_of(plan, block, numbers)
    margin = plan.halo
    for _ in range(_WIDENINGS + 1):
        view = plan.label_grid.grown(block.core, margin)
        ids = np.asarray(read_labels(view), np.int64)
        # Without the nuclei of other blocks: each is measured once, and one that the view cuts would widen it in vain.
        ids[~((ids > start) & (ids <= stop) | np.isin(ids, shared))] = 0
        if not _reach_beyond(plan, view, ids):
            break
        margin *= 2
    top, left = plan.region[0], plan.region[2]
    leading = dict(zip(source.leading_axes, plan.indices[block.part], strict=True))
    axes = source.channel_axes
    origin = (*leading.values(), top + view[0], left + view[2])
    shape = (*(1 for _ in leading), *ids.shape)
    names = column_names(source)
    stains = {} if plan.light is None else stain_images(source, origin, shape, light=plan.light)
    table = measure(
        ids.reshape(shape),
        {name: SegmentedChannel(source, channel, origin, shape) for channel, name in enumerate(names)},
        means=stains,
        axes=axes,
        pixel_size_y=plan.pixel_size[0],
        pixel_size_x=plan.pixel_size[1],
        origin=origin,
    )
    # Ids beyond the last start are those of shared nuclei, whose scores stand in `numbers`.
    ids_measured = table["label"].to_numpy(np.int64)
    in_several = ids_measured > numbers.starts[-1]
    table["score"] = 0.0
    table.loc[in_several, "score"] = numbers.scores[ids_measured[in_several] - numbers.starts[-1] - 1]
    table.loc[~in_several, "score"] = scores[ids_measured[~in_several] - start - 1]
    # By number: a channel may have any name, and these become names of files within an archive.
    columns = {f"{number}": np.asarray(table[name]) for number, name in enumerate(table.columns)}
    return {**columns, "names": np.array(table.columns, str), _SHARED: in_several}


def _shared_of(plan: BlockPlan, block: Block, numbers: Numbers) -> NDArray[np.int64]:
    """Ids of nuclei that lie in several blocks and are named after a pixel of this one."""
    ids, first = np.unique(numbers.shared_ids, return_index=True)  # of several names the first one counts
    names = numbers.shared[first]
    here = plan.grid.inside(block, np.maximum(names, 1))
    return np.asarray(ids[here & (ids > 0)], np.int64)


def _reach_beyond(plan: BlockPlan, view: Box, ids: NDArray[np.int64]) -> bool:
    """Tell whether a nucleus touches an edge of the view beyond which the plane goes on."""
    (y0, y1, x0, x1), (height, width) = view, plan.grid.shape
    edges = ((y0 > 0, ids[0]), (y1 < height, ids[-1]), (x0 > 0, ids[:, 0]), (x1 < width, ids[:, -1]))
    return any(goes_on and bool(line.any()) for goes_on, line in edges)


def write_block_tables(path: Path, parts: Iterable[dict[str, NDArray[Any]]]) -> float | None:
    """Write the tables of all blocks, in their order, as one CSV file sorted by id.

    Returns the median area in px², or None where there is no nucleus.
    """
    # Ids rise from block to block, and shared nuclei come after all others: only these are held and sorted.
    areas, shared = [], []
    with atomic(path) as partial, partial.open("w", encoding="utf-8", newline="") as file:
        for number, part in enumerate(parts):
            table = pd.DataFrame({name: part[f"{column}"] for column, name in enumerate(part["names"])})
            areas.append(table["area_px"].to_numpy(np.float32))
            shared.append(table[part[_SHARED]])
            table[~part[_SHARED]].to_csv(file, index=False, header=number == 0, lineterminator="\n")
        pd.concat(shared).sort_values("label").to_csv(file, index=False, header=False, lineterminator="\n")
    together = np.concatenate(areas)
    return float(np.median(together)) if together.size else None
