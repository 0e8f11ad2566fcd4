"""Draw a movie that is hard to follow: nuclei that move fast, push each other, divide, and go out of focus."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from napari_unet_nuclei.core.image.pixel_size import PixelSize
from napari_unet_nuclei.core.samples.drawing import Nucleus, camera, draw, place_nuclei
from napari_unet_nuclei.core.samples.synthetic import SampleImage

_YOUNG, _RIPE = 4, 8
"""Frames for which sisters lie close together, and before which no nucleus divides again."""

_ROUNDED = 3
"""Frames for which a nucleus that will divide is round and bright."""

_PUSHES = 6
"""Rounds in which neighbours push each other apart, in every frame."""


@dataclass
class _Cell:
    """A nucleus that lives; ``until_division`` and ``hidden`` count down frames, the former is -1 before mitosis."""

    nucleus: Nucleus
    id: int
    velocity: NDArray[np.float64]
    radius: float
    age: int = 2 * _RIPE
    parent: int = 0
    until_division: int = -1
    hidden: int = 0


def dividing_nuclei(
    seed: int = 6,
    *,
    frames: int = 24,
    shape: tuple[int, int] = (320, 320),
    diameter: float = 26.0,
    count: int = 28,
    speed: float = 0.25,
    divisions: float = 0.015,
    gaps: float = 0.01,
) -> SampleImage:
    """Draw a movie of nuclei that move, touch, divide, and are now and then out of focus, with their true tracks.

    Parameters
    ----------
    seed : int
        Determines everything.
    frames : int
        Length of the movie.
    shape : tuple of int
        Rows and columns.
    diameter : float
        Median diameter, in pixels.
    count : int
        Number of nuclei in the first frame; fewer if no more fit.
    speed : float
        Typical step from frame to frame, in diameters.
    divisions, gaps : float
        Chance, per nucleus and frame, that it sets out to divide, and that it vanishes for one or two frames.

    Returns
    -------
    SampleImage
        Axes TYX, uint16. A nucleus keeps its id through gaps; daughters get new ids, and ``parents`` names their
        mothers.
    """
    rng = np.random.default_rng(seed)
    placed = place_nuclei(shape, diameter, count, rng, clumped=0.2)
    cells = [
        _Cell(nucleus, number, rng.normal(0, 0.7 * speed * diameter, 2), nucleus.radius)
        for number, nucleus in enumerate(placed, start=1)
    ]
    parents: dict[int, int] = {}
    highest, light, labels = len(cells), [], []
    for _ in range(frames):
        cells = [daughter for cell in cells for daughter in _divided(cell)]
        for cell in cells:
            if not cell.id:
                highest += 1
                cell.id, parents[highest] = highest, cell.parent
            _move(cell, speed * diameter, divisions, gaps, rng)
        _push_apart(cells, shape)
        shown = [replace(cell.nucleus, radius=0.0) if cell.hidden else cell.nucleus for cell in cells]
        drawn, numbered = draw(shown, shape)
        light.append(gaussian_filter(drawn, 1.0))
        labels.append(np.array([0, *(cell.id for cell in cells)], np.int32)[numbered])
    bleaching = np.exp(-0.01 * np.arange(frames))[:, None, None]
    image = camera(np.stack(light) * bleaching + 0.04, rng, photons=120)
    return SampleImage(
        "Dividing nuclei", image, np.stack(labels), "TYX", PixelSize(0.5, 0.5), parents=parents, minutes=5.0
    )


def _divided(cell: _Cell) -> list[_Cell]:
    """Return a cell that goes on, or its daughters, which have no ids as yet."""
    if cell.until_division != 0:
        return [cell]
    mother = cell.nucleus
    along = np.array([np.cos(mother.angle), -np.sin(mother.angle)])
    daughters = []
    for side in (-1, 1):
        aside = side * 0.75 * cell.radius * along
        nucleus = replace(
            mother,
            y=mother.y + aside[0],
            x=mother.x + aside[1],
            radius=0.68 * cell.radius,
            elongation=1.3,
            brightness=1.0,
            seed=mother.seed + 2 + side,
        )
        velocity = 0.5 * cell.velocity + 0.1 * aside
        daughters.append(_Cell(nucleus, 0, velocity, 0.8 * cell.radius, age=0, parent=cell.id))
    return daughters


def _move(cell: _Cell, speed: float, divisions: float, gaps: float, rng: np.random.Generator) -> None:
    """Let a cell age by a frame, and go on its way, which turns slowly."""
    nucleus = cell.nucleus
    cell.age, cell.hidden = cell.age + 1, max(cell.hidden - 1, 0)
    if cell.until_division > 0:
        cell.until_division -= 1
        # Chromatin condenses: small and bright just before the division.
        condensed = 0.8 if cell.until_division < 2 else 1.0
        nucleus = replace(nucleus, radius=condensed * cell.radius, brightness=1.0, elongation=1.1)
    elif cell.age > _RIPE and not cell.hidden and rng.random() < divisions:
        cell.until_division = _ROUNDED
    elif cell.age > _YOUNG and rng.random() < gaps:
        cell.hidden = int(rng.integers(1, 3))
    else:
        dimmed = max(0.95 * nucleus.brightness, 0.5) if cell.age < 12 else nucleus.brightness
        nucleus = replace(nucleus, radius=min(cell.radius, 1.03 * nucleus.radius), brightness=dimmed)
    cell.velocity = 0.9 * cell.velocity + rng.normal(0, 0.3 * speed, 2)
    slowed = 0.3 if cell.until_division >= 0 else 1.0
    dy, dx = slowed * (cell.velocity + rng.normal(0, 0.05 * speed, 2))
    cell.nucleus = replace(nucleus, y=nucleus.y + dy, x=nucleus.x + dx, angle=nucleus.angle + rng.normal(0, 0.05))


def _push_apart(cells: list[_Cell], shape: tuple[int, int]) -> None:
    """Let cells that overlap push each other, but sisters only softly; the rim of the picture turns them back."""
    place = np.array([[cell.nucleus.y, cell.nucleus.x] for cell in cells])
    radius = np.array([cell.nucleus.radius for cell in cells])
    young = np.array([cell.age < _YOUNG for cell in cells])
    mother = np.array([cell.parent or -cell.id for cell in cells])
    wanted = 0.98 * (radius[:, None] + radius)
    wanted *= np.where((mother[:, None] == mother) & young[:, None], 0.9, 1.0)
    for _ in range(_PUSHES):
        away = place[:, None] - place
        distance = np.hypot(away[..., 0], away[..., 1]) + np.eye(len(cells)) + 1e-6
        push = 0.3 * np.maximum(wanted - distance, 0) / distance
        np.fill_diagonal(push, 0)
        place += (push[..., None] * away).sum(axis=1)
    inside = np.clip(place, 0, np.array(shape) - 1)
    for cell, here, kept in zip(cells, place, inside, strict=True):
        cell.velocity = np.where(here == kept, cell.velocity, -cell.velocity)
        cell.nucleus = replace(cell.nucleus, y=float(kept[0]), x=float(kept[1]))
