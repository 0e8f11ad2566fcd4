"""The table of corrected labels, in which only the rows of changed nuclei are measured again.

Nuclei that extend through planes have one row each, as `measure_volumes` describes it; others one for each plane.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import pandas as pd

from napari_unet_nuclei.core.labels.measure.measure import axis_columns, measure
from napari_unet_nuclei.core.labels.measure.surroundings import depends_on_surroundings
from napari_unet_nuclei.core.labels.measure.volumes import measure_volumes
from napari_unet_nuclei.core.labels.regions import grown, slices, united
from napari_unet_nuclei.core.progress import Progress
from napari_unet_nuclei.core.segment.table import SegmentedChannel, StoredIds
from napari_unet_nuclei.core.types import Index, Region
from napari_unet_nuclei.gui.viewer.corrected_layer import CorrectedLayer
from napari_unet_nuclei.gui.viewer.measure_request import MeasureRequest, measure_layers, with_network_columns

_T = TypeVar("_T")

ACCEPTED = "accepted"
"""Column that marks nuclei that the user accepted or drew."""

MEASURED = {"label", "area_px", "centroid_y", "centroid_x"}
"""Columns by which our tables of planes are recognised."""

MEASURED_VOLUMES = {"label", "voxels", "centroid_z", "centroid_y", "centroid_x", "z_first", "z_last"}
"""Columns by which our tables of volumes are recognised."""

ONE_WINDOW = 2**20
"""Pixels; changed nuclei within a smaller rectangle are measured together."""


@dataclass(frozen=True)
class KeptTable:
    """The rows of a labels layer.

    Attributes
    ----------
    table : pandas.DataFrame
        As `measure` describes it, with any columns of the user's own.
    segmented : pandas.DataFrame
        The table before any correction: after an undo, a nucleus gets its original score back.
    """

    table: pd.DataFrame
    segmented: pd.DataFrame

    def with_rows(
        self, corrected: CorrectedLayer, index: Index, nuclei: Iterable[int], rows: pd.DataFrame
    ) -> KeptTable:
        """Replace the rows of some nuclei of a plane, or of its stack; nuclei without a new row are removed.

        A nucleus that still exists keeps its values in columns of the user's own; what was measured of its cell, of
        regions and spots, or told by a gate is void until it is measured again.
        """
        old = self.table
        touched = old["label"].isin(list(nuclei))
        names, origin = _leading(corrected)
        for name, first, place in zip(names, origin, _own_axes(corrected, index), strict=True):
            touched &= old[name] == first + place
        if "score" in rows.columns:
            rows = rows.assign(score=with_network_columns(rows, self.segmented)["score"])
        own = [name for name in old.columns if name not in rows.columns and not depends_on_surroundings(str(name))]
        rows = rows.merge(old.loc[touched, ["label", *own]], on="label", how="left") if own else rows
        parts = [part for part in (old[~touched], rows.reindex(columns=old.columns)) if len(part)]
        table = pd.concat(parts, ignore_index=True) if parts else old[~touched]
        ordered = table.sort_values([*names, "label"], ignore_index=True)
        return KeptTable(ordered, self.segmented)

    def features(self, corrected: CorrectedLayer, accepted: set[tuple[Index, int]]) -> pd.DataFrame:
        """Return the table as features of a labels layer, with the column `ACCEPTED`."""
        table = self.table.drop(columns=[ACCEPTED, "index"], errors="ignore")
        # A nucleus that is right in one of its planes is right in all of them.
        rows = {(_own_axes(corrected, index), nucleus) for index, nucleus in accepted}
        state = [row in rows for row in _rows(corrected, table)]
        return table.assign(index=table["label"], **{ACCEPTED: np.array(state, bool)})[
            ["index", *table.columns, ACCEPTED]
        ]


def accepted_in(corrected: CorrectedLayer, features: pd.DataFrame) -> set[tuple[Index, int]]:
    """Return plane and id of the nuclei that a layer's features mark as accepted."""
    if ACCEPTED not in features.columns or not _is_ours(corrected, features):
        return set()
    marked = features[features[ACCEPTED].fillna(False).astype(bool)]
    rows = _rows(corrected, marked)
    if corrected.depth is None:
        return set(rows)
    first = corrected.labels.place.origin[corrected.depth]
    spans = zip(marked["z_first"].tolist(), marked["z_last"].tolist(), strict=True)
    return {
        ((*place[: corrected.depth], z - first, *place[corrected.depth :]), nucleus)
        for (place, nucleus), (begin, end) in zip(rows, spans, strict=True)
        for z in range(begin, end + 1)
    }


