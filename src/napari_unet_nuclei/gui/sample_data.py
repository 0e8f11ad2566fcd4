"""Sample images for File > Open Sample."""

from __future__ import annotations

from typing import Any, TypeAlias

from napari_unet_nuclei.core.image.pixel_size import PixelSize
from napari_unet_nuclei.core.samples import packed_tissue as drawn
from napari_unet_nuclei.core.samples import synthetic, synthetic_movie
from napari_unet_nuclei.core.samples.synthetic import SampleImage

LayerData: TypeAlias = tuple[Any, dict[str, Any], str]
"""Array, keyword arguments and type of a layer, as napari expects them from a plugin."""

_CHANNEL_COLORMAPS = ("blue", "green")


def fluorescent_nuclei() -> list[LayerData]:
    """Return the 2-D fluorescence sample as one layer."""
    return _layers(synthetic.fluorescent_nuclei())


def two_channels() -> list[LayerData]:
    """Return DAPI and GFP as two additive layers."""
    return _layers(synthetic.two_channels())


def z_stack() -> list[LayerData]:
    """Return the confocal stack as one layer."""
    return _layers(synthetic.z_stack())


def packed_tissue() -> list[LayerData]:
    """Return the packed tissue as one layer."""
    return _layers(drawn.packed_tissue())


def time_series() -> list[LayerData]:
    """Return the time series as one layer."""
    return _layers(synthetic.time_series())


def dividing_nuclei() -> list[LayerData]:
    """Return the movie of nuclei that move fast, divide, and vanish now and then, as one layer."""
    return _layers(synthetic_movie.dividing_nuclei())


def stained_tissue() -> list[LayerData]:
    """Return the stained tissue as one colour layer."""
    return _layers(synthetic.stained_tissue())


def immunohistochemistry() -> list[LayerData]:
    """Return tissue in which an antibody marks some nuclei (DAB) as one colour layer."""
    return _layers(synthetic.immunohistochemistry())


def _layers(sample: SampleImage) -> list[LayerData]:
    """Return one image layer, or one per channel, as napari does when it splits a stack."""
    spatial = _spatial(sample.axes, sample.pixel_size, sample.minutes)
    if "C" not in sample.axes:
        return [(sample.image, {"name": sample.name, "rgb": "S" in sample.axes, **spatial}, "image")]
    channels = zip(sample.image, sample.channel_names, _CHANNEL_COLORMAPS, strict=True)
    return [
        (channel, {"name": name, "colormap": colormap, "blending": "additive", **spatial}, "image")
        for channel, name, colormap in channels
    ]


def _spatial(axes: str, pixel_size: PixelSize, minutes: float) -> dict[str, Any]:
    """Return scale, units and axis labels; napari counts neither split channels nor colours as axes of a layer."""
    kept = [axis.lower() for axis in axes if axis not in "CS"]
    sizes = {"z": pixel_size.z, "y": pixel_size.y, "x": pixel_size.x}
    return {
        "scale": tuple(minutes if axis == "t" and minutes else sizes.get(axis, 1.0) for axis in kept),
        "units": tuple("µm" if axis in sizes else "minute" if minutes else "pixel" for axis in kept),
        "axis_labels": tuple(kept),
    }
