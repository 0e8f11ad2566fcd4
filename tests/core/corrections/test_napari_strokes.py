"""What napari reports of its own painting is what the history takes over."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from napari.layers import Labels

from napari_unet_nuclei.core.corrections.history import Entry, History, Stroke


def paint_and_erase(layer: Labels) -> None:
    layer.brush_size = 5
    layer.paint((1, 10, 10), 3)
    with layer.block_history():
        layer.paint((1, 10, 14), 4)
        layer.paint((1, 10, 12), 0)
        layer.paint((1, 10, 11), 5)


def fill(layer: Labels) -> None:
    layer.fill((1, 0, 0), 6)


def polygon(layer: Labels) -> None:
    layer.paint_polygon([(1, 2, 2), (1, 2, 15), (1, 15, 8)], 7)


def through_planes(layer: Labels) -> None:
    layer.n_edit_dimensions = 3
    layer.brush_size = 5
    layer.paint((1, 10, 10), 8)


def single_pixels(layer: Labels) -> None:
    layer.data_setitem((np.array([0, 1]), np.array([3, 4]), np.array([5, 6])), [1, 2])
    layer.data_setitem((np.array([0, 2]), np.array([3, 4]), np.array([5, 6])), 9)


@pytest.mark.parametrize("ways", [[paint_and_erase], [fill, polygon], [through_planes, fill], [single_pixels, polygon]])
@pytest.mark.parametrize("dtype", [np.int32, np.uint8])
def test_strokes_are_undone_redone_and_followed(ways: list[Callable[[Labels], None]], dtype):
    layer = Labels(np.zeros((3, 20, 20), dtype))
    history, copies = History(), [layer.data.copy()]

    def take(event) -> None:
        taken = Stroke.of_paint(event.value, layer.data.shape)
        assert taken is not None
        history.push(Entry([taken], "Paint"))
        # napari reports single calls before it writes their pixels.
        copies.append(copies[-1].copy())
        taken.apply(copies[-1])

    layer.events.paint.connect(take)
    for way in ways:
        way(layer)
        assert np.array_equal(layer.data, copies[-1])
    assert len(copies) > len(ways)
    for copy in copies[-2::-1]:
        assert history.undo(layer.data) is not None
        assert np.array_equal(layer.data, copy)
    for copy in copies[1:]:
        assert history.redo(layer.data) is not None
        assert np.array_equal(layer.data, copy)
    layer.undo()
    assert history.follow(layer.data) == -1
    layer.redo()
    assert history.follow(layer.data) == 1
    assert history.follow(layer.data) == 0
