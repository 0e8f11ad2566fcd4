"""Project a stack along z, by maximum or mean, plane by plane: it need not fit into memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unet_nuclei.core.errors import ImageShapeError
from napari_unet_nuclei.core.image.axes import ImageSource
from napari_unet_nuclei.core.segment.planes import FEWEST_PLANES, ONE_PLANE, stack_axis
from napari_unet_nuclei.core.segment.request import Projected, SegmentRequest
from napari_unet_nuclei.core.settings import PROJECTIONS, Planes


def project(source: ImageSource, planes: Planes) -> ImageSource:
    """Project an image along z: the maximum in the image's dtype, the mean in float32.

    An image whose planes are not to be projected stays as it is.

    Raises
    ------
    ImageShapeError
        As `projected_axis`.

    Examples
    --------
    >>> stack = ImageSource(np.array([[[1, 8]], [[5, 2]]]), "ZYX")
    >>> project(stack, "maximum").array, project(stack, "mean").array
    (array([[5, 8]]), array([[3., 5.]], dtype=float32))
    """
    axis = projected_axis(source, planes)
    if axis is None:
        return source
    # Sliced one at a time, each with all of its time points and channels.
    taken = [(slice(None),) * axis + (z,) for z in range(source.array.shape[axis])]
    read = (np.asarray(source.array[plane]) for plane in taken)
    projected = _maximum(read) if planes == "maximum" else _mean(read, len(taken))
    return replace(source, array=projected, axes=source.axes[:axis] + source.axes[axis + 1 :])


def projected(request: SegmentRequest) -> SegmentRequest:
    """Return the request for the projection of its stack, where its settings ask for one; raise as `project`."""
    axis = None if request.projected else projected_axis(request.source, request.settings.planes)
    if axis is None:
        return request
    stack = request.source
    return replace(
        request,
        source=project(stack, request.settings.planes),
        projected=Projected(stack.axes, int(stack.array.shape[axis])),
    )


def projected_axis(source: ImageSource, planes: Planes) -> int | None:
    """Return the axis along which an image is projected, None where it stays as it is.

    Raises `ImageShapeError` where no axis is depth, or there is one plane only.
    """
    if planes not in PROJECTIONS:
        return None
    depth = stack_axis(source)
    if depth is None or source.leading_shape[depth] < FEWEST_PLANES:
        raise ImageShapeError(ONE_PLANE.format(planes=planes))
    return source.axes.index("Z" if "Z" in source.axes else "Q")


def _maximum(planes: Iterator[NDArray[Any]]) -> NDArray[Any]:
    result = np.array(next(planes))
    for plane in planes:
        np.maximum(result, plane, out=result)
    return result


def _mean(planes: Iterator[NDArray[Any]], count: int) -> NDArray[np.float32]:
    # Summed in float64: the sum of a stack exceeds uint16, and in float32 loses the low bits of later planes.
    total = np.array(next(planes), np.float64)
    for plane in planes:
        total += plane
    return (total / count).astype(np.float32)
