"""Read ImageJ's ROIs, one as a .roi file or several in a zip archive; every size is checked before it is believed."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from roifile import ROI_SUBTYPE, ROI_TYPE, ImagejRoi

from napari_unet_nuclei.core.errors import ImageFileError
from napari_unet_nuclei.core.image.outlines.outline import (
    MOST_NAMED,
    Outline,
    Outlines,
    Ring,
    ellipse,
    rectangle,
)

ROI_SUFFIX = ".roi"
LARGEST_ROI = 2**24
"""Bytes; an outline of a million corners has half as many."""

POLYGONS = frozenset({ROI_TYPE.POLYGON, ROI_TYPE.FREEHAND, ROI_TYPE.TRACED})
NO_AREAS = {
    ROI_TYPE.POINT: "a point",
    ROI_TYPE.LINE: "a line",
    ROI_TYPE.POLYLINE: "a line",
    ROI_TYPE.FREELINE: "a line",
    ROI_TYPE.ANGLE: "an angle",
    ROI_TYPE.NOROI: "empty",
}
NO_OUTLINES = {ROI_SUBTYPE.TEXT: "a text", ROI_SUBTYPE.IMAGE: "a picture"}

OWN_NAME = re.compile(r"(\d{5,})(-[a-z]\d{4,})*")
"""Names that this program gives: the id, then letter and number of each further axis."""

# Operations of a Java path, and how many numbers follow each: move, line, quadratic and cubic curve, close.
_MOVE, _LINE, _QUADRATIC, _CUBIC, _CLOSE = range(5)
_OPERANDS = {_MOVE: 2, _LINE: 2, _QUADRATIC: 4, _CUBIC: 6, _CLOSE: 0}
_CURVE_STEPS = 16


def read_rois(path: Path, entries: Sequence[tuple[str, bytes]]) -> Outlines:
    """Read the ROIs of a file, each with the name of its entry.

    What is no area is left out and named. Raise ImageFileError if a ROI is damaged, or none is an area.
    """
    outlines, other = [], []
    for entry, content in entries:
        try:
            roi = ImagejRoi.frombytes(content)
            name = roi.name or Path(entry).stem
            kind = NO_OUTLINES.get(roi.subtype) or NO_AREAS.get(roi.roitype)
            if kind is not None:
                other.append(f"'{name}' is {kind}")
                continue
            outlines.append(_outline(roi, name))
        except Exception as error:  # a damaged file can make the reader fail in any way
            raise ImageFileError(
                f"{path}: '{entry}' cannot be read as an ImageJ ROI ({error}). Save the ROIs again."
            ) from error
    more = f" and {len(other) - MOST_NAMED} more" if len(other) > MOST_NAMED else ""
    named = f"{', '.join(other[:MOST_NAMED])}{more}"
    if other and not outlines:
        raise ImageFileError(
            f"{path} holds no area that could be a nucleus: {named}. Save polygons, freehand selections, ovals, "
            "rectangles or composite selections."
        )
    notices = (f"{path.name}: left out, since they are no areas: {named}.",) if other else ()
    return Outlines(path, tuple(outlines), notices)


def is_roi_entry(entry: zipfile.ZipInfo) -> bool:
    """Tell whether an entry of an archive is a ROI; copies that macOS adds are not."""
    return entry.filename.lower().endswith(ROI_SUFFIX) and "__MACOSX" not in entry.filename


def _outline(roi: ImagejRoi, name: str) -> Outline:
    rings = tuple(_checked(ring) for ring in _rings(roi))
    if not rings or not all(map(len, rings)):
        raise ValueError("it has no corners")
    own = OWN_NAME.fullmatch(name)
    # ImageJ counts from 1; 0 means that the ROI belongs to no plane in particular.
    t, z, position = (None if number < 1 else number - 1 for number in (roi.t_position, roi.z_position, roi.position))
    return Outline(name, (rings,), int(own[1]) if own else 0, t, z, position)


def _rings(roi: ImagejRoi) -> Iterator[Ring]:
    """Yield the rings of a ROI in the coordinates of the image."""
    if roi.multi_coordinates is not None:
        yield from _path_rings(roi.multi_coordinates.astype(np.float64))
    elif roi.roitype in POLYGONS:
        if roi.subpixel_coordinates is not None:
            yield roi.subpixel_coordinates.astype(np.float64)
        elif roi.integer_coordinates is not None:
            yield roi.integer_coordinates.astype(np.float64) + np.array((roi.left, roi.top), float)
    else:
        box = (float(roi.left), float(roi.top), float(roi.right - roi.left), float(roi.bottom - roi.top))
        if roi.subpixelrect:
            box = (roi.xd, roi.yd, roi.widthd, roi.heightd)
        yield ellipse(*box) if roi.roitype == ROI_TYPE.OVAL else rectangle(*box)


def _path_rings(path: NDArray[np.float64]) -> Iterator[Ring]:
    """Yield the rings of a composite selection; curves become short lines."""
    points: list[NDArray[np.float64]] = []
    place = 0
    while place < len(path):
        operation = int(path[place])
        values = path[place + 1 : place + 1 + _OPERANDS[operation]].reshape(-1, 2)
        if len(values) * 2 < _OPERANDS[operation]:
            raise ValueError("its path ends too early")
        place += 1 + _OPERANDS[operation]
        if operation == _MOVE and len(points) > 2:
            yield np.array(points)
        if operation in (_MOVE, _LINE):
            points = [*([] if operation == _MOVE else points), values[0]]
        elif operation in (_QUADRATIC, _CUBIC):
            points += list(_curve(np.vstack([points[-1], values])))
    if len(points) > 2:
        yield np.array(points)


def _curve(controls: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return points along a Bézier curve after its first one, by de Casteljau's construction."""
    share = np.linspace(0, 1, _CURVE_STEPS + 1)[1:, None, None]
    lines = np.repeat(controls[None], _CURVE_STEPS, axis=0)
    while lines.shape[1] > 1:
        lines = lines[:, :-1] * (1 - share) + lines[:, 1:] * share
    return np.asarray(lines[:, 0])


def _checked(ring: Ring) -> Ring:
    if not np.isfinite(ring).all():
        raise ValueError("its coordinates are no finite numbers")
    return ring
