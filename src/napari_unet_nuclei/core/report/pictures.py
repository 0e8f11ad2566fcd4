"""Turn pixels and numbers into elements of an HTML page."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence

import imageio.v3 as iio
import matplotlib as mpl
from markupsafe import Markup
from matplotlib.figure import Figure as Canvas

from napari_unet_nuclei.core.image.picture import Picture

LARGEST_SIDE = 640
"""Pixels; larger pictures are subsampled, so that pages with many of them stay small."""


def picture(pixels: Picture, description: str) -> Markup:
    """Return an image tag with the pixels (Y, X, 3), uint8, as PNG; ``description`` becomes its alt text."""
    step = -(-max(pixels.shape[:2]) // LARGEST_SIDE)
    return stored_picture(
        iio.imwrite("<bytes>", pixels[::step, ::step], plugin="pillow", extension=".png"), description
    )


def stored_picture(content: bytes, description: str) -> Markup:
    """Return an image tag with the content of a PNG file."""
    encoded = base64.b64encode(content).decode("ascii")
    return Markup('<img alt="{}" src="data:image/png;base64,{}">').format(description, encoded)


def curves(series: Mapping[str, Sequence[float]], x: Sequence[float], x_title: str, y_title: str) -> Markup:
    """Plot named series over common ``x`` values as SVG."""
    canvas = Canvas(figsize=(5.6, 3.4), layout="constrained")
    axes = canvas.subplots()
    for name, values in series.items():
        axes.plot(x, values, marker="." if len(x) < 60 else "", label=name)
    axes.set(xlabel=x_title, ylabel=y_title)
    axes.grid(alpha=0.3)
    if len(series) > 1:
        axes.legend(frameon=False)
    return drawing(canvas)


def drawing(canvas: Canvas) -> Markup:
    """Return a matplotlib figure as SVG; equal figures give equal texts."""
    text = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": "napari-unet-nuclei"}):
        canvas.savefig(text, format="svg", metadata={"Date": None})
    svg = text.getvalue()
    return Markup(svg[svg.index("<svg") :])  # safe: drawn here, with texts escaped by matplotlib
