"""Read what a TIFF says about its pixels: their size, the names and colours of channels, the times of frames."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
from tifffile import TiffFile

from napari_unet_nuclei.core.image.io.image_file import one_each
from napari_unet_nuclei.core.image.io.tiff.flex import flex_pixel_size
from napari_unet_nuclei.core.image.pixel_size import PixelSize, micrometres
from napari_unet_nuclei.core.image.times import ascending, evenly, seconds

PIXEL_SIZE_KEY = "pixel_size_um"
"""Key of the pixel size in files written here: an object with y, x and z, in µm."""

FRAME_TIMES_KEY = "frame_times_s"
"""Key of the times of frames in files written here: a list of seconds."""

_RESOLUTION_UNITS = {2: "inch", 3: "cm"}
_PLAUSIBLE_MICROMETRES = (0.005, 10.0)
"""Outside this range a resolution tag means paper or screens (72 to 1200 dots per inch), not a microscope."""


_NDPI_TAG = 65420
"""Version of the format, in every page that Hamamatsu's scanners write."""


def suffix_flags(path: Path) -> dict[str, Any]:
    """Return how tifffile is to open a file whose suffix says nothing.

    It takes ``.ndpi`` to mean offsets of 64 bits, which only files of Hamamatsu's scanners have.
    """
    if path.suffix.lower() != ".ndpi":
        return {}
    with path.open("rb") as file:
        first_page = int.from_bytes(file.read(12)[4:], "little")
    if first_page >= path.stat().st_size:
        return {"is_ndpi": False}
    if first_page >= 2**32:
        return {}
    with TiffFile(path, is_ndpi=False) as tif:
        return {"is_ndpi": _NDPI_TAG in tif.pages.first.tags}


def tiff_pixel_size(tif: TiffFile, index: int) -> PixelSize:
    """Find the pixel size of one series; 0.0 if the file does not state it, or states something implausible."""
    # The most explicit source first; resolution tags, which often describe paper, last.
    sources = (
        _from_ome,
        _from_own_description,
        _from_imagej,
        _from_zeiss_lsm,
        metaseries_pixel_size,
        _from_aperio,
        flex_pixel_size,
        _from_resolution_tags,
    )
    sizes = (source(tif, index) for source in sources)
    return next((size for size in sizes if size.known), PixelSize())


def tiff_channel_names(tif: TiffFile, index: int, channels: int) -> tuple[str, ...]:
    """Find the channel names of one series; empty unless the file names each of its ``channels`` channels."""
    pixels = _ome_pixels(tif, index)
    if pixels is not None:
        names = [channel.get("Name", "") for channel in pixels.findall("{*}Channel")]
    elif tif.is_qpi:
        names = [name for name, _ in _akoya_channels(tif, index)]
    elif channels == 1:
        names = [metaseries_channel_name(tif)]
    else:
        # ImageJ labels slices, not channels: only a plain channel stack has one label for each.
        names = [str(label) for label in (tif.imagej_metadata or {}).get("Labels", [])]
    return one_each(channels, names)


def tiff_channel_colours(tif: TiffFile, index: int, channels: int) -> tuple[str, ...]:
    """Find the display colours of the channels ("#ff0000"); empty unless the file states one for each channel."""
    if tif.is_qpi:
        return one_each(channels, [colour for _, colour in _akoya_channels(tif, index)])
    pixels = _ome_pixels(tif, index)
    stored = [] if pixels is None else [channel.get("Color", "") for channel in pixels.findall("{*}Channel")]
    # OME packs red, green, blue and opacity, one byte each, into a signed 32-bit integer.
    colours = [f"#{int(one) % 2**32 >> 8:06x}" for one in stored if one.removeprefix("-").isdecimal()]
    return one_each(channels, colours)


def tiff_frame_times(tif: TiffFile, index: int, frames: int) -> tuple[float, ...]:
    """Find the time of every frame of one series in seconds; empty if the file does not state it."""
    sources = (_times_from_ome, _times_from_own_description, _times_from_imagej, metamorph_times)
    return next((times for times in (source(tif, index, frames) for source in sources) if times), ())


