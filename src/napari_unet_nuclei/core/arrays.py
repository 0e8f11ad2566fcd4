"""Take as arrays what Python callers have: lists, tensors, masked and sparse arrays; or refuse it in words."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from napari_unet_nuclei.core.errors import ImageShapeError
from napari_unet_nuclei.core.types import AnyArray


def as_array(image: Any) -> AnyArray:
    """Return what holds pixels as an array with ``shape``, ``dtype`` and slicing; lazy arrays stay lazy."""
    if isinstance(image, str | os.PathLike):
        raise ImageShapeError(
            f"'{image}' is the name of a file, where an array is asked for: read_image and read_labels open files."
        )
    if isinstance(image, np.ma.MaskedArray):
        return _unmasked(image)
    if hasattr(image, "detach"):  # a PyTorch tensor, which NumPy cannot read on a graphics card
        image = image.detach().cpu()
        image = image if _is_readable(image) else image.float()
    elif hasattr(image, "toarray"):  # a sparse matrix
        image = image.toarray()
    elif not isinstance(image, np.ndarray) and is_array(image):
        return image
    try:
        array = np.asarray(image)
    except Exception as error:  # whatever the object does when it is asked for its values
        raise ImageShapeError(
            f"A {type(image).__name__} cannot be read as an image ({error}): give an array of numbers."
        ) from error
    if array.dtype.kind not in "buif":
        raise ImageShapeError(
            f"Values of type {array.dtype} are no real numbers: convert them, and make all rows as long."
        )
    return array


def as_label_array(labels: Any) -> AnyArray:
    """Return labels as `as_array` does; masked ids, which no floating-point number would keep, become background."""
    return as_array(np.ma.filled(labels, 0) if isinstance(labels, np.ma.MaskedArray) else labels)


def is_array(image: Any) -> bool:
    """Tell whether something has the shape, numbers and slicing of an array."""
    if not all(hasattr(image, name) for name in ("shape", "dtype", "__getitem__")):
        return False
    try:
        return np.dtype(image.dtype).kind in "buif"
    except TypeError:  # of another package, as PyTorch's
        return hasattr(image, "detach")


def _is_readable(tensor: Any) -> bool:
    """False for numbers that NumPy does not know, such as bfloat16."""
    try:
        np.asarray(tensor[:0])
    except (TypeError, IndexError, RuntimeError):
        return False
    return True


def _unmasked(image: np.ma.MaskedArray[Any, Any]) -> AnyArray:
    """Return a masked array with NaN for what is masked: no picture."""
    if not np.ma.is_masked(image) or image.dtype.kind not in "buif":
        return as_array(np.asarray(image.data))
    # Integers of 32 bits and more need 64, and narrower ones fit into 32.
    is_wide = image.dtype.itemsize > 2 and image.dtype.kind in "ui"
    floating = image.dtype if image.dtype.kind == "f" else np.dtype(np.float64 if is_wide else np.float32)
    return np.where(np.ma.getmaskarray(image), floating.type(np.nan), image.data.astype(floating))
