"""Open Zarr stores wherever they are: in a folder, in one file (.zip, .ozx), or at an address (https://, s3://)."""

from __future__ import annotations

import importlib
import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

import zarr
from zarr.storage import FsspecStore, ZipStore

from napari_unet_nuclei.core.errors import ImageFileError
from napari_unet_nuclei.core.files.regular import is_file

METADATA = ("zarr.json", ".zattrs", ".zgroup", ".zarray")
"""Files of which every group and every array of Zarr has one."""

ARCHIVE_SUFFIXES = (".ozx", ".zip")
"""Of single files that hold a whole store."""

LARGEST_ENTRY = 4 * 2**30
"""Bytes of one chunk; archives that claim more for one are damaged or made to harm."""

LARGEST_METADATA = 64 * 2**20
"""Bytes of a file with metadata that are read; those of the largest plates take a tenth of that."""

_ADDRESS = re.compile(r"^([a-zA-Z][a-zA-Z0-9+]+):/+")
"""Begins an address; a single letter would be a drive of Windows. `Path` leaves one of the two slashes."""

_EXTRA = "remote"
"""Of this package, with what reads from https:// and s3://."""


def is_remote(path: Path) -> bool:
    """Tell whether a path is an address.

    Examples
    --------
    >>> is_remote(Path("https://host/a.zarr")), is_remote(Path("C:/a.zarr")), is_remote(Path("a.zarr"))
    (True, False, False)
    """
    return _ADDRESS.match(path.as_posix()) is not None


def address(path: Path) -> str:
    """Write an address with both slashes.

    Examples
    --------
    >>> address(Path("s3://bucket/a.zarr") / "0")
    's3://bucket/a.zarr/0'
    """
    return _ADDRESS.sub(lambda found: f"{found[1].lower()}://", path.as_posix())


def as_given(path: Path) -> str:
    """Write a path as people give it, which of an address has both slashes."""
    return address(path) if is_remote(path) else str(path)


def absolute(path: Path) -> Path:
    """Return a path that holds in any working folder; an address does so already."""
    return path if is_remote(path) else path.absolute()


def archive_of(path: Path) -> tuple[Path, str] | None:
    """Return the archive that a path leads into, and the place in it; None if it leads into none."""
    for folder in (path, *path.parents):
        if folder.suffix.lower() in ARCHIVE_SUFFIXES and is_file(folder):
            return folder, path.relative_to(folder).as_posix().removeprefix(".")
    return None


def has_metadata(path: Path) -> bool:
    """Tell whether a path leads to a group or an array of Zarr, whatever its name; False where reading is forbidden.

    Raise ImageFileError if it is an address that cannot be reached, or that needs a package that is not installed.
    """
    if is_remote(path):
        return _remote_metadata(address(path))
    archive = archive_of(path)
    if archive is not None:
        root = _archive_root(archive[0])
        return root is not None and bool(_entries(archive[0]) & {_joined(root, archive[1], name) for name in METADATA})
    return any(is_file(path / name) for name in METADATA)


def open_group(path: Path) -> zarr.Group:
    """Open a group for reading; raise as zarr does, or ImageFileError as `has_metadata`."""
    if is_remote(path):
        with _words(address(path)):
            return zarr.open_group(FsspecStore.from_url(address(path), read_only=True), mode="r")
    archive = archive_of(path)
    if archive is not None:
        file, inner = archive
        return zarr.open_group(ZipStore(file, mode="r"), path=_joined(_archive_root(file) or "", inner), mode="r")
    return zarr.open_group(path, mode="r")


def read_metadata(group: Path, name: str) -> str:
    """Read a small file of a group, such as ".zattrs"; raise OSError if there is none, ImageFileError for addresses."""
    if is_remote(group):
        with _words(address(group)):
            fsspec = importlib.import_module("fsspec")  # may not be installed
            try:
                return str(fsspec.open(f"{address(group)}/{name}").open().read(LARGEST_METADATA).decode())
            except FileNotFoundError:
                raise
            except Exception as error:  # servers answer in many ways to what they do not have
                raise FileNotFoundError(str(error)) from error
    archive = archive_of(group)
    if archive is not None:
        with zipfile.ZipFile(archive[0]) as opened:
            entry = _joined(_archive_root(archive[0]) or "", archive[1], name)
            if entry not in opened.namelist():
                raise FileNotFoundError(entry)
            with opened.open(entry) as file:
                return file.read(LARGEST_METADATA).decode()
    return (group / name).read_text(encoding="utf-8")


def _joined(*parts: str) -> str:
    return "/".join(part for part in parts if part)


@lru_cache(maxsize=1000)
def _remote_metadata(url: str) -> bool:
    """Ask once for each address: every question is sent over the network."""
    problems = []
    with _words(url):
        fsspec = importlib.import_module("fsspec")
        system, place = fsspec.core.url_to_fs(url)
        for name in METADATA:
            try:
                system.cat_file(f"{place}/{name}")
            except FileNotFoundError:
                continue
            except Exception as error:  # noqa: BLE001  # servers answer in many ways to what they do not have
                problems.append(error)
            else:
                return True
        if len(problems) == len(METADATA):
            raise problems[0]
    return False


@contextmanager
def _words(url: str) -> Iterator[None]:
    """Turn what goes wrong at an address into words."""
    try:
        yield
    except (ImageFileError, FileNotFoundError):
        raise
    except ImportError as error:
        raise ImageFileError(f"{url} needs a package that is not installed ({error}): {_install()}") from error
    except ValueError as error:  # fsspec knows no such kind of address
        raise ImageFileError(f"{url} cannot be opened ({error}): use https:// or s3://, or download it.") from error
    except Exception as error:
        raise ImageFileError(
            f"{url} cannot be reached ({type(error).__name__}: {error}). Check the address, the network and your "
            "permission, or download it."
        ) from error


def _install() -> str:
    return f'install it, or for https:// and s3:// pip install "napari-unet-nuclei[{_EXTRA}]", or download the store.'


def _entries(archive: Path) -> frozenset[str]:
    state = archive.stat()
    return _entries_once(archive, state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=100)
def _entries_once(archive: Path, size: int, modified: int) -> frozenset[str]:
    """List the names in an archive; none of a file that is no archive."""
    try:
        with zipfile.ZipFile(archive) as opened:
            infos = opened.infolist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError):
        return frozenset()
    largest = max(infos, key=lambda info: info.file_size, default=None)
    if largest is not None and largest.file_size > LARGEST_ENTRY:
        raise ImageFileError(
            f"{archive} claims {largest.file_size / 2**30:.0f} GiB for {largest.filename}: it is damaged."
        )
    return frozenset(info.filename for info in infos)


def _archive_root(archive: Path) -> str | None:
    """Return the place of the outermost group in an archive: its root, or a folder that was packed as a whole."""
    groups = [name.rpartition("/")[0] for name in _entries(archive) if name.rpartition("/")[2] in METADATA]
    return min(groups, key=lambda place: (place.count("/") + bool(place), place), default=None)
