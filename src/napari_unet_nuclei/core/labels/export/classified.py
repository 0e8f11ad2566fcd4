"""Classes of nuclei in GeoJSON: QuPath shows each in its colour."""

from __future__ import annotations

import colorsys
import json
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_unet_nuclei.core.files.atomic import atomic
from napari_unet_nuclei.core.labels.classify.nucleus_classes import CLASS

if TYPE_CHECKING:
    import pandas as pd

_SATURATION_AND_VALUE = 0.75, 0.9
"""Of the colours of classes."""

Key = tuple[int, int, int]
"""Of a nucleus in a file: its label, and its plane along z and t."""


def classes_by_nucleus(table: pd.DataFrame) -> dict[Key, str]:
    """Return the class of each nucleus of a table that has one."""
    if CLASS not in table.columns:
        return {}
    # A plain stack lies along z in other programs.
    planes = [next((table[name] for name in names if name in table.columns), 0 * table["label"])
              for names in (("z", "axis_0"), ("t",))]  # fmt: skip
    rows = zip(table["label"].tolist(), *(plane.tolist() for plane in planes), table[CLASS], strict=True)
    return {(int(label), int(z), int(t)): str(name) for label, z, t, name in rows if isinstance(name, str) and name}


def classification(name: str) -> dict[str, Any]:
    """Return a class as QuPath reads it, which refuses files whose classes have no colour: a name has always the same.

    Examples
    --------
    >>> classification("tumour")
    {'name': 'tumour', 'color': [57, 230, 192]}
    """
    share = zlib.crc32(name.encode()) / 2**32
    return {"name": name, "color": [round(255 * part) for part in colorsys.hsv_to_rgb(share, *_SATURATION_AND_VALUE)]}


def classify(feature: dict[str, Any], classes: dict[Key, str]) -> dict[str, Any]:
    """Write the class of a nucleus into its feature, or take it out where it has none."""
    plane = feature.get("nucleusGeometry", feature["geometry"]).get("plane", {})
    key = (int(feature["properties"]["measurements"]["label"]), int(plane.get("z", 0)), int(plane.get("t", 0)))
    if key in classes:
        feature["properties"]["classification"] = classification(classes[key])
    else:
        feature["properties"].pop("classification", None)
    return feature


def classify_geojson(path: Path, table: pd.DataFrame) -> None:
    """Write the classes of a table into a file of nuclei that `write_geojson` has written, nucleus by nucleus.

    Raises
    ------
    OutputFileError
        If the file cannot be read or written.
    """
    classes = classes_by_nucleus(table)
    with (
        atomic(path) as partial,
        path.open(encoding="utf-8") as before,
        partial.open("w", encoding="utf-8", newline="\n") as after,
    ):
        for line in before:
            text = line.rstrip("\n").rstrip(",")
            if text.startswith('{"type":"Feature"'):
                end = "," if line.rstrip("\n").endswith(",") else ""
                after.write(f"{json.dumps(classify(json.loads(text), classes), separators=(',', ':'))}{end}\n")
            else:
                after.write(line)
