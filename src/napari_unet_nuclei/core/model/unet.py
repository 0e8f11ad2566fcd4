"""The network: a U-Net (Ronneberger et al. 2015)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

if TYPE_CHECKING:  # this file goes into packages for other programs, which have no more of this one than it
    from napari_unet_nuclei.core.model.architecture import Architecture


class DoubleConvolution(nn.Module):
    """Two 3x3 convolutions, each normalised and rectified."""

    def __init__(self, in_channels: int, out_channels: int, architecture: Architecture) -> None:
        super().__init__()
        self.first = _Convolution(in_channels, out_channels, architecture)
        self.second = _Convolution(out_channels, out_channels, architecture)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C_in, Y, X) to (N, C_out, Y, X), without padding to (N, C_out, Y - 4, X - 4)."""
        result: Tensor = self.second(self.first(x))
        return result


class _Convolution(nn.Module):
    """3x3 convolution, optional batch norm, ReLU."""

    def __init__(self, in_channels: int, out_channels: int, architecture: Architecture) -> None:
        super().__init__()
        batch = architecture.normalisation == "batch"
        padding = 1 if architecture.padding == "same" else 0
        # Batch norm subtracts the mean, and any bias with it.
        self.convolution = nn.Conv2d(in_channels, out_channels, 3, padding=padding, bias=not batch)
        self.norm = nn.BatchNorm2d(out_channels) if batch else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        # In place, because these maps are the largest of the network.
        return F.relu(self.norm(self.convolution(x)), inplace=True)

    def fold(self) -> None:
        """Fold the batch norm into the convolution; the output changes only by rounding."""
        if isinstance(self.norm, nn.BatchNorm2d):
            self.convolution = fuse_conv_bn_eval(self.convolution, self.norm)
            self.norm = nn.Identity()


class UpSampling(nn.Module):
    """Doubles height and width, and matches the channels to the skip connection."""

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
        x = self.convolution(x)  # before upsampling: same result with a quarter of the work
        return x if self.transposed else F.interpolate(x, scale_factor=2.0, mode="nearest")


def limit_intensity(x: Tensor) -> Tensor:
    """Compress values above 1 logarithmically, and clip those below -1.

    A single bright nucleus in a large empty plane lies far above the plane's percentiles.
    """
    # Clamped within the logarithm too: where() differentiates both branches, and log of a negative number is NaN.
    return torch.where(x > 1, 1 + torch.log(x.clamp(min=1)), x.clamp(min=-1))


def centre(x: Tensor, shape: Sequence[int]) -> Tensor:
    """Crop (N, C, Y, X) centrally to the height and width ``shape``."""
    # Unpadded, a skip connection is wider than what comes up from below by the same rim on every side.
    top, left = ((have - want) // 2 for have, want in zip(x.shape[-2:], shape, strict=True))
    return x[..., top : top + shape[0], left : left + shape[1]]


def input_size(output: int, depth: int) -> int:
    """Side of the smallest input for which unpadded convolutions give at least ``output`` pixels.

    Examples
    --------
    >>> input_size(388, depth=4)
    572
    """
    size = output
    for _ in range(depth):
        size = -(-(size + 4) // 2)  # two convolutions of the decoder, then the up-sampling before them
    size += 4
    for _ in range(depth):
        size = 2 * size + 4  # the pooling, then two convolutions of the encoder
    return size


class UNet(nn.Module):
    """U-Net of a given architecture; the sides of inputs must be multiples of ``architecture.stride``.

    No normalisation looks beyond the receptive field, and all poolings are aligned to the stride: the output at a pixel
    depends only on the input within ``architecture.receptive_radius``, so that tiles leave no seams.
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = architecture
        depth, stem = architecture.depth, architecture.stem_stride
        widths = [architecture.width(level) for level in range(depth + 1)]
        inputs = [architecture.in_channels * stem**2, *widths]
        self.encoder = nn.ModuleList(
            DoubleConvolution(inputs[level], width, architecture) for level, width in enumerate(widths)
        )
        self.up = nn.ModuleList(
            UpSampling(widths[level + 1], widths[level], architecture.upsampling) for level in range(depth)
        )
        self.decoder = nn.ModuleList(
            DoubleConvolution(2 * widths[level], widths[level], architecture) for level in range(depth)
        )
        kernel = architecture.head_kernel
        self.heads = nn.Conv2d(widths[0], architecture.outputs * stem**2, kernel, padding=kernel // 2)

    def forward(self, x: Tensor) -> Tensor:
        """Map a normalised image (N, C, Y, X) to logits (N, K, Y, X), one channel per output in the card's order."""
        stem = self.architecture.stem_stride
        x = F.pixel_unshuffle(limit_intensity(x), stem)
        shape = x.shape[-2:]
        if self.architecture.padding == "none":
            x = self._mirrored(x)
        skips = []
        for level, block in enumerate(self.encoder):
            x = block(x if level == 0 else F.max_pool2d(x, 2))
            skips.append(x)
        skips.pop()  # the deepest level has no skip connection: it is what goes up
        for level in reversed(range(self.architecture.depth)):
            x = self.up[level](x)
            x = torch.cat((centre(skips.pop(), x.shape[-2:]), x), dim=1)
            x = self.decoder[level](x)
        return F.pixel_shuffle(self.heads(centre(x, shape)), stem)

    def _mirrored(self, x: Tensor) -> Tensor:
        """Add the rim that unpadded convolutions lose: mirrored, or repeated if the image is narrower than the rim."""
        sizes = x.shape[-2:]
        rows, columns = (input_size(size, self.architecture.depth) - size for size in sizes)
        rim = (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2)
        narrow = min(sizes[0] - rows // 2, sizes[1] - columns // 2) <= 0
        return F.pad(x, rim, mode="replicate" if narrow else "reflect")

    def fold_normalisation(self) -> UNet:
        """Fold every batch norm into its convolution in place, for inference; only in evaluation mode."""
        assert not self.training, "batch statistics can only be folded in evaluation mode"
        for module in self.modules():
            if isinstance(module, _Convolution):
                module.fold()
        return self
