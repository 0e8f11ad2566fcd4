"""Synthetic sample images with their true labels, for first steps and tests.

Every sample is determined by its seed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, gaussian_filter

from napari_unet_nuclei.core.image.pixel_size import PixelSize
from napari_unet_nuclei.core.image.stain import DAB, HAEMATOXYLIN, STAIN_VECTORS
from napari_unet_nuclei.core.samples.drawing import Nucleus, camera, draw, draw_nuclei, place_nuclei, uneven_light
from napari_unet_nuclei.core.types import AnyArray, Labels

# Absorbance in red, green and blue; slightly warmer than in `STAIN_VECTORS`, as most scanners show it.
_EOSIN = np.array([0.07, 0.95, 0.25])


@dataclass(frozen=True, eq=False)
class SampleImage:
    """An image with its true labels.

    Attributes
    ----------
    name : str
        Name for a layer.
    image : ndarray
        Grey values or colours; axes as in ``axes``.
    labels : ndarray
        True nuclei: int32, 0 is background; axes of the image without C and S.
    axes : str
        One letter per axis of the image: T, Z, C, Y, X, or S for red, green and blue.
    pixel_size : PixelSize
        In µm.
    channel_names : tuple of str
        One per channel; empty where there is no C axis.
    nucleus_levels : tuple of float
        Mean grey value of nucleus 1, 2, ... in the last channel if it is known; else empty.
    parents : mapping of int to int
        In movies, the mother of every daughter; else empty.
    minutes : float
        In movies, the time between frames; 0 if unknown.
    """

    name: str
    image: AnyArray
    labels: Labels
    axes: str
    pixel_size: PixelSize
    channel_names: tuple[str, ...] = ()
    nucleus_levels: tuple[float, ...] = ()
    parents: Mapping[int, int] = field(default_factory=dict)
    minutes: float = 0.0


def fluorescent_nuclei(
    seed: int = 0, shape: tuple[int, int] = (512, 512), diameter: float = 34.0, count: int = 100
) -> SampleImage:
    """Draw cultured cells stained with DAPI: clumps, camera noise, uneven light, some nuclei dim or out of focus.

    Parameters
    ----------
    seed : int
        Determines everything.
    shape : tuple of int
        Rows and columns.
    diameter : float
        Median diameter, in pixels.
    count : int
        Number of nuclei; fewer if no more fit.

    Returns
    -------
    SampleImage
        Axes YX, uint16.
    """
    rng = np.random.default_rng(seed)
    light, labels = _stained_cells(shape, diameter, count, rng)
    return SampleImage("Fluorescent nuclei", camera(light, rng), labels, "YX", PixelSize(0.325, 0.325))


def two_channels(seed: int = 1) -> SampleImage:
    """Draw nuclei in DAPI, and a GFP reporter whose level in every nucleus is known.

    Returns
    -------
    SampleImage
        Axes CYX, uint16; ``nucleus_levels`` holds the mean GFP grey value of each nucleus, offset included.
    """
    rng = np.random.default_rng(seed)
    light, labels = _stained_cells((384, 384), 30.0, 60, rng)
    gain, offset, photons = 2.0, 100.0, 400.0
    background = 0.05
    # Two populations, as after a transfection: most nuclei nearly dark, the others of any brightness.
    count = int(labels.max())
    reporter = np.where(rng.random(count) < 0.4, rng.uniform(0.3, 1.0, count), rng.uniform(0.06, 0.12, count))
    gfp = np.append(background, reporter)[labels]
    image = np.stack([camera(light, rng), camera(gfp, rng, photons=photons, gain=gain, offset=offset)])
    levels = tuple((reporter * photons * gain + offset).tolist())
    return SampleImage("Two channels", image, labels, "CYX", PixelSize(0.325, 0.325), ("DAPI", "GFP"), levels)


def z_stack(seed: int = 2) -> SampleImage:
    """Draw a confocal stack of flat round nuclei; planes are three times as far apart as pixels.

    Returns
    -------
    SampleImage
        Axes ZYX, uint16; a nucleus has the same id in all its planes.
    """
    rng = np.random.default_rng(seed)
    planes, shape, size = 20, (192, 192), PixelSize(0.33, 0.33, 1.0)
    nuclei = place_nuclei(shape, 30.0, 22, rng, clumped=0.5)
    heights = rng.uniform(0.3, 0.7, len(nuclei)) * planes * size.z
    drawn = [
        draw([_section(n, z * size.z - height, size) for n, height in zip(nuclei, heights, strict=True)], shape)
        for z in range(planes)
    ]
    clean = gaussian_filter(np.stack([plane for plane, _ in drawn]), (0.8, 0.8, 0.8))
    image = camera(clean + 0.03, rng, photons=150, gain=8, offset=20)
    return SampleImage("Z-stack", image, np.stack([labels for _, labels in drawn]), "ZYX", size)


def time_series(seed: int = 3) -> SampleImage:
    """Draw nuclei that wander, and some that divide.

    Returns
    -------
    SampleImage
        Axes TYX, uint16; a nucleus keeps its id from frame to frame, daughters get new ids.
    """
    rng = np.random.default_rng(seed)
    frames, shape = 12, (256, 256)
    tracks = _tracks(place_nuclei(shape, 26.0, 26, rng, clumped=0.25), frames, rng)
    drawn = [draw([track[frame] for track in tracks], shape) for frame in range(frames)]
    bleaching = np.exp(-0.03 * np.arange(frames))[:, None, None]
    clean = gaussian_filter(np.stack([plane for plane, _ in drawn]), (0, 1, 1)) * bleaching
    image = camera(clean + 0.04, rng, photons=120)
    return SampleImage("Time series", image, np.stack([labels for _, labels in drawn]), "TYX", PixelSize(0.5, 0.5))


def stained_tissue(
    seed: int = 4, shape: tuple[int, int] = (512, 512), diameter: float = 18.0, count: int = 330
) -> SampleImage:
    """Draw tissue stained with haematoxylin and eosin: purple nuclei, pink cytoplasm and fibres, white gaps.

    Parameters
    ----------
    seed : int
        Determines everything.
    shape : tuple of int
        Rows and columns.
    diameter : float
        Median diameter, in pixels.
    count : int
        Number of nuclei; fewer if no more fit.

    Returns
    -------
    SampleImage
        Axes YXS, uint8.
    """
    rng = np.random.default_rng(seed)
    clean, labels = draw_nuclei(shape, diameter, count, rng, clumped=0.45)
    haematoxylin = _haematoxylin(clean, diameter)
    gaps = np.clip((_structure(shape, 18, rng) - 1.1) * 3, 0, 1) * (gaussian_filter(clean, diameter / 4) < 0.1)
    texture = 0.7 * _fibres(shape, rng) + 0.6 * _structure(shape, 1.5, rng) + _structure(shape, 30, rng)
    eosin = (0.33 + 0.07 * texture) * (1 - gaussian_filter(gaps, 1.5)) * (1 - 0.25 * clean)
    absorbance = haematoxylin[..., None] * STAIN_VECTORS[HAEMATOXYLIN] + np.clip(eosin, 0.01, None)[..., None] * _EOSIN
    return SampleImage("Stained tissue", _scanned(absorbance, rng), labels, "YXS", PixelSize(0.5, 0.5))


def immunohistochemistry(
    dab: Literal["nuclei", "membranes"] = "nuclei",
    seed: int = 5,
    shape: tuple[int, int] = (512, 512),
    diameter: float = 18.0,
    count: int = 330,
) -> SampleImage:
    """Draw immunohistochemistry: an antibody stained brown by DAB, and a haematoxylin counterstain of all nuclei.

    Parameters
    ----------
    dab : {"nuclei", "membranes"}
        Where the antibody binds: in two of five nuclei, mostly hiding the counterstain, or in the membranes of all
        cells.
    seed, shape, diameter, count
        As for `stained_tissue`.

    Returns
    -------
    SampleImage
        Axes YXS, uint8.
    """
    rng = np.random.default_rng(seed)
    clean, labels = draw_nuclei(shape, diameter, count, rng, clumped=0.45)
    haematoxylin = 0.8 * _haematoxylin(clean, diameter)
    if dab == "nuclei":
        strength = np.where(rng.random(labels.max() + 1) < 0.4, rng.uniform(0.5, 2.0, labels.max() + 1), 0.0)
        strength[0] = 0
        brown = gaussian_filter(strength[labels] * (0.6 + 0.4 * clean), 1.0)
        # DAB is opaque, and hides most of the counterstain below it.
        haematoxylin *= 1 - 0.95 * np.clip(brown, 0, 1)
    else:
        distance = distance_transform_edt(labels == 0)
        brown = gaussian_filter(0.9 * np.exp(-(((distance - diameter / 6) / 1.6) ** 2)) * (labels == 0), 0.7)
    # Unspecific staining, as in real slides, must not count as DAB.
    brown += np.clip(0.015 * _structure(shape, 20, rng), 0, None)
    absorbance = haematoxylin[..., None] * STAIN_VECTORS[HAEMATOXYLIN] + brown[..., None] * STAIN_VECTORS[DAB]
    name = "Immunohistochemistry of nuclei" if dab == "nuclei" else "Immunohistochemistry of membranes"
    return SampleImage(name, _scanned(absorbance, rng), labels, "YXS", PixelSize(0.5, 0.5))


def _haematoxylin(clean: NDArray[np.floating], diameter: float) -> NDArray[np.float64]:
    """Return the amount of haematoxylin in drawn nuclei: most at the nuclear envelope."""
    rim = np.clip(clean - gaussian_filter(clean, diameter / 9), 0, None)
    return np.asarray(gaussian_filter(0.85 * clean + 1.1 * rim, 0.8) + 0.03, np.float64)


def _scanned(absorbance: NDArray[np.floating], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Simulate a slide scanner, given the absorbance (Y, X, 3)."""
    light = np.exp(-absorbance)
    # White is 243 of 255, since scanners leave room above the brightest light.
    return np.asarray(camera(light, rng, photons=6000, read_noise=5, gain=243 / 6000, offset=0, dtype=np.uint8))


