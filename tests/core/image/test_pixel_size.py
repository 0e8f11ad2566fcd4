from __future__ import annotations

import pytest

from napari_unet_nuclei.core.image.pixel_size import PixelSize, micrometres


@pytest.mark.parametrize("unit", ["µm", "\u03bcm", "um", "micron", "Microns", "micrometer", "micrometres", r"\u00B5m"])
def test_every_spelling_of_the_micrometre(unit: str) -> None:
    assert micrometres(0.5, unit) == 0.5


@pytest.mark.parametrize(("length", "unit", "expected"), [(325, "nm", 0.325), (2, "mm", 2000), (1, "inch", 25400)])
def test_other_lengths_are_converted(length: float, unit: str, expected: float) -> None:
    assert micrometres(length, unit) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("length", "unit"), [(1, "pixel"), (1, ""), (-1, "µm"), (0, "µm"), ("nan", "µm"), ("wide", "µm"), (None, "µm")]
)
def test_what_is_no_length_is_unknown(length: object, unit: str) -> None:
    assert micrometres(length, unit) == 0.0


def test_a_size_is_known_with_both_axes_of_the_plane() -> None:
    assert PixelSize(0.5, 0.5).known
    assert not PixelSize(0.5, 0.0, 2.0).known
