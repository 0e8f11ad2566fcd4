"""What MetaMorph and MetaXpress write into a TIFF: pixel size, the name of the wavelength, times of frames."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from tifffile import TiffFile

from napari_unet_nuclei.core.image.pixel_size import PixelSize, micrometres
from napari_unet_nuclei.core.image.times import ascending


def metaseries_pixel_size(tif: TiffFile, index: int) -> PixelSize:
    """Pixel size of the planes; 0.0 where the file was not calibrated."""
    if index:
        return PixelSize()
    if tif.is_stk:
        return _of_stack(tif.stk_metadata or {})
    plane = _plane(tif)
    if not plane.get("spatial-calibration-state"):
        return PixelSize()
    unit = str(plane.get("spatial-calibration-units", ""))
    y, x = (micrometres(plane.get(f"spatial-calibration-{axis}"), unit) for axis in "yx")
    return PixelSize(y, x)


def _of_stack(described: Mapping[str, Any]) -> PixelSize:
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
    plane = _plane(tif)
    return str(plane.get("_IllumSetting_") or plane.get("wavelength-name") or "").strip()


def _plane(tif: TiffFile) -> Mapping[str, Any]:
    found = (tif.metaseries_metadata or {}).get("PlaneInfo") if tif.is_metaseries else None
    return found if isinstance(found, dict) else {}
