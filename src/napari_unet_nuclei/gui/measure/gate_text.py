"""A gate of the window in the words of a run over files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from napari_unet_nuclei.core.labels.measure.gate import Gate

ONE_CHANNEL = ("mean", "min", "max", "sum", "nucleus", "count", "spots")
"""What follows the name of a layer in a column, where the image has one channel; else the channel's name does."""


def for_folders(gate: Gate, layers: Sequence[str]) -> str:
    """Return the text of a gate for *Batch* and the command line.

    There, columns begin with the channel's name; here, those of an image with several channels begin with the layer's.

    Examples
    --------
    >>> for_folders(Gate.of("cells_GFP_mean > 5 and DAPI_mean < 9"), ["cells", "DAPI"])
    'GFP_mean > 5 and DAPI_mean < 9'
    """
    return str(Gate(tuple(replace(limit, column=_channel_column(limit.column, layers)) for limit in gate.limits)))


def _channel_column(column: str, layers: Sequence[str]) -> str:
    for layer in layers:
        rest = column.removeprefix(f"{layer}_")
        if rest != column and rest.split("_")[0] not in ONE_CHANNEL:
            return rest
    return column
