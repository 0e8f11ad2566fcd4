from __future__ import annotations

import pytest
import torch

from napari_unet_nuclei.core.errors import ModelFileError
from napari_unet_nuclei.core.model.architecture import Architecture
from napari_unet_nuclei.core.model.card import ModelCard
from napari_unet_nuclei.core.model.file import Model, start_from
from napari_unet_nuclei.core.model.unet import UNet

GREY = Architecture(base_width=4, depth=2)
COLOUR = GREY.model_copy(update={"in_channels": 3})


def model(architecture: Architecture) -> Model:
    torch.manual_seed(0)
    return Model(ModelCard(name="base", architecture=architecture), UNet(architecture).eval())


@pytest.mark.parametrize("stem", ["full", "space-to-depth"])
@pytest.mark.parametrize(("own", "wanted"), [(1, 3), (2, 3), (2, 1), (3, 3)])
def test_a_grey_picture_in_any_channels_gives_what_it_gives_in_those_of_the_base(stem, own, wanted):
    base = model(GREY.model_copy(update={"stem": stem, "in_channels": own}))
    network = start_from(base, GREY.model_copy(update={"stem": stem, "in_channels": wanted}))
    image = torch.rand(1, 1, 32, 48)
    with torch.inference_mode():
        found, expected = (
            one(image.expand(1, count, 32, 48)) for one, count in ((network, wanted), (base.network, own))
        )
    torch.testing.assert_close(found, expected)


def test_the_base_stays_as_it_is():
    base = model(COLOUR)
    network = start_from(base, COLOUR)
    with torch.no_grad():
        for value in network.parameters():
            value.zero_()
    assert all(value.abs().sum() > 0 for value in base.network.encoder.parameters() if value.ndim > 1)


@pytest.mark.parametrize(
    "shape", [GREY, Architecture(base_width=4, depth=2, stem="full", normalisation="none", upsampling="transposed")]
)
def test_a_network_one_level_deeper_gives_what_its_base_gives_until_it_is_trained(shape):
    base = model(shape)
    network = start_from(base, shape.model_copy(update={"depth": 3}))
    image = torch.rand(2, 1, 64, 48)
    with torch.inference_mode():
        torch.testing.assert_close(network(image), base.network(image))
    # What comes up from the new level has an influence as soon as it is trained.
    network(image).sum().backward()
    above = network.decoder[2].first.convolution.weight.grad[:, shape.width(2) :]
    assert above.abs().sum() > 0


def test_batch_statistics_leave_most_of_what_the_levels_above_found():
    """In training, batch norm uses the statistics of the batch; what passes through it must hardly change."""
    base = model(GREY)
    deeper = start_from(base, GREY.model_copy(update={"depth": 3}))
    images = torch.rand(8, 1, 64, 64)
    with torch.no_grad():
        found, expected = deeper.train()(images), base.network.train()(images)
    assert torch.corrcoef(torch.stack([found.ravel(), expected.ravel()]))[0, 1] > 0.999


@pytest.mark.parametrize("changed", [{"depth": 1}, {"depth": 4}, {"base_width": 8}, {"depth": 3, "base_width": 8}])
def test_a_network_of_another_shape_is_refused(changed):
    with pytest.raises(ModelFileError, match="differs in architecture"):
        start_from(model(COLOUR), COLOUR.model_copy(update=changed))
