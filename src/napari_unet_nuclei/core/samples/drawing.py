"""Draw synthetic nuclei, and simulate the camera: images whose true labels are known to the pixel."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray
from scipy.ndimage import gaussian_filter

from napari_unet_nuclei.core.types import AnyArray, Labels, Mask

_LARGEST_OVERLAP = 0.12  # share of a nucleus that a neighbour may hide: touching, but distinguishable
_TRIES = 40  # positions tried for a nucleus before it is given up


@dataclass(frozen=True)
class Nucleus:
    """One nucleus in a plane, in pixels.

    The seed determines the irregular outline and the chromatin, so that a nucleus looks the same as it moves.
    """

    y: float
    x: float
    radius: float  # of the circle with the same area; below 0.5 the nucleus is not drawn, but keeps its id
    elongation: float = 1.0  # long axis divided by short axis, at least 1
    angle: float = 0.0  # of the long axis to the x axis, in radians
    brightness: float = 1.0  # 0 to 1
    seed: int = 0

    @property
    def corner(self) -> tuple[int, int]:
        """First row and column of the square around the nucleus; they may lie outside the image."""
        return math.floor(self.y - self._reach), math.floor(self.x - self._reach)

    @property
    def side(self) -> int:
        """Side of the square around the nucleus, in pixels."""
        return math.ceil(2 * self._reach) + 2

    @property
    def _reach(self) -> float:
        # Lobes reach beyond the ellipse by up to a fifth; soft edges and gaps need a few pixels more.
        return 1.2 * self.radius * math.sqrt(self.elongation) + 3


def draw_nuclei(
    shape: tuple[int, int], diameter: float, count: int, rng: np.random.Generator, *, clumped: float = 0.5
) -> tuple[NDArray[np.float32], Labels]:
    """Place about ``count`` nuclei at random and draw them: light (Y, X), 0 to 1 without noise, and labels (Y, X).

    ``diameter`` is the median, in pixels; fewer nuclei are drawn if no more fit. ``clumped`` is the share of nuclei
    that touch another one; at 0 there is a gap around every nucleus.

    Examples
    --------
    >>> clean, labels = draw_nuclei((64, 64), diameter=12, count=4, rng=np.random.default_rng(0))
    >>> clean.dtype, labels.dtype, int(labels.max())
    (dtype('float32'), dtype('int32'), 4)
    """
    return draw(place_nuclei(shape, diameter, count, rng, clumped=clumped), shape)


def place_nuclei(
    shape: tuple[int, int], diameter: float, count: int, rng: np.random.Generator, *, clumped: float = 0.5
) -> list[Nucleus]:
    """Place nuclei so that they touch but hardly overlap; parameters as for `draw_nuclei`."""
    occupied = np.zeros(shape, bool)
    nuclei: list[Nucleus] = []
    for _ in range(count):
        touching = bool(nuclei) and rng.random() < clumped
        for _ in range(_TRIES):
            nucleus = _anywhere(shape, diameter, rng)
            if touching:
                nucleus = _beside(nuclei[rng.integers(len(nuclei))], nucleus, rng)
            if _fits(nucleus, occupied, touching):
                into, out_of = _overlap(nucleus, shape)
                occupied[into] |= _depth(nucleus)[out_of] > 0
                nuclei.append(nucleus)
                break
    return nuclei


def draw(nuclei: Sequence[Nucleus], shape: tuple[int, int]) -> tuple[NDArray[np.float32], Labels]:
    """Draw nuclei with the ids 1, 2, ...: light (Y, X), 0 to 1 without noise, and labels (Y, X).

    Pixels covered by two belong to the one whose outline is farther away.
    """
    clean = np.zeros(shape, np.float32)
    labels = np.zeros(shape, np.int32)
    deepest = np.zeros(shape, np.float32)
    for number, nucleus in enumerate(nuclei, start=1):
        into, out_of = _overlap(nucleus, shape)
        if nucleus.radius < 0.5 or clean[into].size == 0:
            continue
        depth = _depth(nucleus)
        if nucleus.brightness > 0:
            clean[into] = np.maximum(clean[into], _appearance(nucleus, depth)[out_of])
        # Overlapping nuclei meet where their relative depths are equal: halfway, as between touching cells.
        mine = depth[out_of] > deepest[into]
        labels[into][mine] = number
        deepest[into][mine] = depth[out_of][mine]
    return clean, labels


def camera(
    clean: ArrayLike,
    rng: np.random.Generator,
    *,
    photons: float = 300.0,
    read_noise: float = 3.0,
    gain: float = 2.0,
    offset: float = 100.0,
    dtype: DTypeLike = np.uint16,
) -> AnyArray:
    """Simulate a camera: photon noise, read noise in electrons, gain in grey values per electron, and offset.

    ``clean`` is light, usually 0 to 1, never negative, with any axes; ``photons`` is their mean number in a pixel with
    light 1. Integers are rounded and clipped to the range of ``dtype``.
    """
    light = np.maximum(np.asarray(clean, np.float64), 0.0) * photons
    # Photons arrive at random, before the electronics add noise of constant width.
    electrons = rng.poisson(light) + rng.normal(0.0, read_noise, light.shape)
    grey = electrons * gain + offset
    kind = np.dtype(dtype)
    if kind.kind in "iu":
        limits = np.iinfo(kind)
        grey = np.clip(np.rint(grey), limits.min, limits.max)
    return grey.astype(kind)


def uneven_light(shape: tuple[int, int], rng: np.random.Generator, strength: float = 0.4) -> NDArray[np.float32]:
    """Return uneven illumination, axes (Y, X), float32: 1 at an off-centre spot, darker away from it."""
    y, x = np.ogrid[: shape[0], : shape[1]]
    centre_y, centre_x = rng.uniform(0.3, 0.7, 2) * shape
    distance = ((y - centre_y) / shape[0]) ** 2 + ((x - centre_x) / shape[1]) ** 2
    return np.asarray(1 - strength * (1 - np.exp(-distance / 0.25)), np.float32)


def _anywhere(shape: tuple[int, int], diameter: float, rng: np.random.Generator) -> Nucleus:
    """Return a random nucleus at a random position."""
    return Nucleus(
        y=rng.uniform(0, shape[0] - 1),
        x=rng.uniform(0, shape[1] - 1),
        # Log-normal, as cell sizes are; cut off, so that no nucleus is taken for two.
        radius=diameter / 2 * np.exp(np.clip(rng.normal(0, 0.13), -0.35, 0.35)),
        elongation=1 + min(abs(rng.normal(0.1, 0.25)), 0.9),
        angle=rng.uniform(0, np.pi),
        brightness=float(np.clip(np.exp(rng.normal(-0.35, 0.28)), 0.25, 1)),
        seed=int(rng.integers(2**31)),
    )


def _beside(neighbour: Nucleus, nucleus: Nucleus, rng: np.random.Generator) -> Nucleus:
    """Move a nucleus next to another one, in a random direction."""
    direction = rng.uniform(0, 2 * np.pi)
    # From a slight overlap to a slight gap; `_fits` takes those that touch.
    distance = (neighbour.radius + nucleus.radius) * rng.uniform(0.9, 1.1)
    y, x = neighbour.y + distance * np.sin(direction), neighbour.x + distance * np.cos(direction)
    return replace(nucleus, y=y, x=x)


def _fits(nucleus: Nucleus, occupied: Mask, touching: bool) -> bool:
    """Tell whether a nucleus fits: with a gap all around, or in contact but not hidden."""
    if not (0 <= nucleus.y < occupied.shape[0] and 0 <= nucleus.x < occupied.shape[1]):
        return False
    into, out_of = _overlap(nucleus, occupied.shape)
    taken, distance = occupied[into], _depth(nucleus)[out_of] * nucleus.radius
    if not touching:
        # A gap of two pixels or more, so that outlines stay apart when blurred.
        return not taken[distance > -max(2.0, 0.15 * nucleus.radius)].any()
    inside = distance > 0
    # In contact: something taken lies within 1.5 pixels of the outline.
    return bool(taken[distance > -1.5].any() and taken[inside].sum() <= _LARGEST_OVERLAP * inside.sum())


def _overlap(nucleus: Nucleus, shape: tuple[int, ...]) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Return the nucleus's square clipped to the image, as slices into the image and into the square."""
    into, out_of = [], []
    for start, length in zip(nucleus.corner, shape, strict=True):
        first, last = max(start, 0), max(min(start + nucleus.side, length), max(start, 0))
        into.append(slice(first, last))
        out_of.append(slice(first - start, last - start))
    return (into[0], into[1]), (out_of[0], out_of[1])