def _times_from_ome(tif: TiffFile, index: int, frames: int) -> tuple[float, ...]:
    pixels = _ome_pixels(tif, index)
    if pixels is None:
        return ()
    taken = {
        int(plane.get("TheT", -1)): seconds(plane.get("DeltaT"), plane.get("DeltaTUnit", "s"))
        for plane in reversed(pixels.findall("{*}Plane"))  # of a frame, its first plane counts
    }
    times = ascending(taken[time] for time in range(frames)) if taken.keys() >= set(range(frames)) else ()
    return times or evenly(seconds(pixels.get("TimeIncrement"), pixels.get("TimeIncrementUnit", "s")), frames)


def _times_from_own_description(tif: TiffFile, index: int, frames: int) -> tuple[float, ...]:
    described = tif.shaped_metadata or ()
    stored = described[index].get(FRAME_TIMES_KEY) if index < len(described) else None
    if not isinstance(stored, list) or len(stored) != frames:
        return ()
    return tuple(float(time) for time in stored) if all(isinstance(time, int | float) for time in stored) else ()


def _times_from_imagej(tif: TiffFile, index: int, frames: int) -> tuple[float, ...]:
    described = tif.imagej_metadata or {}
    return evenly(seconds(described.get("finterval"), str(described.get("tunit", "s"))), frames)


def _ome_pixels(tif: TiffFile, index: int) -> ElementTree.Element | None:
    """Return the OME-XML Pixels element of a series; None without readable OME-XML."""
    image = ome_image(tif, index)
    return None if image is None else image.find("{*}Pixels")


def ome_image(tif: TiffFile, index: int) -> ElementTree.Element | None:
    """Return the OME-XML Image element of a series; None without readable OME-XML."""
    if not tif.ome_metadata:
        return None
    try:
        images = ElementTree.fromstring(tif.ome_metadata).findall("{*}Image")
    except ElementTree.ParseError:
        return None
    return images[index] if index < len(images) else None


def _from_ome(tif: TiffFile, index: int) -> PixelSize:
    pixels = _ome_pixels(tif, index)
    if pixels is None:
        return PixelSize()
    y, x, z = (
        micrometres(pixels.get(f"PhysicalSize{axis}"), pixels.get(f"PhysicalSize{axis}Unit", "µm")) for axis in "YXZ"
    )
    return PixelSize(y, x, z)


def _from_own_description(tif: TiffFile, index: int) -> PixelSize:
    described = tif.shaped_metadata or ()
    sizes = described[index].get(PIXEL_SIZE_KEY) if index < len(described) else None
    if not isinstance(sizes, dict):
        return PixelSize()
    return PixelSize(*(micrometres(sizes.get(axis)) for axis in "yxz"))


def _from_imagej(tif: TiffFile, index: int) -> PixelSize:
    described = tif.imagej_metadata
    if not described:
        return PixelSize()
    unit = str(described.get("unit", ""))
    y, x = (_inverse_resolution(tif, axis) for axis in "YX")
    spacing = str(described.get("spacing", "")).lstrip("-")  # negative for flipped stacks
    # Inches and centimetres often stand for a print resolution: they count only if plausible.
    size = PixelSize(
        micrometres(y, str(described.get("yunit", unit))),
        micrometres(x, unit),
        micrometres(spacing, str(described.get("zunit", unit))),
    )
    return size if unit.lower() not in ("inch", "inches", "cm") or _plausible(size) else PixelSize()


def _from_zeiss_lsm(tif: TiffFile, index: int) -> PixelSize:
    described = tif.lsm_metadata or {}
    return PixelSize(*(micrometres(described.get(f"VoxelSize{axis}"), "m") for axis in "YXZ"))


