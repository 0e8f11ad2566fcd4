"""Make every crop look as if it came from another microscope, without moving a label away from its nucleus.

kornia draws and applies everything; the four augmentations below are what it lacks. It takes no random generator
of its own, so a batch is augmented inside ``torch.random.fork_rng`` with a seed of its own: one seed repeats a run,
and resuming needs no random state.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import kornia.augmentation as K
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from napari_unet_nuclei.core.image.normalise import NOISE_MULTIPLE
from napari_unet_nuclei.core.train.samples import Crop

BRIGHTEST = 1.5
"""Normalised intensities above this are clipped before gamma, which needs a bounded range."""


class PhotonNoise(K.IntensityAugmentationBase2D):
    """Photon noise: variance proportional to intensity, at 20 to 400 photons for intensity 1."""

    def generate_parameters(self, shape: tuple[int, ...]) -> dict[str, Tensor]:
        """Draw the number of photons of each crop."""
        return {"photons": torch.exp(torch.empty(shape[0]).uniform_(3.0, 6.0))}

    def apply_transform(self, input: Tensor, params: dict[str, Tensor], flags: Any, transform: Any = None) -> Tensor:
        """Add noise as counted photons have it; a normal distribution, ten times as fast, is near enough to theirs."""
        photons = params["photons"].to(input).view(-1, 1, 1, 1)
        return (input + (input.clamp(min=0) / photons).sqrt() * torch.randn_like(input)).clamp(min=0)


class Debris(K.IntensityAugmentationBase2D):
    """One to six bright, blurred, roundish spots of 2 to 14 px, which are no nuclei."""

    def generate_parameters(self, shape: tuple[int, ...]) -> dict[str, Tensor]:
        """Draw position, radius and brightness of the spots of each crop."""
        count = 6
        spots = torch.rand(shape[0], count, 4)
        spots[..., 3] *= torch.rand(shape[0], count) < 0.5
        return {"spots": spots}

    def apply_transform(self, input: Tensor, params: dict[str, Tensor], flags: Any, transform: Any = None) -> Tensor:
        """Add the spots."""
        y, x, radius, brightness = params["spots"].to(input).unbind(-1)
        height, width = input.shape[-2:]
        rows = torch.arange(height, device=input.device).view(1, 1, -1)
        columns = torch.arange(width, device=input.device).view(1, 1, -1)
        sigma = (0.7 + 3.5 * radius**2)[..., None]
        vertical = torch.exp(-(((rows - y[..., None] * height) / sigma) ** 2) / 2)
        horizontal = torch.exp(-(((columns - x[..., None] * width) / sigma) ** 2) / 2)
        spots = (2 * brightness[..., None] * vertical).transpose(1, 2) @ horizontal
        return input + spots[:, None]


class StainMixing(K.IntensityAugmentationBase2D):
    """Other stains and cameras: every colour becomes a mixture of all, sometimes one grey; grey stays grey.

    Stained sections differ between laboratories more in colour than in shape (Tellez et al. 2019, *Medical Image
    Analysis* 58, 101544); mixing inverted colours stands in for their perturbation of the separated stains.
    """

    def __init__(self, strength: float, grey: float = 0.15, p: float = 0.7) -> None:
        super().__init__(p=p)
        self.strength, self.grey = strength, grey

    def generate_parameters(self, shape: tuple[int, ...]) -> dict[str, Tensor]:
        """Draw the mixture (C, C) of each crop; rows add up to 1."""
        count, colours = shape[:2]
        mixture = torch.eye(colours) + self.strength * torch.randn(count, colours, colours)
        mixture = mixture + (1 - mixture.sum(dim=2, keepdim=True)) / colours
        is_grey = torch.rand(count, 1, 1) < self.grey
        return {"mixture": torch.where(is_grey, torch.full_like(mixture, 1 / colours), mixture)}

    def apply_transform(self, input: Tensor, params: dict[str, Tensor], flags: Any, transform: Any = None) -> Tensor:
        """Mix the colours of every pixel."""
        return torch.einsum("nij,njyx->niyx", params["mixture"].to(input), input).clamp(0, 1)


class CoarseElastic(K.GeometricAugmentationBase2D):
    """Mild elastic deformation from a coarse random field, far cheaper than a dense one that is then blurred."""

    def __init__(self, cells: int = 6, shift: float = 0.02, p: float = 0.5) -> None:
        super().__init__(p=p)
        self.cells, self.shift = cells, shift

    def generate_parameters(self, shape: tuple[int, ...]) -> dict[str, Tensor]:
        """Draw the displacements at the coarse grid, in halves of the crop's side."""
        return {"field": torch.randn(shape[0], 2, self.cells, self.cells) * self.shift}

    def compute_transformation(self, input: Tensor, params: dict[str, Tensor], flags: Any) -> Tensor:
        """Return the identity: a deformation has no matrix."""
        return torch.eye(3, device=input.device, dtype=input.dtype).expand(input.shape[0], 3, 3)

    def apply_transform(self, input: Tensor, params: dict[str, Tensor], flags: Any, transform: Any = None) -> Tensor:
        """Deform images, interpolating."""
        return self._deform(input, params, "bilinear")

    def apply_transform_mask(
        self, input: Tensor, params: dict[str, Tensor], flags: Any, transform: Any = None
    ) -> Tensor:
        """Deform label images, creating no new ids."""
        return self._deform(input, params, "nearest")

    def _deform(self, input: Tensor, params: dict[str, Tensor], mode: str) -> Tensor:
        field = F.interpolate(params["field"].to(input), input.shape[-2:], mode="bicubic").permute(0, 2, 3, 1)
        identity = torch.eye(2, 3, device=input.device, dtype=input.dtype).expand(input.shape[0], 2, 3)
        grid = F.affine_grid(identity, list(input.shape), align_corners=False)
        return F.grid_sample(input, grid + field, mode=mode, padding_mode="zeros", align_corners=False)