def table_job(corrected: CorrectedLayer) -> Callable[[Progress], KeptTable]:
    """Return the job that uses the layer's features if they describe its nuclei, else measures all of them.

    Call it in the window's thread: labels and features are copied.
    """
    request = MeasureRequest(
        labels=corrected.labels,
        channels=dict(corrected.image.channels) if corrected.image else {},
        displaced=(),
        pixel_size=corrected.voxel_size,
        world=corrected.labels.place.matrix,
        volumes=corrected.depth is not None,
        spacing=0.0 if corrected.depth is None else corrected.plane_spacing,
    )
    ids, features = corrected.labels.copied(), corrected.layer.features.copy()

    def job(progress: Progress) -> KeptTable:
        if _is_ours(corrected, features) and _describes(corrected, features, ids):
            return KeptTable(features, features)
        table = _with_own(measure_layers(request, ids, features, progress).table, features)
        return KeptTable(table, table)

    return job


def measured_rows(
    corrected: CorrectedLayer, columns: Sequence[str], index: Index, boxes: Mapping[int, Region]
) -> pd.DataFrame:
    """Measure some nuclei of a plane for a table with certain columns.

    Parameters
    ----------
    corrected : CorrectedLayer
    columns : sequence of str
        Intensity columns are matched with the channels of the image by name, else by order.
    index : Index
    boxes : mapping of int to Region
        Bounding boxes of the nuclei.
    """
    if not boxes:
        return pd.DataFrame(columns=["label"])
    together = united(list(boxes.values()))
    if (together[1] - together[0]) * (together[3] - together[2]) <= ONE_WINDOW:
        return _window(corrected, columns, index, together, tuple(boxes))
    parts = [_window(corrected, columns, index, box, (nucleus,)) for nucleus, box in boxes.items()]
    return pd.concat(parts, ignore_index=True)


def _window(
    corrected: CorrectedLayer, columns: Sequence[str], index: Index, box: Region, nuclei: tuple[int, ...]
) -> pd.DataFrame:
    """Measure nuclei in a window with a margin of a pixel, so that only the image's edge counts as an edge."""
    window = grown(box, 1, corrected.labels.shape[-2:])
    ids = corrected.view[(*index, *slices(window))]
    ids = np.where(np.isin(ids, nuclei), ids, 0)[(np.newaxis,) * len(index)]
    first = (*index, window[0], window[2])
    maps = corrected.maps(index) if "confidence" in columns else None
    pixel_size = corrected.pixel_size
    table = measure(
        ids,
        {name: _cut(channel, first, ids.shape) for name, channel in _channels(corrected, columns).items()},
        axes=corrected.labels.axes,
        pixel_size_y=pixel_size.y,
        pixel_size_x=pixel_size.x,
        origin=tuple(np.add(corrected.labels.place.origin, first).tolist()),
        world=corrected.labels.place.matrix if any(name.startswith("world_") for name in columns) else None,
        maps=None if maps is None else maps[np.newaxis, :, *slices(window)],
    )
    return _without_score(table, columns)


def measured_volume_rows(
    corrected: CorrectedLayer, columns: Sequence[str], index: Index, boxes: Mapping[int, Mapping[int, Region]]
) -> pd.DataFrame:
    """Measure some nuclei of the stack that a plane belongs to; ``boxes`` of each in all planes that it lies in."""
    parts = [_volume_row(corrected, columns, index, nucleus, sections) for nucleus, sections in boxes.items()]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=["label"])


def _volume_row(
    corrected: CorrectedLayer, columns: Sequence[str], index: Index, nucleus: int, sections: Mapping[int, Region]
) -> pd.DataFrame:
    """Measure a nucleus in a box with a margin of a voxel, so that only the image's faces count as faces."""
    depth = corrected.depth
    assert depth is not None, "asked of volumes only"
    y0, y1, x0, x1 = window = grown(united(list(sections.values())), 1, corrected.labels.shape[-2:])
    z0, z1 = max(min(sections) - 1, 0), min(max(sections) + 2, corrected.labels.shape[depth])
    first = (*corrected.along_stack(index, z0), y0, x0)
    box = np.asarray(corrected.stack(index)[(slice(z0, z1), *slices(window))])
    leading = [1] * len(index)
    leading[depth] = z1 - z0
    ids = np.where(box == nucleus, box, 0).reshape(*leading, y1 - y0, x1 - x0)
    size = corrected.voxel_size
    return _without_score(
        measure_volumes(
            ids,
            {name: _cut(channel, first, ids.shape) for name, channel in _channels(corrected, columns).items()},
            axes=_stack_axes(corrected),
            pixel_size_z=size.z,
            pixel_size_y=size.y,
            pixel_size_x=size.x,
            spacing=corrected.plane_spacing,
            origin=tuple(np.add(corrected.labels.place.origin, first).tolist()),
            world=corrected.labels.place.matrix if any(name.startswith("world_") for name in columns) else None,
        ),
        columns,
    )


