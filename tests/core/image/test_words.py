"""How an image is understood, in words, and what else its axes could be."""

from __future__ import annotations

import numpy as np
import pytest

from napari_unet_nuclei.core.image.axes import ImageSource
from napari_unet_nuclei.core.image.pixel_size import PixelSize
from napari_unet_nuclei.core.image.words import axes_in_words, image_in_words, possible_axes


@pytest.mark.parametrize(
    ("axes", "shape", "names", "size", "words"),
    [
        ("ZCYX", (12, 3, 8, 9), ("DAPI", "GFP", "Cy5"), PixelSize(0.325, 0.325, 2.0),
         "3 channels: DAPI, GFP, Cy5 · 12 planes of 2 µm · 0.325 µm · 8 × 9 px"),
        ("TYXS", (5, 8, 9, 3), (), PixelSize(), "colour picture · 5 time points · pixel size unknown · 8 × 9 px"),
        ("TZYX", (1, 2, 8, 9), (), PixelSize(0.5, 0.25), "1 time point · 2 planes · 0.5 × 0.25 µm · 8 × 9 px"),
        ("CYX", (8, 8, 9), tuple("abcdefgh"), PixelSize(1, 1),
         "8 channels: a, b, c, d, e, f, … · 1 µm · 8 × 9 px"),
        ("YX", (8, 9), (), PixelSize(), "pixel size unknown · 8 × 9 px"),
    ],
)  # fmt: skip
def test_an_image_is_described_as_people_speak_of_it(axes, shape, names, size, words) -> None:
    assert image_in_words(ImageSource(np.broadcast_to(np.uint8(0), shape), axes, names), size) == words


@pytest.mark.parametrize(
    ("axes", "shape", "others"),
    [
        ("YX", (8, 9), ()),
        ("QYX", (5, 80, 90), ("TYX", "ZYX", "CYX")),
        ("ZYX", (80, 90, 4), ("TYX", "CYX", "YXC")),
        ("YXC", (80, 90, 4), ("YXT", "YXZ", "ZYX", "TYX", "CYX")),
        ("TZYX", (5, 4, 80, 90), ("TCYX", "ZTYX", "ZCYX", "CTYX", "CZYX")),
        ("QQQQYX", (2, 2, 2, 2, 8, 9), ()),
    ],
)
def test_other_meanings_of_axes_are_listed_and_fit_the_array(axes, shape, others) -> None:
    found = possible_axes(axes, shape)
    assert found == (axes, *others)
    for one in found:
        assert axes_in_words(one, shape)
        ImageSource(np.broadcast_to(np.uint8(0), shape), one)
