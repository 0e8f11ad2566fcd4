"""Tables of what was followed: a row per nucleus and frame, and a row per track."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_unet_nuclei.core.image.pixel_size import PixelSize
from napari_unet_nuclei.core.tracking.lineage import Lineages
from napari_unet_nuclei.core.tracking.spots import Spots

if TYPE_CHECKING:
    import pandas as pd


def descent_columns(lineages: Lineages) -> dict[str, NDArray[np.int64]]:
    """Return for every row of the spots its track, and that track's parent, generation and root."""
    place = np.searchsorted(lineages.ids, lineages.track)
    # Nuclei that were left out belong to no track; a row at the end stands for none.
    place = np.where(lineages.track > 0, place, len(lineages.ids))
    columns = {"parent": lineages.parent, "generation": lineages.generation, "root": lineages.root}
    return {"track": lineages.track} | {name: np.append(values, 0)[place] for name, values in columns.items()}


def nuclei_table(lineages: Lineages, pixel_size: PixelSize, minutes: NDArray[np.float64]) -> pd.DataFrame:
    """Return a row per nucleus and frame, by track and then by time; nuclei that were left out are left out.

    ``minutes`` of every frame, NaN where unknown.
    """
    import pandas as pd

    spots, deep = lineages.spots, len(lineages.spots.shape) == 4
    columns: dict[str, Any] = {"track": lineages.track, "t": spots.frame, "minutes": minutes[spots.frame]}
    columns["label"] = spots.label
    edges = _edges(pixel_size, deep)
    for axis, (name, edge) in enumerate(zip("zyx" if deep else "yx", edges, strict=True)):
        columns[name] = spots.centre[:, axis]
        columns[f"{name}_um"] = spots.centre[:, axis] * edge
    names = ("voxels", "volume_um3") if deep else ("area_px", "area_um2")
    columns |= {names[0]: spots.size, names[1]: spots.size * math.prod(edges)}
    columns |= {name: values for name, values in descent_columns(lineages).items() if name != "track"}
    return pd.DataFrame(columns).iloc[lineages.by_track].reset_index(drop=True)


def tracks_table(lineages: Lineages, pixel_size: PixelSize, minutes: NDArray[np.float64]) -> pd.DataFrame:
    """Return a row per track; ``minutes`` of every frame, NaN where unknown."""
    import pandas as pd

    spots, first, last = lineages.spots, lineages.first, lineages.last
    frames = np.diff(lineages.bounds)
    begin, end = spots.frame[first], spots.frame[last]
    path, displacement = _lengths(lineages, spots.position)
    # In the unit of positions, an edge of a pixel is 1 in the plane.
    edge = math.sqrt(pixel_size.y * pixel_size.x) if _edges(pixel_size, len(spots.shape) == 4)[0] > 0 else math.nan
    elapsed = minutes[end] - minutes[begin]
    waited = np.maximum(end - begin, 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        speed = np.where(elapsed > 0, path * edge / elapsed, np.nan)
    born, divides = _births(lineages)
    columns: dict[str, Any] = {
        "track": lineages.ids,
        "parent": lineages.parent,
        "generation": lineages.generation,
        "root": lineages.root,
        "first": begin,
        "last": end,
        "frames": frames,
        "gaps": end - begin + 1 - frames,
        "daughters": lineages.daughters,
        "path_px": path,
        "displacement_px": displacement,
        "speed_px_per_frame": np.where(end > begin, path / waited, np.nan),
        "path_um": path * edge,
        "displacement_um": displacement * edge,
        "speed_um_per_min": speed,
        "doubling_frames": np.where(divides > 0, divides - born, np.nan),
        "doubling_min": np.where(divides > 0, minutes[divides] - minutes[born], np.nan),
    }
    return pd.DataFrame(columns)


def _edges(pixel_size: PixelSize, deep: bool) -> tuple[float, ...]:
    """Return the edges of a pixel in µm, [z,] y, x; NaN where unknown."""
    edges = (pixel_size.z, pixel_size.y, pixel_size.x) if deep else (pixel_size.y, pixel_size.x)
    return edges if min(edges) > 0 else (math.nan,) * len(edges)


def _lengths(lineages: Lineages, position: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the length of the way of every track, and the distance between its ends."""
    rows = lineages.by_track
    steps = np.zeros(len(rows))
    steps[1:] = np.linalg.norm(np.diff(position[rows], axis=0), axis=1)
    steps[lineages.bounds[:-1]] = 0  # no step leads from one track to another
    path = np.add.reduceat(steps, lineages.bounds[:-1]) if len(rows) else steps
    return path, np.linalg.norm(position[lineages.last] - position[lineages.first], axis=1)


def _births(lineages: Lineages) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the frame in which every track begins, and that in which its daughters do.

    The latter is 0, in which no daughter begins, for tracks that do not both come from a division and end in one.
    """
    spots: Spots = lineages.spots
    begin = spots.frame[lineages.first]
    divides = np.zeros(len(lineages.ids), np.int64)
    for place in np.flatnonzero(lineages.parent > 0):
        mother = int(np.searchsorted(lineages.ids, lineages.parent[place]))
        if lineages.daughters[mother] > 1 and lineages.parent[mother] > 0:
            divides[mother] = begin[place]
    return begin, divides
