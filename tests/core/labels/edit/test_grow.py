"""A nucleus grows at a click from the image alone."""

from __future__ import annotations

import numpy as np
import pytest

from napari_unet_nuclei.core.errors import EditError
from napari_unet_nuclei.core.labels.edit.single import add_from_image, usual_diameter

RADIUS = 9.5


def picture(*places: tuple[int, int, float]) -> np.ndarray:
    """Noisy discs on a dark slope."""
    rows, columns = np.mgrid[:80, :100]
    image = 100 + 0.3 * columns + np.random.default_rng(0).normal(0, 4, rows.shape)
    for y, x, brightness in places:
        image += brightness * (np.hypot(rows - y, columns - x) < RADIUS)
    return image.astype(np.float32)


def disc(y: int, x: int) -> np.ndarray:
    rows, columns = np.mgrid[:80, :100]
    return np.hypot(rows - y, columns - x) < RADIUS


def grown(image: np.ndarray, point: tuple[float, float], labels: np.ndarray | None = None, **more: bool) -> np.ndarray:
    plane = np.zeros(image.shape, np.int32) if labels is None else labels
    edit = add_from_image(plane, point, image, 19.0, 7, **more)
    [change] = edit.patches
    mask = np.zeros(image.shape, bool)
    y0, y1, x0, x1 = change.region
    mask[y0:y1, x0:x1] = change.after == 7
    return mask


def iou(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.count_nonzero(one & other) / np.count_nonzero(one | other))


@pytest.mark.parametrize("is_dark", [False, True])
def test_a_faint_nucleus_beside_a_bright_one_is_outlined(is_dark: bool) -> None:
    image = picture((30, 30, 80), (30, 70, 400))
    mask = grown(400 - image if is_dark else image, (32, 27), is_dark=is_dark)
    assert iou(mask, disc(30, 30)) > 0.85


def test_a_labelled_neighbour_keeps_its_pixels() -> None:
    image = picture((30, 30, 200), (30, 48, 200))
    labels = disc(30, 30).astype(np.int32)
    mask = grown(image, (30, 50), labels)
    assert not (mask & (labels > 0)).any()
    assert iou(mask, disc(30, 48) & (labels == 0)) > 0.8


@pytest.mark.parametrize(("point", "message"), [((5, 90), "Nothing stands out"), ((30, 30), "already")])
def test_where_there_is_nothing_to_add_it_says_so(point: tuple[int, int], message: str) -> None:
    labels = disc(30, 30).astype(np.int32)
    with pytest.raises(EditError, match=message):
        add_from_image(labels, point, picture((30, 30, 100)), 19.0, 7)


def test_the_usual_diameter_is_that_of_the_nuclei() -> None:
    assert usual_diameter(disc(30, 30) * 5) == pytest.approx(2 * RADIUS, rel=0.03)
    assert usual_diameter(np.zeros((9, 9), np.int32)) == 22
