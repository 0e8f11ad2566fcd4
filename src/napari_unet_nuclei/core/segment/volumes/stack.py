"""Open a stack with one range of intensities, and bring it to a grid of cubes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from napari_unet_nuclei.core.image.normalise import SAMPLE_PIXELS, IntensityRange, intensity_range
from napari_unet_nuclei.core.image.plane import PlaneReader
from napari_unet_nuclei.core.image.resample import AxisResampling, resample
from napari_unet_nuclei.core.image.sample import PlaneSample, Scaling, signals_of
from napari_unet_nuclei.core.image.steps import FittedSteps, Steps
from napari_unet_nuclei.core.labels.decode_volume import WORKING_DIAMETER
from napari_unet_nuclei.core.progress import Advanced, Progress
from napari_unet_nuclei.core.types import Box

SAMPLED = 4 * SAMPLE_PIXELS
"""Pixels of a whole stack whose intensities are measured."""

ROWS = 64
"""Rows of the grid that are resampled along z at a time."""

Volume = NDArray[np.float16] | NDArray[np.float32]
"""Signals on a grid of cubes, axes (C, Z, Y, X): each signal once, though several inputs may read it. In 16 bits but
where a network wants other numbers than those from 0 to 1, which may be too large."""


def open_stack(known: PlaneReader, indices: Sequence[tuple[int, ...]], scaling: Scaling) -> tuple[PlaneReader, ...]:
    """Open planes to be read as one is known to be, with one range of intensities for all.

    With a range for each, noise in planes above and below the nuclei would be as bright as they are.
    """
    look = known.look
    every = max(-(-len(indices) * _pixels(known) // SAMPLED), 1)
    readers, pictures = [], []
    for index in indices:
        sample = PlaneSample(known.source, index, known.region)
        sampled = sample.of(look.channels)
        # Whole rows, because noise is told from neighbours within them; a copy, so that the others are let go.
        pictures.append(sampled.picture[:, ::every].copy())
        readers.append(replace(known, index=index, fill=sampled.fill, complete=sampled.complete))
    pooled = dict(zip(look.channels, np.concatenate(pictures, axis=1), strict=True))
    signals = signals_of(pooled, look)
    ranges: tuple[IntensityRange | FittedSteps, ...]
    if isinstance(scaling, Steps):
        ranges = scaling.fit(signals)
    else:
        ranges = tuple(intensity_range(one, scaling) for one in signals)
    return tuple(replace(reader, ranges=ranges) for reader in readers)


def _pixels(reader: PlaneReader) -> int:
    """Pixels of a plane that are sampled."""
    return min(reader.shape[0] * reader.shape[1], SAMPLE_PIXELS)


def open_stacks(
    known: PlaneReader,
    indices: Sequence[tuple[int, ...]],
    stacks: Sequence[Sequence[int]],
    scaling: Scaling,
) -> tuple[PlaneReader, ...]:
    """Open the planes of all stacks, each stack as `open_stack` does; ``stacks`` are places in ``indices``."""
    readers: dict[int, PlaneReader] = {}
    for stack in stacks:
        readers |= dict(zip(stack, open_stack(known, [indices[number] for number in stack], scaling), strict=True))
    return tuple(readers[number] for number in range(len(indices)))


@dataclass(frozen=True)
class WorkingGrid:
    """Resampling of a stack to cubes, the same number of them across every nucleus."""

    z: AxisResampling
    y: AxisResampling
    x: AxisResampling
    unit: float  # cubes per eighteenth of a nucleus diameter

    @staticmethod
    def of(shape: tuple[int, int, int], spacing: float, diameter: float, unit: float = 1.0) -> WorkingGrid:
        """Plan the grid of a stack (Z, Y, X).

        Parameters
        ----------
        spacing : float
            Distance of planes over that of pixels.
        diameter : float
            Of nuclei, in pixels.
        unit : float
            As in `WorkingGrid`.
        """
        scale = WORKING_DIAMETER * unit / diameter
        sizes = [max(round(size * step * scale), 1) for size, step in zip(shape, (spacing, 1.0, 1.0), strict=True)]
        z, y, x = (AxisResampling(*lengths) for lengths in zip(shape, sizes, strict=True))
        return WorkingGrid(z, y, x, unit)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(Z, Y, X) in cubes."""
        return self.z.new, self.y.new, self.x.new

    def read(self, readers: Sequence[PlaneReader], progress: Progress, box: Box = ()) -> Volume:
        """Read a stack, or a box of it in cubes; equal signals once, in the order of `signal_places`."""
        places = signal_places(readers[0])
        first = [places.index(place) for place in range(max(places) + 1)]
        z0, z1, y0, y1, x0, x1 = box or (0, self.z.new, 0, self.y.new, 0, self.x.new)
        # What these cubes are made of and no more: as in the whole stack, to the last bit.
        along, top = self.z.matrix(z0, z1)
        rows, upper = self.y.matrix(y0, y1)
        columns, left = self.x.matrix(x0, x1)
        region = (upper, upper + rows.shape[1], left, left + columns.shape[1])
        needed = readers[top : top + along.shape[1]]
        small = all(isinstance(one, IntensityRange) for one in readers[0].ranges)
        dtype = np.float16 if small else np.float32
        planes = np.empty((len(first), len(needed), y1 - y0, x1 - x0), dtype)
        for number, reader in enumerate(needed):
            progress.report(Advanced(number / len(needed), f"reading plane {top + number + 1} of {len(readers)}"))
            pixels = reader.read(region)
            for place, channel in enumerate(first):
                planes[place, number] = resample(pixels[channel], rows, columns)
        volume = np.empty((len(first), z1 - z0, y1 - y0, x1 - x0), dtype)
        for place, stack in enumerate(planes):
            for start in range(0, y1 - y0, ROWS):
                piece = stack[:, start : start + ROWS]
                lines = piece.reshape(len(piece), -1).astype(np.float32)
                volume[place, :, start : start + ROWS] = (along @ lines).reshape(-1, *piece.shape[1:])
        return volume


def signal_places(reader: PlaneReader) -> list[int]:
    """Where in a `Volume` each input of the network finds its signal."""
    distinct = list(dict.fromkeys(reader.look.signals))
    return [distinct.index(signal) for signal in reader.look.signals]
