"""Read members of a package, a zip file from anywhere: nothing is unpacked, and nothing is larger than allowed."""

from __future__ import annotations

import hashlib
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from napari_unet_nuclei.core.errors import ModelFileError
from napari_unet_nuclei.core.files.regular import open_regular
from napari_unet_nuclei.core.model.card import LARGEST_FILE

DESCRIPTIONS = ("rdf.yaml", "bioimageio.yaml", "model.yaml")
"""Names of the member that describes the others, or their endings ("unet.rdf.yaml"); the first that is there counts."""

LARGEST_DESCRIPTION = 2**20
LARGEST_TENSOR = 2**28
"""Bytes of the description, and of a test tensor."""

MOST_MEMBERS = 1_000

PACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""Ways of packing that all programs read."""


@dataclass(frozen=True)
class Archive:
    """A package that is open, and whose list of members has been checked."""

    path: Path
    _zip: zipfile.ZipFile

    @property
    def names(self) -> tuple[str, ...]:
        """Names of its members."""
        return tuple(self._zip.namelist())

    def description(self) -> bytes:
        """Return the text that describes the package; raise ModelFileError if there is none."""
        name = next(
            (name for known in DESCRIPTIONS for name in sorted(self.names) if f".{name}".endswith(f".{known}")), ""
        )
        if not name:
            raise ModelFileError(
                f"{self.path.name} is no BioImage.IO package: it holds none of {', '.join(DESCRIPTIONS)}. Download the "
                "model again, as a whole."
            )
        return self.read(name, LARGEST_DESCRIPTION)

    def read(self, name: str, largest: int = LARGEST_FILE, sha256: str = "") -> bytes:
        """Read a member of at most so many bytes.

        Raise ModelFileError if it is missing, larger, damaged, or not the one that ``sha256`` names.
        """
        try:
            member = self._zip.getinfo(name)
        except KeyError as error:
            raise ModelFileError(f"{self.path.name} lacks '{name}', which its description names.") from error
        if member.file_size > largest:
            raise ModelFileError(
                f"'{name}' in {self.path.name} is too large: {member.file_size:,} bytes, where {largest:,} are allowed."
            )
        try:
            with self._zip.open(member) as file:
                # One byte more than was announced, to see whether there is more.
                content = file.read(member.file_size + 1)
        except (OSError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
            raise ModelFileError(
                f"{self.path.name} is damaged: '{name}' cannot be read. Get the file again."
            ) from error
        if len(content) != member.file_size:
            raise ModelFileError(f"{self.path.name} is damaged: '{name}' is not as long as it says.")
        if sha256 and hashlib.sha256(content).hexdigest() != sha256.lower():
            raise ModelFileError(
                f"'{name}' in {self.path.name} is not the file that the description means: its hash (SHA-256) differs. "
                "Get the package again."
            )
        return content


@contextmanager
def open_archive(path: Path) -> Iterator[Archive]:
    """Open a package, and check all of its members' names and sizes; raise ModelFileError if one is not acceptable."""
    try:
        with open_regular(path) as file, zipfile.ZipFile(file) as opened:
            _check_members(path, opened.infolist())
            yield Archive(path, opened)
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:  # ValueError: names that are no text
        raise ModelFileError(f"{path.name} is no zip file, or a damaged one. Get the package again.") from error
    except OSError as error:
        raise ModelFileError(f"{path} cannot be read: {error.strerror or error}.") from error


def _check_members(path: Path, members: list[zipfile.ZipInfo]) -> None:
    if len(members) > MOST_MEMBERS or sum(one.file_size for one in members) > 2 * LARGEST_FILE:
        raise ModelFileError(
            f"{path.name} would unpack to more than a model needs ({len(members):,} files, "
            f"{sum(one.file_size for one in members):,} bytes), so it is not opened."
        )
    if len({one.filename for one in members}) < len(members):
        raise ModelFileError(f"{path.name} holds two files of one name, so that none can be trusted.")
    for member in members:
        name, parts = member.filename, PurePosixPath(member.filename).parts
        if name.startswith("/") or "\\" in name or ":" in name or ".." in parts:
            raise ModelFileError(f"{path.name} holds a file that would lie outside of it ('{name}').")
        if stat.S_ISLNK(member.external_attr >> 16):
            raise ModelFileError(f"{path.name} holds a link ('{name}') in place of a file.")
        if member.flag_bits & 1:
            raise ModelFileError(f"{path.name} is encrypted: unpack it, and pack it again without a password.")
        if member.compress_type not in PACKED:
            raise ModelFileError(f"{path.name} is packed in an unusual way: pack it again as an ordinary zip file.")
