"""Runs the program inside the test's process, and draws the images that its tests feed to it."""

from __future__ import annotations

from pathlib import Path

import imageio.v3 as iio
import numpy as np
from typer.testing import CliRunner, Result

from napari_unet_nuclei.cli import app
from tests.helpers.samples import fluorescent_nuclei


def run(*arguments: object) -> Result:
    """Run ``napari-unet-nuclei`` with these arguments; a bug in it fails the test with its own traceback."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def small_image(seed: int = 0, side: int = 96) -> np.ndarray:
    """A few synthetic nuclei: (Y, X) uint16."""
    return fluorescent_nuclei(seed, (side, side), diameter=24.0, count=6).image


def write_image(path: Path, seed: int = 0) -> Path:
    """Write a few synthetic nuclei as a PNG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    iio.imwrite(path, small_image(seed))
    return path