def _without_score(table: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    # The score was fitted to the network's nuclei, not to drawn ones; `KeptTable` restores it after an undo.
    return table.assign(score=np.nan) if "score" in columns else table


def _stack_axes(corrected: CorrectedLayer) -> str:
    """Return the axes of the labels; an axis without a name that was taken for depth is depth."""
    axes = corrected.labels.axes
    return axes if "Z" in axes else axes.replace("Q", "Z")


def _cut(channel: SegmentedChannel, first: tuple[int, ...], shape: tuple[int, ...]) -> SegmentedChannel:
    """Return the part of a channel from an index of the labels on."""
    origin = tuple(np.add(channel.origin, first).tolist())
    return SegmentedChannel(channel.source, channel.channel, origin, shape)


def _channels(corrected: CorrectedLayer, columns: Sequence[str]) -> dict[str, SegmentedChannel]:
    """Return the channels that intensity columns were measured in; none if the image has other channels."""
    channels = corrected.image.channels if corrected.image else {}
    heads = [name.removesuffix("_mean") for name in columns if name.endswith("_mean")]
    if set(heads) <= set(channels):
        return {head: channels[head] for head in heads}
    return dict(zip(heads, channels.values(), strict=True)) if len(heads) == len(channels) else {}


def _leading(corrected: CorrectedLayer) -> tuple[list[str], tuple[int, ...]]:
    """Return the columns that tell which plane, or stack, a row belongs to, and the index of the first one."""
    names = axis_columns(corrected.labels.source.leading_axes)
    origin = corrected.labels.place.origin[: len(names)]
    return list(_own_axes(corrected, names)), _own_axes(corrected, origin)


def _own_axes(corrected: CorrectedLayer, along: Sequence[_T]) -> tuple[_T, ...]:
    """Leave out, of something along all leading axes, the one along which nuclei extend."""
    depth = corrected.depth
    return tuple(along) if depth is None else (*along[:depth], *along[depth + 1 :])


def _is_ours(corrected: CorrectedLayer, features: pd.DataFrame) -> bool:
    measured = MEASURED if corrected.depth is None else MEASURED_VOLUMES
    return {*measured, *_leading(corrected)[0]} <= set(features.columns)


def _describes(corrected: CorrectedLayer, features: pd.DataFrame, ids: StoredIds) -> bool:
    """Return whether a table has a row with the right size for every nucleus of every plane, or stack."""
    sizes: Counter[tuple[Index, int]] = Counter()
    for index in corrected.plane_indices:
        found, counts = np.unique(ids[index], return_counts=True)
        place = _own_axes(corrected, index)
        sizes.update({(place, int(one)): count for one, count in zip(found, counts.tolist(), strict=True) if one > 0})
    own = features["area_px" if corrected.depth is None else "voxels"]
    return sizes == dict(zip(_rows(corrected, features), own, strict=True))


def _rows(corrected: CorrectedLayer, table: pd.DataFrame) -> list[tuple[Index, int]]:
    """Return plane, or stack, and id of every row."""
    names, origin = _leading(corrected)
    planes = zip(*((table[name] - first).tolist() for name, first in zip(names, origin, strict=True)), strict=True)
    ids = table["label"].tolist()
    return list(zip(planes if names else [()] * len(ids), ids, strict=True))


def _with_own(table: pd.DataFrame, features: pd.DataFrame) -> pd.DataFrame:
    """Add the user's own columns."""
    own = features[[name for name in features.columns if name not in table.columns and name not in ("index", ACCEPTED)]]
    if own.empty:
        return table
    labels = features["index"] if "index" in features.columns else pd.Series(features.index, features.index)
    known = own.assign(label=labels).drop_duplicates("label")
    return table.merge(known, on="label", how="left")
