"""The network: a U-Net (Ronneberger et al. 2015) whose whole definition fits on two screens."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from napari_unet_nuclei.core.model.card import Architecture


class DoubleConvolution(nn.Module):
    """Two 3x3 convolutions, each normalised and rectified; keeps height and width."""

    def __init__(self, in_channels: int, out_channels: int, normalisation: str) -> None:
        super().__init__()
        self.first = _Convolution(in_channels, out_channels, normalisation)
        self.second = _Convolution(out_channels, out_channels, normalisation)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C_in, Y, X) to (N, C_out, Y, X)."""
        result: Tensor = self.second(self.first(x))
        return result


class _Convolution(nn.Module):
    """3x3 convolution, optional batch norm, ReLU."""

    def __init__(self, in_channels: int, out_channels: int, normalisation: str) -> None:
        super().__init__()
        batch = normalisation == "batch"
        self.convolution = nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=not batch)
        self.norm = nn.BatchNorm2d(out_channels) if batch else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.norm(self.convolution(x)), inplace=True)

    def fold(self) -> None:
        """Put the batch norm into the convolution; changes the output by rounding only."""
        if isinstance(self.norm, nn.BatchNorm2d):
            self.convolution = fuse_conv_bn_eval(self.convolution, self.norm)
            self.norm = nn.Identity()


class UpSampling(nn.Module):
    """Doubles height and width and brings the channels to those of the skip connection."""

    def __init__(self, in_channels: int, out_channels: int, upsampling: str) -> None:
        super().__init__()
        self.transposed = upsampling == "transposed"
        self.convolution: nn.Module
        if self.transposed:
            self.convolution = nn.ConvTranspose2d(in_channels, out_channels, 2, stride=2)
        else:
            self.convolution = nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C_in, Y, X) to (N, C_out, 2Y, 2X)."""
        x = self.convolution(x)  # before the up-sampling: a quarter of the work for the same result
        return x if self.transposed else F.interpolate(x, scale_factor=2.0, mode="nearest")


def limit_intensity(x: Tensor) -> Tensor:
    """Compress what is far outside the normalised range, keeping order: above 1 logarithmically, below -1 not at all.

    A lone bright nucleus in a large empty plane lies far above the plane's percentiles.
    """
    return torch.where(x > 1, 1 + torch.log(x.clamp(min=1)), x.clamp(min=-1))


class UNet(nn.Module):
    """U-Net of a given architecture; the input's sides are multiples of ``architecture.stride``.

    Without normalisation that looks beyond the receptive field and with all poolings aligned to the stride, the
    output at a pixel depends on nothing but the input within ``architecture.receptive_radius``, so an image may be
    cut into tiles without a trace.

    Parameters
    ----------
    architecture : Architecture
        Channels, widths, depth, stem and heads.
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = architecture
        norm, depth = architecture.normalisation, architecture.depth
        widths = [architecture.width(level) for level in range(depth + 1)]
        stem = architecture.stem_stride
        self.encoder = nn.ModuleList(
            DoubleConvolution(architecture.in_channels * stem**2 if level == 0 else widths[level - 1], width, norm)
            for level, width in enumerate(widths)
        )
        self.up = nn.ModuleList(
            UpSampling(widths[level + 1], widths[level], architecture.upsampling) for level in range(depth)
        )
        self.decoder = nn.ModuleList(
            DoubleConvolution(2 * widths[level], widths[level], norm) for level in range(depth)
        )
        self.heads = nn.Conv2d(widths[0], len(architecture.heads) * stem**2, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Map a normalised image (N, C, Y, X) to logits (N, K, Y, X), one channel per head in the card's order."""
        stem = self.architecture.stem_stride
        x = F.pixel_unshuffle(limit_intensity(x), stem)
        skips = []
        for level, block in enumerate(self.encoder):
            x = block(x if level == 0 else F.max_pool2d(x, 2))
            skips.append(x)
        skips.pop()
        for level in reversed(range(self.architecture.depth)):
            x = torch.cat((skips.pop(), self.up[level](x)), dim=1)
            x = self.decoder[level](x)
        return F.pixel_shuffle(self.heads(x), stem)

    def fold_normalisation(self) -> UNet:
        """Fold every batch norm into its convolution, in place; for inference, in evaluation mode only."""
        assert not self.training, "batch statistics can only be folded in evaluation mode"
        for module in self.modules():
            if isinstance(module, _Convolution):
                module.fold()
        return self
