"""Read and write the test tensors of packages: NumPy's files, without objects, and never larger than their bytes."""

from __future__ import annotations

import io
import math

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from napari_unet_nuclei.core.errors import ModelFileError


def read_array(content: bytes, name: str) -> NDArray[np.generic]:
    """Read a ``.npy`` file; raise ModelFileError if it is none, holds objects, or claims to be larger than it is."""
    file = io.BytesIO(content)
    try:
        version = npy.read_magic(file)
        read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, _, dtype = read(file)
        if dtype.hasobject or math.prod(shape) * dtype.itemsize != len(content) - file.tell():
            raise ValueError("another size than its header says")
        file.seek(0)
        return np.asarray(np.load(file, allow_pickle=False))
    except Exception as error:  # NumPy takes a header apart as Python, and raises what that does
        raise ModelFileError(f"The test tensor '{name}' is no readable .npy file. Get the package again.") from error


def array_bytes(array: NDArray[np.generic]) -> bytes:
    """Return an array as a ``.npy`` file."""
    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    return file.getvalue()
