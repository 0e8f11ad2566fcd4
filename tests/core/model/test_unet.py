from __future__ import annotations

import itertools

import pytest
import torch

from napari_unet_nuclei.core.model.architecture import Architecture
from napari_unet_nuclei.core.model.unet import limit_intensity
from tests.helpers.tiny import tiny_network

SHAPES = [
    Architecture(base_width=3, depth=depth, stem=stem, upsampling=upsampling, normalisation=normalisation)
    for depth, stem, upsampling, normalisation in [
        (1, "full", "nearest", "batch"),
        (2, "full", "transposed", "none"),
        (3, "full", "nearest", "none"),
        (1, "space-to-depth", "transposed", "batch"),
        (2, "space-to-depth", "nearest", "batch"),
        (3, "space-to-depth", "nearest", "none"),
    ]
]


def name(architecture: Architecture) -> str:
    return f"{architecture.stem}-{architecture.depth}-{architecture.upsampling}-{architecture.normalisation}"


def always_active(architecture: Architecture) -> torch.nn.Module:
    """All weights positive: no ReLU and no maximum hides an influence for long."""
    network = tiny_network(architecture)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.abs_().add_(0.01)
    return network


def seen_around(network: torch.nn.Module, architecture: Architecture, at: tuple[int, int], side: int) -> int:
    """How far from a pixel the gradient of its output reaches, in pixels, over several images."""
    farthest = 0
    for seed in range(3):
        generator = torch.Generator().manual_seed(seed)
        image = torch.rand(1, 1, side, side, generator=generator, dtype=torch.float64).requires_grad_()
        network(image)[0, :, at[0], at[1]].sum().backward()
        rows, columns = torch.nonzero(image.grad[0, 0], as_tuple=True)
        farthest = max(farthest, int((rows - at[0]).abs().max()), int((columns - at[1]).abs().max()))
    return farthest


@pytest.mark.parametrize("architecture", SHAPES, ids=name)
def test_the_gradient_reaches_no_farther_than_the_receptive_radius(architecture):
    network = always_active(architecture).double()
    radius, stride = architecture.receptive_radius, architecture.stride
    side = -(-(2 * radius + 3 * stride) // stride) * stride
    middle = side // 2 // stride * stride
    # Every position within a cell of the stride: what a pixel sees depends on where the poolings cut.
    reach = [
        seen_around(network, architecture, (middle + phase, middle + stride - 1 - phase), side)
        for phase in range(0, stride, max(stride // 8, 1))
    ]
    assert max(reach) <= radius
    assert max(reach) >= 0.9 * radius, "the bound is so loose that tiles read more than they need"


@pytest.mark.parametrize("architecture", SHAPES, ids=name)
def test_nothing_beyond_the_receptive_radius_changes_a_pixel(architecture):
    network = tiny_network(architecture).double()
    radius, stride = architecture.receptive_radius, architecture.stride
    side = -(-(2 * radius + 3 * stride) // stride) * stride
    middle = side // 2
    first, second = torch.randn(2, 1, 1, side, side, dtype=torch.float64) * 2
    near = slice(middle - radius, middle + radius + 1)
    second[..., near, near] = first[..., near, near]
    with torch.inference_mode():
        change = (network(first) - network(second)).abs()
    assert change[..., middle, middle].max() < 1e-12
    assert change.max() > 1e-3


@pytest.mark.parametrize("architecture", SHAPES, ids=name)
def test_folding_the_normalisation_changes_the_output_by_rounding_only(architecture):
    network = tiny_network(architecture)
    image = torch.randn(2, 1, 2 * architecture.stride, 3 * architecture.stride)
    with torch.inference_mode():
        before = network(image)
        after = network.fold_normalisation()(image)
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in network.modules())
    assert (before - after).abs().max() < 1e-5 * max(1.0, float(before.abs().max()))


def test_folding_while_training_is_our_own_mistake():
    with pytest.raises(AssertionError):
        tiny_network().train().fold_normalisation()


@pytest.mark.parametrize(("channels", "heads"), itertools.product((1, 3), (("foreground", "border", "distance"),)))
def test_the_output_has_a_map_per_head_at_full_resolution(channels, heads):
    architecture = Architecture(base_width=2, depth=2, in_channels=channels, heads=heads)
    with torch.inference_mode():
        assert tiny_network(architecture)(torch.zeros(2, channels, 16, 24)).shape == (2, 3, 16, 24)


def test_one_seed_gives_one_network():
    first, second, other = (tiny_network(seed=seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert not torch.equal(first["heads.weight"], other["heads.weight"])


def test_intensities_are_limited_smoothly_and_keep_their_order():
    x = torch.tensor([-100.0, -1.0, 0.0, 0.5, 1.0, 1.001, 10.0, 1e6, 3e38])
    limited = limit_intensity(x)
    assert torch.equal(limited[1:5], x[1:5])
    assert limited[0] == -1
    assert (limited[1:].diff() > 0).all()
    assert limited.isfinite().all()
    assert limited[-1] < 100


def test_the_gradient_of_limited_intensities_is_finite():
    x = torch.tensor([-5.0, 0.0, 1.0, 50.0], requires_grad=True)
    limit_intensity(x).sum().backward()
    assert x.grad.isfinite().all()
