"""Open files of outlines: ImageJ's ROIs and GeoJSON, bare or in a zip archive."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

from napari_unet_nuclei.core.errors import ImageFileError
from napari_unet_nuclei.core.image.outlines.geojson import (
    GEOJSON_SUFFIX,
    LARGEST_GEOJSON,
    geojson_content,
    is_geojson,
    read_geojson,
)
from napari_unet_nuclei.core.image.outlines.imagej_rois import (
    LARGEST_ROI,
    ROI_SUFFIX,
    is_roi_entry,
    read_rois,
)
from napari_unet_nuclei.core.image.outlines.outline import MOST_OUTLINES, Outlines

ARCHIVE_SUFFIX = ".zip"

_DAMAGED = (zipfile.BadZipFile, NotImplementedError, ValueError)
"""Errors of an archive that is damaged or packed in an unusual way; ValueError of names that are no text."""

LARGEST_ARCHIVE = 2**30
"""Bytes of all entries together, unpacked: a small archive can unpack to more than any memory holds."""


def holds_outlines(path: Path) -> bool:
    """Tell whether a file is one of outlines: by its suffix, and an archive by the names of what is in it."""
    suffix = path.suffix.lower()
    if suffix != ARCHIVE_SUFFIX or not path.is_file():
        return suffix == ROI_SUFFIX or is_geojson(path)
    try:
        with zipfile.ZipFile(path) as archive:
            # An archive of nothing is what an image without nuclei leaves.
            return bool(_rois(archive) or _geojsons(archive)) or not archive.infolist()
    except _DAMAGED:
        return True  # damaged, as opening it will say
    except OSError:
        return False


def read_outlines(path: Path) -> Outlines:
    """Read the outlines of a file.

    Raise ImageFileError if it is missing, damaged, larger than outlines can be, or holds no area.
    """
    try:
        if path.suffix.lower() == ARCHIVE_SUFFIX:
            return _from_archive(path)
        largest = LARGEST_ROI if path.suffix.lower() == ROI_SUFFIX else LARGEST_GEOJSON
        content = geojson_content(path, largest)
    except FileNotFoundError as error:
        raise ImageFileError(f"{path} does not exist: check the name.") from error
    except (OSError, *_DAMAGED) as error:
        raise ImageFileError(f"{path} cannot be opened ({error}): copy or export it again.") from error
    if path.suffix.lower() == ROI_SUFFIX:
        return read_rois(path, [(path.name, content)])
    return _few_enough(read_geojson(path, content))


def _from_archive(path: Path) -> Outlines:
    with zipfile.ZipFile(path) as archive:
        rois, geojsons = _rois(archive), _geojsons(archive)
        chosen = rois or geojsons[:1]
        if len(chosen) > MOST_OUTLINES or sum(entry.file_size for entry in chosen) > LARGEST_ARCHIVE:
            raise ImageFileError(
                f"{path} would unpack to {len(chosen):,} files of {sum(entry.file_size for entry in chosen):,} bytes, "
                "which no outlines of nuclei have: it was not opened."
            )
        contents = [(entry.filename, _unpacked(path, archive, entry)) for entry in chosen]
        if rois or not archive.infolist():
            return read_rois(path, contents)
    if len(geojsons) == 1:
        return _few_enough(read_geojson(path, contents[0][1]))
    raise ImageFileError(
        f"{path} holds {len(geojsons)} GeoJSON files: unpack it, and give the one of the image."
        if geojsons
        else f"{path} holds neither ImageJ ROIs (.roi) nor GeoJSON."
    )


def _unpacked(path: Path, archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    """Unpack an entry, but no more of it than it claims to hold, and no more than outlines may."""
    largest = LARGEST_ROI if is_roi_entry(entry) else LARGEST_GEOJSON
    if entry.file_size > largest:
        raise ImageFileError(f"{path}: '{entry.filename}' is larger than {largest:,} bytes, so it is no outline.")
    try:
        with archive.open(entry) as file:
            return file.read(entry.file_size)
    except (RuntimeError, EOFError, zlib.error, *_DAMAGED) as error:  # RuntimeError: encrypted
        raise ImageFileError(f"{path}: '{entry.filename}' cannot be unpacked ({error}): save it again.") from error


def _rois(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    return [entry for entry in archive.infolist() if is_roi_entry(entry)]


def _geojsons(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    """List GeoJSON files, which QuPath packs on request; a zipped Zarr store has other JSON files."""
    names = {Path(entry.filename).name for entry in archive.infolist()}
    if names & {"zarr.json", ".zarray", ".zgroup"}:
        return []
    return [
        entry
        for entry in archive.infolist()
        if entry.filename.lower().endswith((GEOJSON_SUFFIX, ".json")) and "__MACOSX" not in entry.filename
    ]


def _few_enough(outlines: Outlines) -> Outlines:
    if len(outlines.outlines) > MOST_OUTLINES:
        raise ImageFileError(f"{outlines.path} holds {len(outlines.outlines):,} outlines: export it in parts.")
    return outlines
