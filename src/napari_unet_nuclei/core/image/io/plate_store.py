"""Find the images of an OME-Zarr plate, and where on the plate each was taken (NGFF 0.4 and 0.5)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from napari_unet_nuclei.core.errors import ImageFileError
from napari_unet_nuclei.core.files.text import parse_json
from napari_unet_nuclei.core.image.io.zarr_store import read_metadata
from napari_unet_nuclei.core.image.plates import PlateField


def plate_images(path: Path) -> list[Path] | None:
    """List the images of a plate, or of one of its rows or wells, in the plate's order; None if the group is neither.

    Raise ImageFileError if the plate does not say where its images are, or they lie outside it.
    """
    described = _described(path)
    if "plate" in described:
        images = [image for well in _paths(path, described["plate"], "wells") for image in _well_images(path / well)]
    elif "well" in described:
        images = _well_images(path)
    elif "plate" in (above := _described(path.parent)):
        wells = [well for well in _paths(path.parent, above["plate"], "wells") if well.startswith(f"{path.name}/")]
        images = [image for well in wells for image in _well_images(path.parent / well)]
    else:
        return None
    return list(dict.fromkeys(images))


def places_in_plates(images: Iterable[Path]) -> dict[Path, PlateField]:
    """Tell where images were taken, of those that lie in a plate (PLATE/ROW/COLUMN/FIELD)."""
    wells: dict[Path, frozenset[str]] = {}
    places = {}
    for image in images:
        if len(image.parts) < 4:
            continue
        plate, row, column = image.parents[2], image.parents[1].name, image.parent.name
        if plate not in wells:  # once for all of its images
            described = _described(plate).get("plate")
            wells[plate] = frozenset(_paths(plate, described, "wells")) if described else frozenset()
        if f"{row}/{column}" in wells[plate]:
            places[image] = PlateField.at(plate_name(plate), row, column, image.name)
    return places


def plate_name(path: Path) -> str:
    """Name of a plate's folder without its endings.

    Examples
    --------
    >>> plate_name(Path("screen 1.ome.zarr"))
    'screen 1'
    """
    return path.name.removesuffix(".zarr").removesuffix(".ome")


def _well_images(well: Path) -> list[Path]:
    """List the images of a well; one that is not there stands for its images, which others find to be lost."""
    described = _described(well)
    return [well / name for name in _paths(well, described["well"], "images")] if "well" in described else [well]


def _paths(group: Path, described: Any, what: str) -> Iterator[str]:
    """Yield the paths below a group that its metadata list."""
    try:
        paths = [str(one["path"]) for one in described[what]]
    except (TypeError, KeyError) as error:
        raise ImageFileError(
            f"{group} does not say which {what} it has: the plate was not written completely. Export it again."
        ) from error
    for path in paths:
        if not path or path.startswith(("/", "\\")) or ".." in Path(path).parts:
            raise ImageFileError(f"{group} names {path!r}, which lies outside the plate. Export it again.")
        yield path


def _described(group: Path) -> Mapping[str, Any]:
    """Read the OME metadata of a group; empty where it has none, or none that can be read."""
    # Two small files, and not zarr: a plate has hundreds of wells, and opening each would take minutes on a network.
    for name, key in (("zarr.json", "attributes"), (".zattrs", "")):
        try:
            found = parse_json(read_metadata(group, name))
            attributes = found.get(key, {}) if key else found
            described = attributes.get("ome", attributes)
        except (OSError, ValueError, AttributeError):
            continue
        if isinstance(described, dict):
            return described
    return {}
