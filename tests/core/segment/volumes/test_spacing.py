"""How far planes are apart, and when what is said of it is doubted."""

from __future__ import annotations

import numpy as np
import pytest

from napari_unet_nuclei.core.errors import SettingsError
from napari_unet_nuclei.core.image.pixel_size import PixelSize
from napari_unet_nuclei.core.segment.volumes.spacing import Spacing, doubts, known_spacing
from napari_unet_nuclei.core.settings import SegmentSettings

SIZE = PixelSize(0.5, 0.5, 1.5)


def balls(spacing: float, count: int = 12) -> np.ndarray:
    """Round nuclei of 14 pixels in a stack whose planes are so many pixels apart."""
    z, y, x = np.ogrid[: round(20 / spacing) + 1, :20, : 16 * count]
    labels = np.zeros((z.size, y.size, x.size), np.int32)
    for number in range(count):
        inside = (spacing * z - 10) ** 2 + (y - 10) ** 2 + (x - 8 - 16 * number) ** 2 < 49
        labels[inside] = number + 1
    return labels


def test_the_user_comes_before_the_file():
    assert known_spacing(SegmentSettings(), SIZE) == Spacing(3.0, "file")
    assert known_spacing(SegmentSettings().changed(z_spacing=2), SIZE) == Spacing(4.0, "given")
    assert known_spacing(SegmentSettings().changed(z_spacing=2, z_spacing_unit="px"), PixelSize()) == Spacing(
        2, "given"
    )
    assert known_spacing(SegmentSettings(), PixelSize(0.5, 0.5)) is None
    assert known_spacing(SegmentSettings(), PixelSize(0, 0, 2.0)) is None
    with pytest.raises(SettingsError, match="no pixel size"):
        known_spacing(SegmentSettings().changed(z_spacing=2), PixelSize())


def test_a_guess_gives_no_lengths():
    assert Spacing(3.0, "file").micrometres(SIZE) == 1.5
    assert Spacing(3.0, "given").micrometres(PixelSize()) == 0.0
    assert Spacing(3.0, "estimated").micrometres(SIZE) == 0.0


@pytest.mark.parametrize("said", [0.7, 1.0, 1.4])
def test_a_spacing_that_fits_the_picture_is_not_doubted(said):
    assert doubts(Spacing(2 * said, "file"), balls(2), SIZE) == ()


@pytest.mark.parametrize(("said", "shape"), [(4.0, "tall"), (1.0, "flat")])
def test_one_that_contradicts_it_is_with_a_remedy(said, shape):
    [remedy] = doubts(Spacing(said, "file"), balls(2), SIZE)
    assert shape in remedy.problem
    assert remedy.settings["z_spacing_unit"] == "µm"
    assert remedy.settings["z_spacing"] == pytest.approx(1.0, rel=0.15)
    [remedy] = doubts(Spacing(said, "given"), balls(2), PixelSize())
    assert remedy.settings["z_spacing"] == pytest.approx(2.0, rel=0.15)


def test_few_nuclei_contradict_nothing_and_an_unknown_spacing_is_said():
    assert doubts(Spacing(4.0, "file"), balls(2, 9), SIZE) == ()
    [remedy] = doubts(Spacing(2.0, "unknown"), balls(2), SIZE)
    assert remedy.settings == {"planes": "joined"}