class Augmentation:
    """The chain of augmentations for a batch of crops.

    Parameters
    ----------
    strength : float
        0 turns everything but flips and quarter turns off, 1 is the full range.
    without : tuple of type
        Kinds of augmentation to leave out, because they would turn one class into another.
    """

    def __init__(self, strength: float = 1.0, without: tuple[type, ...] = ()) -> None:
        self.strength = strength
        self._without = without
        self._turn = K.AugmentationSequential(
            K.RandomHorizontalFlip(p=0.5),
            K.RandomVerticalFlip(p=0.5),
            K.RandomRotation90((0, 3), p=1.0),
            *self._warps(),
            data_keys=["input", "mask"],
        )
        self._expose = K.AugmentationSequential(*self._exposures(), data_keys=["input"])

    def _warps(self) -> Sequence[Any]:
        s = self.strength
        if s == 0:
            return ()
        return (K.RandomAffine(degrees=20 * s, shear=(-8 * s, 8 * s), p=0.3 * s), CoarseElastic(p=0.3 * s))

    def _exposures(self) -> Sequence[Any]:
        s = self.strength
        exposures = (
            StainMixing(0.15 * s, p=0.7 * s),
            K.RandomGamma((1 - 0.4 * s, 1 + 0.7 * s), p=0.5 * s),
            K.RandomLinearIllumination(gain=(0.01, 0.01 + 0.3 * s), p=0.2 * s),
            Debris(p=0.1 * s),
            K.RandomGaussianBlur((7, 7), (0.3, 0.3 + 1.7 * s), p=0.3 * s),
            PhotonNoise(p=0.2 * s),
        )
        return [one for one in exposures if not isinstance(one, self._without)]

    def __call__(self, crops: Sequence[Crop], seed: int) -> tuple[Tensor, list[Crop]]:
        """Augment a batch.

        Parameters
        ----------
        crops : sequence of Crop
            All of the same side.
        seed : int
            The same crops and seed give the same batch.

        Returns
        -------
        images : Tensor, shape (N, C, S, S), float32
        crops : list of Crop
            With labels and reviewed region warped like the images.
        """
        images = torch.from_numpy(np.stack([crop.image for crop in crops]))
        masks = torch.from_numpy(np.stack([(crop.labels, crop.reviewed) for crop in crops]).astype(np.float32))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            images, masks = self._turn(images, masks)
            images = self._expose(images.clamp(0, BRIGHTEST) / BRIGHTEST) * BRIGHTEST
            images = self._camera(images)
        warped = [
            replace(crop, labels=mask[0].astype(np.int32), reviewed=mask[1] > 0.5)
            for crop, mask in zip(crops, masks.numpy(), strict=True)
        ]
        return images, warped

    def _camera(self, images: Tensor) -> Tensor:
        """Gain, offset and read noise: nuclei may fill the range, exceed it, or hardly rise above the noise."""
        s = self.strength
        shape = (images.shape[0], 1, 1, 1)
        gain = torch.exp(torch.empty(shape).uniform_(-0.9, 0.7) * s)
        lone = torch.rand(shape) < 0.1 * s  # as a bright nucleus in a plane whose percentiles hold no other
        gain = torch.where(lone, gain * torch.exp(torch.empty(shape).uniform_(0, 2.5)), gain)
        offset = torch.empty(shape).uniform_(-0.15, 0.15) * s
        noise = torch.empty(shape).uniform_(0, 1.2 / NOISE_MULTIPLE) * (torch.rand(shape) < 0.4 * s)
        return images * gain + offset + noise * torch.randn_like(images)
