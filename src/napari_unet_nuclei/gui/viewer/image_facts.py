"""What an image is, in a sentence: its size, the size of its pixels, and what happens to its other axes."""

from __future__ import annotations

from collections.abc import Sequence

from napari_unet_nuclei.gui.viewer.layers import LayerImage

_AXIS_WORDS = {"T": "time points", "Z": "planes in Z", "Q": "planes"}


def image_facts(image: LayerImage) -> str:
    """Say how large an image is, and that the planes of a stack are segmented one by one.

    Returns
    -------
    str
        For instance "512 × 512 px, 0.33 µm per pixel. 20 planes in Z: each is segmented by itself."
    """
    source, size = image.source, image.pixel_size
    per_pixel = f"{size.x:.3g}" if abs(size.x - size.y) < 1e-3 * size.x else f"{size.y:.3g} × {size.x:.3g}"
    scale = f"{per_pixel} µm per pixel" if size.known else "pixel size unknown"
    planes = " × ".join(
        f"{length} {_AXIS_WORDS[letter]}"
        for letter, length in zip(source.leading_axes, source.leading_shape, strict=True)
    )
    stack = f" {planes}: each plane is segmented by itself." if planes else ""
    return f"{sides(source.plane_shape)} px, {scale}.{stack}"


def sides(shape: Sequence[int]) -> str:
    """Return height and width in pixels, whatever axes come before them."""
    return f"{shape[-2]} × {shape[-1]}"