def _depth(nucleus: Nucleus) -> NDArray[np.float32]:
    """Return the depth of each pixel of the nucleus's square: 1 at the centre, 0 on the outline, negative outside."""
    rng = np.random.default_rng(nucleus.seed)
    top, left = nucleus.corner
    y, x = np.ogrid[: nucleus.side, : nucleus.side]
    dy, dx = y + top - nucleus.y, x + left - nucleus.x
    # Stretched one way and narrowed the other by the same factor: the area stays.
    along = (dx * np.cos(nucleus.angle) + dy * np.sin(nucleus.angle)) / np.sqrt(nucleus.elongation)
    across = (dy * np.cos(nucleus.angle) - dx * np.sin(nucleus.angle)) * np.sqrt(nucleus.elongation)
    direction = np.arctan2(across, along)
    outline = np.ones_like(direction)
    # A few low harmonics make the outline irregular but smooth.
    for lobes in (2, 3, 4, 5):
        outline += rng.normal(0, 0.07) / lobes * np.cos(lobes * direction + rng.uniform(0, 2 * np.pi))
    return np.asarray(1 - np.hypot(along, across) / (max(nucleus.radius, 1e-6) * outline), np.float32)


def _appearance(nucleus: Nucleus, depth: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the light of one nucleus in its square: bright in the thick middle, grainy, with dark nucleoli."""
    rng = np.random.default_rng(nucleus.seed + 1)
    # The height of a ball above the slide: light adds up through it.
    thickness = np.sqrt(np.clip(1 - (1 - np.clip(depth, 0, 1)) ** 2, 0, 1))
    grain = sum(
        weight * _noise(depth.shape, max(nucleus.radius * scale, 0.6), rng)
        for weight, scale in ((0.13, 0.2), (0.11, 0.08))
    )
    light = (0.55 + 0.45 * thickness) * np.exp(grain)
    y, x = np.ogrid[: nucleus.side, : nucleus.side]
    for _ in range(rng.integers(0, 4)):
        distance, direction = rng.uniform(0, 0.6) * nucleus.radius, rng.uniform(0, 2 * np.pi)
        middle_y = nucleus.y - nucleus.corner[0] + distance * np.sin(direction)
        middle_x = nucleus.x - nucleus.corner[1] + distance * np.cos(direction)
        width = rng.uniform(0.1, 0.2) * nucleus.radius
        light = light * (1 - 0.3 * np.exp(-((y - middle_y) ** 2 + (x - middle_x) ** 2) / (2 * width**2)))
    # Pixels on the outline are partly covered, over half a pixel to either side.
    soft_edge = np.clip(depth * nucleus.radius + 0.5, 0, 1)
    return np.asarray(np.clip(nucleus.brightness * light * soft_edge, 0, 1), np.float32)


def _noise(shape: tuple[int, ...], width: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return smooth noise with a correlation width in pixels: mean 0, standard deviation 1."""
    structure = gaussian_filter(rng.standard_normal(shape, np.float32), width, mode="wrap")
    return np.asarray((structure - structure.mean()) / max(float(structure.std()), 1e-6), np.float32)
