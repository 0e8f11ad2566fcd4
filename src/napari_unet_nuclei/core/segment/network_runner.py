"""Run the network on one tile at a time; use smaller tiles, then the CPU, where memory runs short."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from napari_unet_nuclei.core.errors import DeviceMemoryError
from napari_unet_nuclei.core.image.plane import ImageKind
from napari_unet_nuclei.core.model.card import ModelCard
from napari_unet_nuclei.core.model.device import Device, choose_device, processor
from napari_unet_nuclei.core.model.file import Model
from napari_unet_nuclei.core.model.onnx_network import OnnxNetwork
from napari_unet_nuclei.core.progress import Notice, Progress
from napari_unet_nuclei.core.types import Image, Maps

SMALLEST_TILE = 128
"""Pixels; on the CPU nothing smaller is tried."""

ON_PROCESSOR = "The model '{name}' comes from elsewhere and runs on the processor, not on {device}."

_MEMORY_WORDS = ("out of memory", "allocate memory", "not enough memory", "defaultcpuallocator")
_FLIPS: tuple[tuple[int, ...], ...] = ((), (2,), (3,), (2, 3))


class TileTooLarge(Exception):
    """The device has no memory for a tile of this size; the runner has already stepped down."""


@dataclass
class NetworkRunner:
    """A network placed on a device, and the tile size that fits there.

    It steps down where memory runs short: half the tile, a quarter ..., then the CPU. The result is the same.

    Attributes
    ----------
    tile : int
        Largest side of a tile's inner part in pixels, now.
    flips : bool
        Average over the image and its three mirrored copies.
    notices : list of str
        Steps that were taken, in the user's words.
    placed : nn.Module or None
        The network as `place_network` has put it on the device, where that is done already.
    """

    model: Model
    device: Device
    tile: int
    flips: bool = False
    notices: list[str] = field(default_factory=list)
    placed: nn.Module | None = None

    def __post_init__(self) -> None:
        if isinstance(self.model.network, OnnxNetwork):
            if self.device.name != "cpu":
                self.notices.append(ON_PROCESSOR.format(name=self.card.name, device=self.device.name))
            self.device = processor("float32")
        self._first_tile = self.tile
        self._network = self.placed or place_network(self.model, self.device)

    @property
    def card(self) -> ModelCard:
        """The model's card."""
        return self.model.card

    def for_kind(self, kind: ImageKind) -> NetworkRunner:
        """Return a runner with the same network, and the card as it holds for images of a kind."""
        return replace(self, model=replace(self.model, card=self.card.for_kind(kind)), placed=self._network)

    def run(self, image: Image, progress: Progress) -> Maps:
        """Run a network for nuclei on one tile (C, Y, X), whose sides are multiples of the network's stride.

        Returns
        -------
        ndarray, shape (K, Y, X), float32
            Foreground, border and distance in 0 to 1, and log2 of the diameter over the model's, in the order of the
            card's heads.

        Raises
        ------
        TileTooLarge
            If the tile did not fit; plan again with `tile` and call again.
        DeviceMemoryError
            If not even the smallest tile fits on the CPU.
        """
        return np.asarray(self.run_batch(image[None], progress)[0])

    def run_batch(self, images: NDArray[np.float32], progress: Progress) -> NDArray[np.float32]:
        """Run a network for nuclei on tiles of one size (N, C, Y, X) at once; returns (N, K, Y, X), else as `run`."""
        return np.asarray(self._answer(images, self._activate, progress), np.float32)

    def classify(self, image: Image, progress: Progress) -> NDArray[np.uint8]:
        """Return the most probable class of every pixel of a tile, shape (Y, X); parameters and errors as for `run`."""
        answer = self._answer(image[None], lambda logits: logits.argmax(dim=1).to(torch.uint8), progress)
        return np.asarray(answer[0], np.uint8)

    def _answer(
        self, images: NDArray[np.float32], finish: Callable[[Tensor], Tensor], progress: Progress
    ) -> NDArray[np.generic]:
        """Run the network on a batch and finish its logits on the device, or step down where that has no memory."""
        try:
            with torch.inference_mode():
                batch = torch.from_numpy(images).to(self.device.name, self.device.precision)
                # Convolutions are faster with a pixel's channels side by side; activations are taken in float32, since
                # probabilities in 16 bits have steps that a threshold notices.
                logits = self._forward(batch.to(memory_format=torch.channels_last)).float()
                # Finished before it is copied: of classes one byte a pixel crosses the bus, not a number for each.
                answer: NDArray[np.generic] = finish(logits).cpu().numpy()
                return answer
        except (RuntimeError, MemoryError) as error:
            if not is_memory_shortage(error):
                raise
            self._step_down(progress)
        # Outside the handler: the error's traceback holds on to the tensors of the pass that failed.
        raise TileTooLarge

    def _forward(self, batch: Tensor) -> Tensor:
        if not self.flips:
            return self._network(batch)  # type: ignore[no-any-return]
        # One after the other: four in one batch would take four times the memory. A flip undoes itself.
        return torch.stack([self._network(batch.flip(axes)).flip(axes) for axes in _FLIPS]).float().mean(0)

    def _activate(self, logits: Tensor) -> Tensor:
        """Sigmoid for all heads but the size; networks from elsewhere give maps already."""
        if isinstance(self._network, OnnxNetwork):
            return logits
        heads = self.card.architecture.heads
        return torch.stack(
            [logits[:, k] if head == "size" else logits[:, k].sigmoid() for k, head in enumerate(heads)], dim=1
        )

    def _step_down(self, progress: Progress) -> None:
        """Halve the tiles, or move to the CPU where they are as small as they get; report which."""
        on_cpu = self.device.name == "cpu"
        if self.tile // 2 >= SMALLEST_TILE:
            self.tile //= 2
            step = f"Memory ran short on {self.device.name}: going on with tiles of {self.tile} px."
        elif not on_cpu:
            step = f"Memory ran short on {self.device.name} even with small tiles: going on with the CPU."
            # The CPU has other memory, and begins with the tile that was asked for.
            self.device, self.tile = choose_device("cpu"), self._first_tile
            self._network = place_network(self.model, self.device)
        else:
            raise DeviceMemoryError(
                f"There is not enough memory for tiles of {self.tile} px. Close other programs, or segment a region."
            )
        for graphics in (torch.cuda, torch.xpu):
            if graphics.is_available():
                # PyTorch keeps what it freed in pieces for the larger tile, which smaller ones cannot all use.
                graphics.empty_cache()
        self.notices.append(step)
        progress.report(Notice(step))


def place_network(model: Model, device: Device) -> nn.Module:
    """Copy a model's network to a device, ready to run; it has no state, so that threads can share it."""
    if isinstance(model.network, OnnxNetwork):
        return model.network
    # Of a copy: folding changes the weights, and the model may be saved or trained further.
    return device.place(copy.deepcopy(model.network).fold_normalisation())


def is_memory_shortage(error: Exception) -> bool:
    """Return True for a failed allocation."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    # On CPU and MPS it is a plain RuntimeError, which only its words tell from others.
    return any(words in str(error).lower() for words in _MEMORY_WORDS)