def _stained_cells(
    shape: tuple[int, int], diameter: float, count: int, rng: np.random.Generator
) -> tuple[NDArray[np.float64], Labels]:
    """Return the light of cultured cells, axes (Y, X), 0 to about 1, and their labels."""
    nuclei = place_nuclei(shape, diameter, count, rng, clumped=0.6)
    dim = rng.random(len(nuclei)) < 0.12
    nuclei = [replace(n, brightness=0.35 * n.brightness) if d else n for n, d in zip(nuclei, dim, strict=True)]
    blurred = rng.random(len(nuclei)) < 0.12
    sharp, labels = draw([replace(n, brightness=0.0) if b else n for n, b in zip(nuclei, blurred, strict=True)], shape)
    soft, _ = draw([n if b else replace(n, brightness=0.0) for n, b in zip(nuclei, blurred, strict=True)], shape)
    focused = gaussian_filter(np.maximum(sharp, gaussian_filter(soft, diameter / 14)), 0.9)
    # Out-of-focus light, and dye in the cytoplasm, glow around the nuclei.
    glow = 0.1 * gaussian_filter(focused, diameter * 0.7) + 0.02
    return (focused + glow) * uneven_light(shape, rng), labels


def _section(nucleus: Nucleus, height: float, size: PixelSize) -> Nucleus:
    """Cut a nucleus, flattened to 0.7 of its width, ``height`` µm above its middle."""
    # An ellipsoid's section is a circle that shrinks to 0 at the top and the bottom.
    half = 0.7 * nucleus.radius * size.x
    return replace(nucleus, radius=nucleus.radius * np.sqrt(max(1 - (height / half) ** 2, 0.0)))


