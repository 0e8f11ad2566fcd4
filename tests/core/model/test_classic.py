"""The network as Ronneberger et al. published it in 2015."""

import pytest
import torch
from torch import nn

from napari_unet_nuclei.core.model.architecture import CLASSIC, Architecture
from napari_unet_nuclei.core.model.unet import UNet, input_size

SMALL = CLASSIC.model_copy(update={"base_width": 2})


def test_the_classic_network_has_23_convolutional_layers():
    with torch.device("meta"):
        layers = [module for module in UNet(CLASSIC).modules() if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d))]
    kinds = [(type(layer).__name__, layer.kernel_size[0]) for layer in layers]
    assert len(layers) == 23
    assert kinds.count(("Conv2d", 3)) == 18
    assert kinds.count(("ConvTranspose2d", 2)) == 4
    assert kinds.count(("Conv2d", 1)) == 1


def test_channels_double_from_64_to_1024_and_there_is_one_output_per_class():
    with torch.device("meta"):
        network = UNet(CLASSIC)
    assert [block.second.convolution.out_channels for block in network.encoder] == [64, 128, 256, 512, 1024]
    assert network.heads.out_channels == len(CLASSIC.heads)


def test_572_pixels_become_388_without_padding():
    assert input_size(388, depth=4) == 572


def test_unpadded_convolutions_lose_their_rim_and_skip_connections_are_cropped():
    network = UNet(SMALL)
    seen = {}
    network.encoder[0].register_forward_hook(lambda _, inputs, output: seen.update(enter=inputs[0], skip=output))
    network.decoder[0].register_forward_hook(lambda _, inputs, output: seen.update(joined=inputs[0], leave=output))
    with torch.inference_mode():
        output = network(torch.rand(1, 1, 384, 384))
    assert seen["enter"].shape[-1] == 572
    assert seen["skip"].shape[-1] == 568
    assert seen["joined"].shape[-1] == 392
    assert seen["leave"].shape[-1] == 388
    assert output.shape == (1, 4, 384, 384)


@pytest.mark.parametrize("padding", ["same", "none"])
def test_output_is_as_large_as_the_input(padding):
    architecture: Architecture = SMALL.model_copy(update={"padding": padding})
    with torch.inference_mode():
        assert UNet(architecture)(torch.rand(1, 1, 48, 160)).shape == (1, 4, 48, 160)


def test_a_tile_with_its_halo_gives_what_the_whole_image_gives():
    torch.manual_seed(0)
    network = UNet(SMALL).eval()
    image = torch.rand(1, 1, 32, 480)
    halo = -(-SMALL.receptive_radius // 16) * 16
    with torch.inference_mode():
        whole, tile = network(image), network(image[..., 160 - halo : 240 + halo])
    assert torch.allclose(whole[..., 160:240], tile[..., halo : halo + 80], atol=1e-5)