def _from_aperio(tif: TiffFile, index: int) -> PixelSize:
    """Read the µm that Aperio's scanners write among the facts of a slide."""
    found = re.search(r"\|\s*MPP\s*=\s*([\d.]+)", tif.pages.first.description) if tif.is_svs else None
    return PixelSize(*(micrometres(found.group(1)),) * 2) if found else PixelSize()


def _akoya_channels(tif: TiffFile, index: int) -> list[tuple[str, str]]:
    """Return name and colour of every page of a QPTIFF, which describes each in XML of its own."""
    found = []
    for page in tif.series[index].pages:
        try:
            described = ElementTree.fromstring(page.aspage().description if page is not None else "")
        except ElementTree.ParseError:
            return []
        levels = re.findall(r"\d+", described.findtext("Color") or "")
        colour = "#" + "".join(f"{min(int(level), 255):02x}" for level in levels[:3]) if len(levels) >= 3 else ""
        found.append((described.findtext("Name") or "", colour))
    return found


def _from_resolution_tags(tif: TiffFile, index: int) -> PixelSize:
    tag = tif.pages.first.tags.get("ResolutionUnit")
    unit = _RESOLUTION_UNITS.get(int(tag.value)) if tag else None
    if unit is None:
        return PixelSize()
    size = PixelSize(*(micrometres(_inverse_resolution(tif, axis), unit) for axis in "YX"))
    return size if _plausible(size) else PixelSize()


def _inverse_resolution(tif: TiffFile, axis: str) -> float:
    """Return the units per pixel of a resolution tag; 0.0 without one."""
    tag = tif.pages.first.tags.get(f"{axis}Resolution")
    pixels, units = tag.value if tag else (0, 0)
    return float(units / pixels) if pixels else 0.0


def _plausible(size: PixelSize) -> bool:
    low, high = _PLAUSIBLE_MICROMETRES
    return low <= size.y <= high and low <= size.x <= high


def metaseries_pixel_size(tif: TiffFile, index: int) -> PixelSize:
    """Pixel size of the planes; 0.0 where the file was not calibrated."""
    if index:
        return PixelSize()
    if tif.is_stk:
        return _stk_pixel_size(tif.stk_metadata or {})
    plane = _metaseries_plane(tif)
    if not plane.get("spatial-calibration-state"):
        return PixelSize()
    unit = str(plane.get("spatial-calibration-units", ""))
    y, x = (micrometres(plane.get(f"spatial-calibration-{axis}"), unit) for axis in "yx")
    return PixelSize(y, x)


def _stk_pixel_size(described: Mapping[str, Any]) -> PixelSize:
    """Pixel size in a stack (STK), whose planes say how far each is from the one before, in µm."""
    if not described.get("SpatialCalibration"):
        return PixelSize()
    unit = str(described.get("CalibrationUnits", ""))
    y, x = (micrometres(described.get(f"{axis}Calibration"), unit) for axis in "YX")
    apart = np.abs(np.ravel(described.get("ZDistance", 0.0)))
    return PixelSize(y, x, micrometres(float(np.median(apart))))


def metamorph_times(tif: TiffFile, index: int, frames: int) -> tuple[float, ...]:
    """Seconds at which the frames of a stack (STK) were taken."""
    taken = (tif.stk_metadata or {}).get("DatetimeCreated", ()) if tif.is_stk and not index else ()
    if len(taken) != frames:
        return ()
    stamps = np.asarray(taken, "datetime64[ms]")
    return ascending((stamps - stamps[0]) / np.timedelta64(1, "s"))


def metaseries_channel_name(tif: TiffFile) -> str:
    """Name of the illumination of a file with one wavelength; empty where there is none."""
    plane = _metaseries_plane(tif)
    return str(plane.get("_IllumSetting_") or plane.get("wavelength-name") or "").strip()


def _metaseries_plane(tif: TiffFile) -> Mapping[str, Any]:
    found = (tif.metaseries_metadata or {}).get("PlaneInfo") if tif.is_metaseries else None
    return found if isinstance(found, dict) else {}
