"""What a TIFF file says about its axes, pixel size and channels, in the dialects that microscopes write."""

from __future__ import annotations

from xml.etree import ElementTree

from tifffile import PHOTOMETRIC, TiffFile, TiffPageSeries

from napari_unet_nuclei.core.image.pixel_size import PixelSize, micrometres

PIXEL_SIZE_KEY = "pixel_size_um"
"""Where files written here keep their pixel size: an object with y, x and z, in µm."""

_RESOLUTION_UNITS = {2: "inch", 3: "cm"}
# Outside this range a resolution tag speaks of paper or screens (72 to 1200 dots per inch), not of a microscope.
_PLAUSIBLE_MICROMETRES = (0.005, 10.0)


def tiff_axes(series: TiffPageSeries) -> str:
    """Name the axes of a series: T, Z, C, Y, X, S for the samples of a colour, Q for any other.

    Parameters
    ----------
    series : tifffile.TiffPageSeries
        Images of one file that form one array.

    Returns
    -------
    str
        One letter per axis of the series.
    """
    colour = series.keyframe.photometric in (PHOTOMETRIC.RGB, PHOTOMETRIC.YCBCR)
    letters = []
    for letter, length in zip(series.axes, series.shape, strict=True):
        if letter == "S" and not (colour and length in (3, 4)):
            letters.append("Q" if "C" in series.axes else "C")
        else:
            letters.append(letter if letter in "TZCYXS" else "Q")
    return "".join(letters)


def tiff_pixel_size(tif: TiffFile, index: int) -> PixelSize:
    """Find the pixel size of one series: 0.0 where the file does not tell, or tells something implausible.

    Parameters
    ----------
    tif : tifffile.TiffFile
        Open file.
    index : int
        Number of the series.

    Returns
    -------
    PixelSize
        In µm.
    """
    sources = (_from_ome, _from_own_description, _from_imagej, _from_zeiss_lsm, _from_resolution_tags)
    sizes = (source(tif, index) for source in sources)
    return next((size for size in sizes if size.known), PixelSize())


def tiff_channel_names(tif: TiffFile, index: int, channels: int) -> tuple[str, ...]:
    """Find the names of the channels of one series.

    Parameters
    ----------
    tif : tifffile.TiffFile
        Open file.
    index : int
        Number of the series.
    channels : int
        Number of channels, 1 where there is no channel axis.

    Returns
    -------
    tuple of str
        One per channel, or empty where the file does not name every channel.
    """
    pixels = _ome_pixels(tif, index)
    if pixels is not None:
        names = [channel.get("Name", "") for channel in pixels.findall("{*}Channel")]
    else:
        # ImageJ labels slices, not channels: only a plain channel stack has one label for each.
        names = [str(label) for label in (tif.imagej_metadata or {}).get("Labels", [])] if channels > 1 else []
    return tuple(names) if len(names) == channels and all(names) else ()


def tiff_channel_colours(tif: TiffFile, index: int, channels: int) -> tuple[str, ...]:
    """Find the colours that the channels of one series are shown in.

    Parameters
    ----------
    tif, index, channels
        As for `tiff_channel_names`.

    Returns
    -------
    tuple of str
        One per channel, as "#ff0000", or empty where the file does not colour every channel.
    """
    pixels = _ome_pixels(tif, index)
    stored = [] if pixels is None else [channel.get("Color", "") for channel in pixels.findall("{*}Channel")]
    # Red, green, blue and opacity, a byte each, in a signed number of 32 bits.
    colours = [f"#{int(one) % 2**32 >> 8:06x}" for one in stored if one.removeprefix("-").isdecimal()]
    return tuple(colours) if len(colours) == channels else ()


def _ome_pixels(tif: TiffFile, index: int) -> ElementTree.Element | None:
    """Return the Pixels element that describes a series; None where there is no readable OME-XML."""
    if not tif.ome_metadata:
        return None
    try:
        images = ElementTree.fromstring(tif.ome_metadata).findall("{*}Image")
    except ElementTree.ParseError:
        return None
    return images[index].find("{*}Pixels") if index < len(images) else None


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
    spacing = str(described.get("spacing", "")).lstrip("-")  # negative where the stack was turned over
    size = PixelSize(
        micrometres(y, str(described.get("yunit", unit))),
        micrometres(x, unit),
        micrometres(spacing, str(described.get("zunit", unit))),
    )
    return size if unit.lower() not in ("inch", "inches", "cm") or _plausible(size) else PixelSize()


def _from_zeiss_lsm(tif: TiffFile, index: int) -> PixelSize:
    described = tif.lsm_metadata or {}
    return PixelSize(*(micrometres(described.get(f"VoxelSize{axis}"), "m") for axis in "YXZ"))


def _from_resolution_tags(tif: TiffFile, index: int) -> PixelSize:
    tag = tif.pages.first.tags.get("ResolutionUnit")
    unit = _RESOLUTION_UNITS.get(int(tag.value)) if tag else None
    if unit is None:
        return PixelSize()
    size = PixelSize(*(micrometres(_inverse_resolution(tif, axis), unit) for axis in "YX"))
    return size if _plausible(size) else PixelSize()


def _inverse_resolution(tif: TiffFile, axis: str) -> float:
    """Return units per pixel by a resolution tag, 0.0 where there is none."""
    tag = tif.pages.first.tags.get(f"{axis}Resolution")
    pixels, units = tag.value if tag else (0, 0)
    return float(units / pixels) if pixels else 0.0


def _plausible(size: PixelSize) -> bool:
    low, high = _PLAUSIBLE_MICROMETRES
    return low <= size.y <= high and low <= size.x <= high
