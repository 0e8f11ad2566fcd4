"""A drawn stack of nuclei packed in three dimensions, with its true labels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.ndimage import gaussian_filter

from napari_unet_nuclei.core.image.pixel_size import PixelSize
from napari_unet_nuclei.core.samples.drawing import Nucleus, camera, draw
from napari_unet_nuclei.core.samples.synthetic import SampleImage

FLATTENED = 0.85
"""Height of a nucleus over its width."""

CLOSEST = 0.97
"""Distance of two nuclei over the sum of their radii, at least: many touch, none lies in another."""

TRIES = 40
"""Places tried for every nucleus, on average."""

BLUR = (2.2, 0.9, 0.9)
"""Of a confocal microscope, in pixels along z, y and x."""


def packed_tissue(
    seed: int = 8,
    shape: tuple[int, int, int] = (40, 160, 160),
    diameter: float = 26.0,
    count: int = 75,
    spacing: float = 2.5,
) -> SampleImage:
    """Draw a confocal stack of tissue: nuclei on top of and beside each other, many of them touching.

    Parameters
    ----------
    seed : int
        Determines everything.
    shape : tuple of int
        Planes, rows and columns.
    diameter : float
        Median diameter, in pixels.
    count : int
        Number of nuclei; fewer if no more fit.
    spacing : float
        Distance of planes over that of pixels.

    Returns
    -------
    SampleImage
        Axes ZYX, uint16; a nucleus has the same id in all its planes.
    """
    rng = np.random.default_rng(seed)
    depth = round(shape[0] * spacing)
    nuclei = _packed((depth, *shape[1:]), diameter, count, rng)
    drawn = [draw([_section(nucleus, z - height) for nucleus, height in nuclei], shape[1:]) for z in range(depth)]
    light = gaussian_filter(np.stack([plane for plane, _ in drawn]), BLUR)
    # Light from above and below, as in thick tissue.
    light += 0.08 * gaussian_filter(light, diameter / 2) + 0.03
    planes = (np.arange(shape[0]) + 0.5) * spacing
    taken = np.minimum(planes.astype(int), depth - 1)
    labels = np.stack([plane for _, plane in drawn])[taken]
    _, whole = np.unique(labels, return_inverse=True)
    image = camera(light[taken], rng, photons=150, gain=8, offset=20)
    size = PixelSize(0.25, 0.25, 0.25 * spacing)
    return SampleImage("Packed tissue", image, whole.reshape(labels.shape).astype(np.int32), "ZYX", size)


def _packed(
    shape: tuple[int, int, int], diameter: float, count: int, rng: np.random.Generator
) -> list[tuple[Nucleus, float]]:
    """Place nuclei one after the other wherever they fit; return each with the height of its middle."""
    nuclei: list[tuple[Nucleus, float]] = []
    places = np.zeros((0, 4))  # z, y, x and radius of those that are placed
    for _ in range(TRIES * count):
        z, y, x = rng.uniform(0, shape)
        radius = diameter / 2 * np.exp(np.clip(rng.normal(0, 0.13), -0.35, 0.35))
        away = np.hypot(np.hypot((places[:, 0] - z) / FLATTENED, places[:, 1] - y), places[:, 2] - x)
        if (away < CLOSEST * (places[:, 3] + radius)).any():
            continue
        places = np.vstack([places, (z, y, x, radius)])
        look = Nucleus(
            y,
            x,
            radius,
            elongation=1 + min(abs(rng.normal(0.05, 0.12)), 0.4),
            angle=rng.uniform(0, np.pi),
            brightness=float(np.clip(np.exp(rng.normal(-0.35, 0.28)), 0.25, 1)),
            seed=int(rng.integers(2**31)),
        )
        nuclei.append((look, z))
        if len(nuclei) == count:
            break
    return nuclei


def _section(nucleus: Nucleus, height: float) -> Nucleus:
    """Cut a nucleus ``height`` pixels above its middle."""
    half = FLATTENED * nucleus.radius
    return replace(nucleus, radius=nucleus.radius * np.sqrt(max(1 - (height / half) ** 2, 0.0)))
