from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Layer

from napari_unet_nuclei.core.samples import synthetic
from napari_unet_nuclei.gui import sample_data
from napari_unet_nuclei.gui.sample_data import LayerData

SAMPLES = [
    sample_data.fluorescent_nuclei,
    sample_data.two_channels,
    sample_data.z_stack,
    sample_data.packed_tissue,
    sample_data.time_series,
    sample_data.dividing_nuclei,
    sample_data.stained_tissue,
    sample_data.immunohistochemistry,
]


@pytest.mark.parametrize("sample", SAMPLES)
def test_napari_makes_layers_of_every_sample(sample: Callable[[], list[LayerData]]) -> None:
    viewer = ViewerModel()
    for layer_data in sample():
        layer = viewer.add_layer(Layer.create(*layer_data))
        assert layer.data.shape == layer_data[0].shape
        assert [str(unit) for unit in layer.units[-2:]] == ["micrometer", "micrometer"]
        assert layer.axis_labels[-2:] == ("y", "x")
        assert layer.scale[-1] < 1


def test_channels_become_layers_with_their_names() -> None:
    layers = sample_data.two_channels()
    assert [arguments["name"] for _, arguments, _ in layers] == ["DAPI", "GFP"]
    assert np.array_equal(layers[1][0], synthetic.two_channels().image[1])


def test_planes_of_the_stack_are_as_far_apart_as_they_were_imaged() -> None:
    [(_, arguments, _)] = sample_data.z_stack()
    assert arguments["scale"] == pytest.approx((1.0, 0.33, 0.33))
    assert arguments["axis_labels"] == ("z", "y", "x")


def test_only_the_tissue_has_colours() -> None:
    assert sample_data.stained_tissue()[0][1]["rgb"]
    assert sample_data.immunohistochemistry()[0][1]["rgb"]
    assert not sample_data.time_series()[0][1]["rgb"]


def test_frames_of_a_movie_are_as_far_apart_as_they_were_taken() -> None:
    [(_, arguments, _)] = sample_data.dividing_nuclei()
    assert arguments["scale"] == pytest.approx((5.0, 0.5, 0.5))
    assert arguments["units"][0] == "minute"
