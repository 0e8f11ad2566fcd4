"""Turns pixels and numbers into what stands inside an HTML page."""

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
"""Pictures are thinned out to at most this many pixels a side, so that a page with many stays light."""


def picture(pixels: Picture, description: str) -> Markup:
    """Return an image tag that holds the pixels (Y, X, 3), uint8, as PNG.

    Parameters
    ----------
    pixels : ndarray
    description : str
        For people who cannot see it.
    """
    step = -(-max(pixels.shape[:2]) // LARGEST_SIDE)
    return stored_picture(
        iio.imwrite("<bytes>", pixels[::step, ::step], plugin="pillow", extension=".png"), description
    )


def stored_picture(content: bytes, description: str) -> Markup:
    """Return an image tag that holds a PNG file as it is."""
    encoded = base64.b64encode(content).decode("ascii")
    return Markup('<img alt="{}" src="data:image/png;base64,{}">').format(description, encoded)


def curves(series: Mapping[str, Sequence[float]], x: Sequence[float], x_title: str, y_title: str) -> Markup:
    """Draw lines over a common axis as SVG.

    Parameters
    ----------
    series : mapping of str to sequence of float
        Values of each line by its name, as many as ``x``.
    x : sequence of float
    x_title, y_title : str
    """
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
    """Return a matplotlib figure as SVG, the same for the same figure."""
    text = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": "napari-unet-nuclei"}):
        canvas.savefig(text, format="svg", metadata={"Date": None})
    svg = text.getvalue()
    return Markup(svg[svg.index("<svg") :])  # drawn here, and matplotlib escapes its texts
