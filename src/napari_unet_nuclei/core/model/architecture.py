"""What a network looks like: with the weights, that is the whole of it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from napari_unet_nuclei.core.classes.coding import MOST_CLASSES
from napari_unet_nuclei.core.model.part import Part

Head = Literal["foreground", "border", "distance", "size", "classes"]
INSTANCE_HEADS: tuple[Head, ...] = ("foreground", "border", "distance", "size")
DECODED_HEADS: tuple[Head, ...] = ("foreground", "border", "distance")
CLASS_HEADS: tuple[Head, ...] = ("classes",)


class Architecture(Part):
    """Architecture of a U-Net; with the weights, it is the complete network.

    The bounds keep a damaged or hostile card from requesting more memory than a model may use.
    """

    in_channels: int = Field(1, ge=1, le=64, description="Channels of the normalised input.")
    base_width: int = Field(24, ge=1, le=256, description="Channels of the first level.")
    growth: float = Field(
        2.0,
        ge=1,
        le=4,
        description="Factor of channels from level to level; unless it is 2, rounded to multiples of 8.",
    )
    max_width: int = Field(512, ge=1, le=2048, description="Most channels of a level.")
    depth: int = Field(3, ge=1, le=6, description="Number of poolings.")
    normalisation: Literal["batch", "none"] = Field(
        "batch", description="Normalisation after each convolution. Instance and group norm depend on the tile."
    )
    upsampling: Literal["nearest", "transposed"] = Field(
        "nearest", description="Nearest neighbour with a 1x1 convolution, or a 2x2 transposed convolution."
    )
    stem: Literal["full", "space-to-depth"] = Field(
        "space-to-depth",
        description="First level at full resolution, or at half resolution by space-to-depth with pixel-shuffle heads.",
    )
    padding: Literal["same", "none"] = Field(
        "same",
        description="3x3 convolutions keep height and width, or, as first published, lose their rim, which a mirrored "
        "input makes up for and by which skip connections are cropped.",
    )
    head_kernel: Literal[1, 3] = Field(3, description="Side of the last convolution.")
    heads: tuple[Head, ...] = Field(INSTANCE_HEADS, min_length=1, max_length=8, description="Output maps, in order.")
    classes: int = Field(
        0, ge=0, le=MOST_CLASSES, description="Maps of the head 'classes', one per class; 0 without that head."
    )

    @model_validator(mode="after")
    def _classes_fit_heads(self) -> Architecture:
        if ("classes" in self.heads) != (self.classes > 0) or self.classes == 1:
            raise ValueError("the head 'classes' needs two classes or more, and no other head has any")
        return self

    @property
    def outputs(self) -> int:
        """Number of output maps."""
        return sum(self.classes if head == "classes" else 1 for head in self.heads)

    @property
    def stem_stride(self) -> int:
        """Factor by which the first level is coarser than the image."""
        return 2 if self.stem == "space-to-depth" else 1

    @property
    def stride(self) -> int:
        """Total stride in pixels: input sides and tile origins must be multiples of it."""
        return int(self.stem_stride * 2**self.depth)

    def width(self, level: int) -> int:
        """Channels of a level, 0 being the finest."""
        channels = self.base_width * self.growth**level
        # Processors handle multiples of 8 channels best.
        return min(int(channels) if self.growth == 2 or level == 0 else 8 * round(channels / 8), self.max_width)

    @property
    def receptive_radius(self) -> int:
        """Largest distance, in pixels, from an output pixel to an input pixel that it depends on.

        Traces the interval of pixels that an output depends on backwards through the network, for every position of
        the output relative to the poolings.
        """
        return max(self._reach(position) for position in range(self.stride))

    def _reach(self, position: int) -> int:
        """Distance from an output pixel to the farthest input pixel that it depends on, along the deepest path."""
        # On the grid of the first level.
        low = high = position // self.stem_stride
        low, high = low - 1, high + 1  # the heads
        for _ in range(self.depth):
            low, high = (low - 2) // 2, (high + 2) // 2  # two convolutions, then the up-sampling before them
        low, high = low - 2, high + 2
        for _ in range(self.depth):
            low, high = 2 * low - 2, 2 * high + 1 + 2  # the pooling, then two convolutions
        # Back to the image's own pixels: a pixel of the first level holds several.
        low, high = low * self.stem_stride, (high + 1) * self.stem_stride - 1
        return max(position - low, high - position)


CLASSIC = Architecture(
    base_width=64,
    max_width=1024,
    depth=4,
    normalisation="none",
    upsampling="transposed",
    stem="full",
    padding="none",
    head_kernel=1,
)
"""The network of Ronneberger, Fischer and Brox 2015 (*U-Net*, MICCAI, Lecture Notes in Computer Science 9351, 234-241):
23 convolutional layers, unpadded."""

ARCHITECTURES: dict[str, Architecture] = {"compact": Architecture(), "classic": CLASSIC}
"""Architectures by name."""
