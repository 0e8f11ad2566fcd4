"""Reads corrected images from folders: images, labels, and where the labels were reviewed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from napari_unet_nuclei.core.errors import DatasetError, ImageFileError
from napari_unet_nuclei.core.image.io.find import IMAGE_SUFFIXES
from napari_unet_nuclei.core.image.io.pairs import name_some
from napari_unet_nuclei.core.image.io.region_file import GEOJSON_SUFFIXES, read_region
from napari_unet_nuclei.core.progress import Progress
from napari_unet_nuclei.core.train.dataset import read_entries
from napari_unet_nuclei.core.train.layouts import folder_entries
from napari_unet_nuclei.core.train.reading import InputForm
from napari_unet_nuclei.core.train.samples import Sample


def read_corrected(
    images: Path, labels: Path, reviewed: Path | None, form: InputForm, progress: Progress
) -> tuple[Sample, ...]:
    """Read images with corrected labels.

    Parameters
    ----------
    images, labels : Path
        Folders whose files have matching names.
    reviewed : Path, optional
        Folder with a region for each image, of the same name: a mask image, or GeoJSON; everything is reviewed where
        no folder is given.
    form : InputForm
        What the network takes.
    progress : Progress
        Hears of every image.

    Raises
    ------
    DatasetError
        If a file is missing, cannot be read, or does not fit its partner; the message names the file.
    """
    samples = read_entries(folder_entries(images, labels), form, progress)
    if reviewed is None:
        return samples
    regions = _region_files(reviewed)
    alone = [images / sample.name for sample in samples if sample.name not in regions]
    if alone:
        raise DatasetError(
            f"{reviewed} has no region of the same name for: {name_some(alone)}. Where a whole image was reviewed, put "
            "a white mask there."
        )
    return tuple(_with_region(sample, regions[sample.name]) for sample in samples)


def _region_files(folder: Path) -> dict[str, Path]:
    """Regions by name, which is the path below the folder without the ending."""
    endings = (*IMAGE_SUFFIXES, *GEOJSON_SUFFIXES)
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.suffix.lower() in endings]
    if not paths:
        raise DatasetError(f"{folder} holds no mask image and no GeoJSON file.")
    return {path.relative_to(folder).with_suffix("").as_posix(): path for path in paths}


def _with_region(sample: Sample, path: Path) -> Sample:
    height, width = sample.labels.shape
    try:
        return replace(sample, reviewed=read_region(path, (height, width)))
    except ImageFileError as error:
        raise DatasetError(f"The corrections cannot be used: {error}") from error
