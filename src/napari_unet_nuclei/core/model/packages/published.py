"""The network as other programs build it, from plain values: maps in place of logits."""

from __future__ import annotations

import torch
from torch import Tensor

from napari_unet_nuclei.core.model.unet import UNet


class Design:
    """What the network asks of an architecture, from plain values."""

    def __init__(self, **values: object) -> None:
        self.__dict__.update(values)

    def __getattr__(self, name: str) -> object:
        raise AttributeError(f"the design lacks '{name}'")

    @property
    def stem_stride(self) -> int:
        """Factor by which the first level is coarser than the image."""
        return 2 if self.stem == "space-to-depth" else 1

    @property
    def outputs(self) -> int:
        """Number of output maps."""
        return sum(self.classes if head == "classes" else 1 for head in self.heads)  # type: ignore[attr-defined, misc]

    def width(self, level: int) -> int:
        """Channels of a level, 0 being the finest."""
        channels = self.base_width * self.growth**level  # type: ignore[operator]
        rounded = int(channels) if self.growth == 2 or level == 0 else 8 * round(channels / 8)
        return min(rounded, self.max_width)  # type: ignore[no-any-return, call-overload]


class PublishedUNet(UNet):
    """Gives probabilities of foreground, border or classes, the distance, and log2 of a diameter over the model's."""

    def __init__(self, **design: object) -> None:
        super().__init__(Design(**design))  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """Map a normalised image (N, C, Y, X) to maps (N, K, Y, X)."""
        logits = super().forward(x)
        heads = list(self.architecture.heads)
        if "classes" in heads:
            return logits.softmax(dim=1)
        maps = [logits[:, k] if head == "size" else logits[:, k].sigmoid() for k, head in enumerate(heads)]
        return torch.stack(maps, dim=1)
