"""Read and write weights as PyTorch's state dict, the one form of a package that holds pickled bytes."""

from __future__ import annotations

import io
import pickle
import zipfile
from collections.abc import Mapping

import torch
from torch import Tensor

from napari_unet_nuclei.core.errors import ModelFileError

LARGEST_PICKLE = 2**22
"""Bytes of the list of tensors, which says their names and shapes."""


def write_state_dict(tensors: Mapping[str, Tensor]) -> bytes:
    """Return weights as a file that ``torch.load`` reads."""
    file = io.BytesIO()
    torch.save({name: value.contiguous() for name, value in tensors.items()}, file)
    return file.getvalue()


def read_state_dict(content: bytes) -> dict[str, Tensor]:
    """Read weights with PyTorch's reader that makes tensors and nothing else.

    Raise ModelFileError if there is anything else in the file, or more than its bytes.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as opened:
            members = opened.infolist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:  # ValueError: names that are no text
        # The older form is one long pickle.
        raise ModelFileError(
            "The weights are not in the present form of PyTorch's files: save them again with torch.save."
        ) from error
    if any(one.compress_type != zipfile.ZIP_STORED for one in members):
        raise ModelFileError("The weights are compressed, which PyTorch's files never are, so they are not opened.")
    if any(one.filename.endswith(".pkl") and one.file_size > LARGEST_PICKLE for one in members):
        raise ModelFileError("The weights' list of tensors is too long for a network.")
    try:
        found = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, ValueError, TypeError, KeyError, EOFError, AttributeError) as error:
        raise ModelFileError(
            "The weights hold more than numbers, or are damaged; what could run code is never opened."
        ) from error
    if not isinstance(found, dict) or not all(
        isinstance(name, str) and type(value) is Tensor and value.layout is torch.strided
        for name, value in found.items()
    ):
        raise ModelFileError("The weights are not a plain list of tensors by name.")
    return found
