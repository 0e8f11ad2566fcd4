from __future__ import annotations

import numpy as np

from napari_unet_nuclei.core.image.picture import for_screen


def test_black_corners_leave_the_contrast_of_an_overlay_alone():
    image = np.random.default_rng(0).normal(1000, 20, (60, 80)).astype(np.uint16)
    whole = for_screen(image)
    image[:25] = 0
    assert np.abs(for_screen(image)[25:].astype(int) - whole[25:]).max() < 30


def test_masks_are_shown_black_and_white():
    mask = np.eye(20, dtype=bool)
    assert np.array_equal(for_screen(mask)[..., 0], mask * np.uint8(255))
    assert np.array_equal(for_screen(np.dstack([mask] * 3)), np.dstack([mask * np.uint8(255)] * 3))