def _tracks(nuclei: list[Nucleus], frames: int, rng: np.random.Generator) -> list[list[Nucleus]]:
    """Let nuclei wander and every fourth one divide: a list of frames each, with radius 0 while absent."""
    tracks = [_wander(nucleus, frames, rng.normal(0, 1.0, 2), rng) for nucleus in nuclei]
    for mother in tracks[::4]:
        division = int(rng.integers(3, frames - 2))
        last = mother[division - 1]
        # Chromatin condenses before division: smaller and brighter.
        mother[division - 1] = replace(last, radius=0.8 * last.radius, brightness=1.0)
        mother[division:] = [replace(last, radius=0.0)] * (frames - division)
        push = 1.6 * np.array([np.cos(last.angle), -np.sin(last.angle)])
        for side in (-1, 1):
            start = replace(
                last,
                y=last.y + side * push[0] * 0.35 * last.radius,
                x=last.x + side * push[1] * 0.35 * last.radius,
                radius=0.68 * last.radius,
                brightness=1.0,
                seed=last.seed + 2 + side,
            )
            before = [replace(last, radius=0.0)] * division
            tracks.append(before + _wander(start, frames - division, side * push, rng))
    return tracks


def _wander(nucleus: Nucleus, frames: int, velocity: NDArray[np.float64], rng: np.random.Generator) -> list[Nucleus]:
    """Move a nucleus at a velocity (y, x) in pixels per frame, with jitter and slow rotation."""
    path = np.cumsum(velocity + rng.normal(0, 0.4, (frames, 2)), axis=0)
    turn = np.cumsum(rng.normal(0, 0.04, frames))
    return [
        replace(nucleus, y=nucleus.y + dy, x=nucleus.x + dx, angle=nucleus.angle + angle)
        for (dy, dx), angle in zip(path, turn, strict=True)
    ]


def _fibres(shape: tuple[int, int], rng: np.random.Generator) -> NDArray[np.float64]:
    """Return wavy fibres, axes (Y, X): mean 0, standard deviation about 1."""
    straight = _structure(shape, (1.5, 12.0), rng)
    y, x = np.ogrid[: shape[0], : shape[1]]
    wave = shape[0] / 10 * np.sin(2 * np.pi * (x / shape[1] + rng.random()))
    return np.asarray(straight[(y + np.rint(wave).astype(int)) % shape[0], x])


def _structure(
    shape: tuple[int, int], width: float | tuple[float, float], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return smooth noise with a correlation width in pixels, axes (Y, X): mean 0, standard deviation 1."""
    structure = gaussian_filter(rng.standard_normal(shape), width)
    return np.asarray((structure - structure.mean()) / max(float(structure.std()), 1e-9), np.float64)
