"""What MetaMorph and MetaXpress write into a TIFF: pixel size and the name of the wavelength."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tifffile import TiffFile

from napari_unet_nuclei.core.image.pixel_size import PixelSize, micrometres


def metaseries_pixel_size(tif: TiffFile, index: int) -> PixelSize:
    """Pixel size of the planes; 0.0 where the file was not calibrated."""
    plane = _plane(tif)
    if index or not plane.get("spatial-calibration-state"):
        return PixelSize()
    unit = str(plane.get("spatial-calibration-units", ""))
    y, x = (micrometres(plane.get(f"spatial-calibration-{axis}"), unit) for axis in "yx")
    return PixelSize(y, x)


def metaseries_channel_name(tif: TiffFile) -> str:
    """Name of the illumination of a file with one wavelength; empty where there is none."""
    plane = _plane(tif)
    return str(plane.get("_IllumSetting_") or plane.get("wavelength-name") or "").strip()


def _plane(tif: TiffFile) -> Mapping[str, Any]:
    found = (tif.metaseries_metadata or {}).get("PlaneInfo") if tif.is_metaseries else None
    return found if isinstance(found, dict) else {}
