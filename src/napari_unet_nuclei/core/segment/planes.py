"""What becomes of the planes of a stack: one volume, nuclei joined from plane to plane, or each by itself."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, TypeAlias

from napari_unet_nuclei.core.errors import ImageShapeError, SettingsError
from napari_unet_nuclei.core.image.axes import ImageSource
from napari_unet_nuclei.core.quantity import quantity
from napari_unet_nuclei.core.settings import PROJECTIONS, SegmentSettings

StackReading: TypeAlias = Literal["each", "joined", "volume"]
"""How the planes of a stack that is not projected are read."""

FEWEST_PLANES = 2
"""From so many planes on, nuclei are found in three dimensions: at two to four planes that is as good as joining them,
and from five on far better."""

LARGEST_STACK = 256 * 2**20
"""Voxels of the stacks of an image whose nuclei are found in memory, at 8 bytes each."""


ONE_PLANE = "There is one plane only, and planes is '{planes}': leave that out, or give a stack."

NOT_A_STACK = "This is no stack: it was segmented as it is, and what was asked of stacks (planes, spacing) left out."
"""Notice of an image among stacks."""


def stack_axis(source: ImageSource) -> int | None:
    """Return which leading axis is depth, None where there are no leading axes.

    Where the only leading axis is unknown, it is taken for depth; `ImageShapeError` if there are others, but no Z.
    """
    axes = source.leading_axes
    if not axes:
        return None
    if "Z" not in axes and axes != "Q":
        raise ImageShapeError(
            f"The image has the axes {source.axes}, none of which is depth (Z): say what its axes are, "
            "or segment each plane by itself."
        )
    return axes.index("Z") if "Z" in axes else 0


def stack_reading(
    source: ImageSource, plane: Sequence[int | None], settings: SegmentSettings, *, classes: bool = False
) -> StackReading:
    """Decide how an image's planes are read; ``classes`` for a model that predicts them.

    Raises
    ------
    ImageShapeError
        If there is no stack where one is asked for.
    SettingsError
        If a setting would have no effect.
    """
    asked = settings.planes
    if asked not in ("auto", "volume") and not settings.z_spacing_auto:
        raise SettingsError(
            f"The spacing of planes has an effect on volumes only, and planes is '{asked}': leave one of them out."
        )
    if classes:
        if asked in ("volume", "joined"):
            raise SettingsError(
                "The model predicts classes, plane by plane: choose a model for nuclei, or planes each."
            )
        return "each"
    if asked == "each" or asked in PROJECTIONS:
        return "each"
    if asked == "auto":
        if "Z" in source.leading_axes and _planes(source, plane) >= FEWEST_PLANES:
            return "volume"
        if not settings.z_spacing_auto:
            raise SettingsError(
                "The spacing of planes has no effect on an image that is no stack: leave that out, or name its axes."
            )
        return "each"
    if _planes(source, plane) < FEWEST_PLANES:
        raise ImageShapeError(ONE_PLANE.format(planes=asked))
    return "volume" if asked == "volume" else "joined"


def asks_of_stacks(settings: SegmentSettings) -> bool:
    """Tell whether there is a setting that only stacks can obey."""
    return settings.planes not in ("auto", "each") or not settings.z_spacing_auto


def is_stack(source: ImageSource, plane: Sequence[int | None]) -> bool:
    """Tell whether several planes lie above each other, so far as the axes say it."""
    return ("Z" in source.leading_axes or source.leading_axes == "Q") and _planes(source, plane) >= FEWEST_PLANES


def _planes(source: ImageSource, plane: Sequence[int | None]) -> int:
    """Count the planes of a stack that are to be segmented."""
    axis = stack_axis(source)
    if axis is None or (axis < len(plane) and plane[axis] is not None):
        return 1
    return source.leading_shape[axis]


def stacks_of(source: ImageSource, indices: Sequence[tuple[int, ...]]) -> tuple[tuple[int, ...], ...]:
    """Return which of the planes make up one stack, for each of them: of a time series, one for every time point."""
    axis = stack_axis(source)
    assert axis is not None, "a stack has a leading axis"
    stacks: dict[tuple[int, ...], list[int]] = {}
    for number, index in enumerate(indices):
        stacks.setdefault(index[:axis] + index[axis + 1 :], []).append(number)
    return tuple(tuple(sorted(stack, key=lambda number: indices[number][axis])) for stack in stacks.values())


def count_in_words(
    count: int, axes: str, shape: Sequence[int], reading: StackReading, projected: tuple[str, int] = ("", 0)
) -> str:
    """Say how many nuclei there are in what; ``axes`` and ``shape`` are those of the labels.

    ``projected`` says how the planes were made of others, "maximum" or "mean", and of how many each.

    Examples
    --------
    >>> count_in_words(8, "ZYX", (51, 9, 9), "volume"), count_in_words(1, "YX", (9, 9), "each")
    ('8 nuclei in 51 planes', '1 nucleus')
    >>> count_in_words(40, "TZYX", (5, 51, 9, 9), "volume")
    '40 nuclei in 5 stacks of 51 planes'
    >>> count_in_words(106, "ZYX", (51, 9, 9), "each")
    '106 nuclei in 51 planes, each by itself'
    >>> count_in_words(78, "TYX", (8, 9, 9), "each")
    '78 nuclei in 8 time points'
    >>> count_in_words(9, "YX", (9, 9), "each", ("maximum", 51))
    '9 nuclei in the maximum of 51 planes'
    """
    nuclei = quantity(count, "nucleus", "nuclei")
    leading = [int(size) for size in shape[:-2]]
    planes = math.prod(leading)
    how, of = projected
    if of:
        where = f"{planes:,} planes, each the" if planes > 1 else "the"
        return f"{nuclei} in {where} {how} of {of:,} planes"
    if planes <= 1:
        return nuclei
    if axes[: len(leading)] == "T":
        return f"{nuclei} in {planes:,} time points"
    if reading == "each":
        return f"{nuclei} in {planes:,} planes, each by itself"
    depth = leading[axes.index("Z") if "Z" in axes else -1]
    return (
        f"{nuclei} in {depth:,} planes"
        if depth == planes
        else f"{nuclei} in {planes // depth:,} stacks of {depth:,} planes"
    )
