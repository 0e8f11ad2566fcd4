"""Headers of model files, without PyTorch: check whether a file is complete, and copy one under another name."""

from __future__ import annotations

import hashlib
import json
import math
import shutil
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import Any

from napari_unet_nuclei.core.errors import ModelFileError

ALIGNMENT = 8
"""Bytes; the tensors of a safetensors file start at a multiple of it."""

READ_AT_ONCE = 2**20

DTYPES = {
    "BOOL": ("torch.bool", 1),
    "U8": ("torch.uint8", 1),
    "I8": ("torch.int8", 1),
    "I16": ("torch.int16", 2),
    "I32": ("torch.int32", 4),
    "I64": ("torch.int64", 8),
    "F16": ("torch.float16", 2),
    "BF16": ("torch.bfloat16", 2),
    "F32": ("torch.float32", 4),
    "F64": ("torch.float64", 8),
}
"""Name in the hash, which is PyTorch's, and bytes of a number, by the name of the dtype in the header."""


@dataclass(frozen=True)
class Header:
    """Contents of a model file before the tensors.

    Each tensor has a ``dtype``, a ``shape`` and ``data_offsets`` (first byte and one past the last, relative to
    ``start``).
    """

    metadata: dict[str, str]  # texts by name, among them the card
    tensors: dict[str, dict[str, Any]]  # by name
    start: int  # offset of the tensors in the file, in bytes


def read_header(path: Path) -> Header:
    """Read the header of a model file whose card has been read (`read_card` checks the length of the header).

    Raise ModelFileError if the file is not as long as its header says, for instance after an aborted download, or if
    tensors overlap or leave gaps.
    """
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            parts = json.loads(file.read(length))
        header = Header(parts.pop("__metadata__", {}), parts, 8 + length)
        end = _end_of_tensors(header.tensors)
        if header.start + end != path.stat().st_size:
            raise ModelFileError(f"{path} is damaged: part of it is missing. Get the file again.")
    except OSError as error:
        raise ModelFileError(f"The model file {path} cannot be read: {error.strerror}.") from error
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError) as error:
        raise ModelFileError(f"{path} is damaged: its header cannot be read. Get the file again.") from error
    return header


def _end_of_tensors(tensors: dict[str, dict[str, Any]]) -> int:
    """Return where the tensors end; raise ValueError unless they lie one after the other, as large as their shapes.

    Otherwise thousands of tensors could share the same bytes, which take hours to hash.
    """
    end = 0
    for begin, stop, place in sorted(
        ((*place["data_offsets"], place) for place in tensors.values()), key=itemgetter(0, 1)
    ):
        if begin != end or stop - begin != math.prod(place["shape"]) * DTYPES[place["dtype"]][1]:
            raise ValueError("tensors overlap, leave gaps, or have other sizes than their shapes")
        end = stop
    return end


def hash_tensors(path: Path) -> str:
    """SHA-256 over names, dtypes, shapes and bytes of all tensors: the ``weights_hash`` of a card.

    Raise ModelFileError if the file is damaged.
    """
    header = read_header(path)
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            for name, place in sorted(header.tensors.items()):
                # Names, dtypes and shapes too: the same bytes can be another network.
                digest.update(json.dumps([name, DTYPES[place["dtype"]][0], place["shape"]]).encode())
                begin, end = place["data_offsets"]
                file.seek(header.start + begin)
                for position in range(begin, end, READ_AT_ONCE):
                    digest.update(file.read(min(READ_AT_ONCE, end - position)))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelFileError(f"{path} is damaged: its weights cannot be read. Get the file again.") from error
    return digest.hexdigest()


def copy_renamed(source: Path, target: Path, name: str) -> None:
    """Copy a model file and change the name in its card; nothing else changes.

    Raise ModelFileError if the file is damaged; OSError if the copy cannot be written.
    """
    header = read_header(source)
    card = json.dumps({**json.loads(header.metadata["card"]), "name": name})
    parts = {"__metadata__": {**header.metadata, "card": card}, **header.tensors}
    # Escaped, for a damaged text may hold half a character, which no encoding has.
    text = json.dumps(parts, separators=(",", ":")).encode()
    # Readers map the tensors into memory, where they must be aligned; JSON ignores the blanks.
    text += b" " * (-len(text) % ALIGNMENT)
    with source.open("rb") as whole, target.open("wb") as copy:
        copy.write(len(text).to_bytes(8, "little") + text)
        whole.seek(header.start)
        shutil.copyfileobj(whole, copy)
