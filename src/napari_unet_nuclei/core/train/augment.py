"""Augmentation: make every crop look as if taken with another microscope, with labels staying on their nuclei.

kornia draws and applies the augmentations; the five below are those it lacks. It accepts no random generator, so each
batch is augmented inside ``torch.random.fork_rng`` with its own seed: a seed repeats a run, and resuming needs no
random state.

There are two halves. Geometry moves labels too, from which targets are computed on the processor. Exposure changes
pixels alone, so a graphics card does it in passing.

Ranges and probabilities were set by judgement and not searched for; `benchmarks.cross_validation` measures what other
values do to average precision.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
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
"""Normalised intensities are clipped here before gamma, which needs a bounded range."""

SPOTS = 6
"""Most spots of debris in a crop; each is there with a probability of one half."""


EITHER_WARP = 0.6
"""Probability with which a warped crop is turned and sheared, and independently of that, deformed."""


class Turn(K.GeometricAugmentationBase2D):
    """One of the eight flips and quarter turns of a square; kornia's own interpolate, at five times the cost."""

    def __init__(self) -> None:
        super().__init__(p=1.0)

    def generate_parameters(self, shape: tuple[int, ...]) -> dict[str, Tensor]:
        """Draw the number of quarter turns of each crop, and whether it is flipped first."""
        return {"turns": torch.randint(4, (shape[0],)), "flips": torch.rand(shape[0]) < 0.5}

    def compute_transformation(self, input: Tensor, params: dict[str, Tensor], flags: Any) -> Tensor:
        """Return the identity: nothing here is interpolated by a matrix."""
        return identity_of(input)

    def apply_transform(self, input: Tensor, params: dict[str, Tensor], flags: Any, transform: Any = None) -> Tensor:
        """Flip and turn images."""
        turned = [
            torch.rot90(one.flip(-1) if flip else one, turns, (-2, -1))
            for one, turns, flip in zip(input, params["turns"].tolist(), params["flips"].tolist(), strict=True)
        ]
        return torch.stack(turned)

    def apply_transform_mask(
        self, input: Tensor, params: dict[str, Tensor], flags: Any, transform: Any = None
    ) -> Tensor:
        """Flip and turn label images alike."""
        return self.apply_transform(input, params, flags)


class PhotonNoise(K.IntensityAugmentationBase2D):
    """Photon noise: variance proportional to intensity, with 20 to 400 photons at intensity 1."""

    def generate_parameters(self, shape: tuple[int, ...]) -> dict[str, Tensor]:
        """Draw the number of photons at intensity 1 for each crop."""
        # exp(3) = 20 to exp(6) = 400, uniform in the logarithm.
        return {"photons": torch.exp(torch.empty(shape[0]).uniform_(3.0, 6.0))}

    def apply_transform(self, input: Tensor, params: dict[str, Tensor], flags: Any, transform: Any = None) -> Tensor:
        """Add photon noise, approximating the Poisson distribution by a normal one, which is ten times as fast."""
        photons = params["photons"].to(input).view(-1, 1, 1, 1)
        return (input + (input.clamp(min=0) / photons).sqrt() * torch.randn_like(input)).clamp(min=0)


class Debris(K.IntensityAugmentationBase2D):
    """Up to `SPOTS` bright, blurred, roundish spots of 2 to 14 px that are not nuclei."""

    def generate_parameters(self, shape: tuple[int, ...]) -> dict[str, Tensor]:
        """Draw position, radius and brightness of the spots of each crop."""
        spots = torch.rand(shape[0], SPOTS, 4)
        # Brightness 0 removes a spot; tensors of fixed shape serve the whole batch at once.
        spots[..., 3] *= torch.rand(shape[0], SPOTS) < 0.5
        return {"spots": spots}

    def apply_transform(self, input: Tensor, params: dict[str, Tensor], flags: Any, transform: Any = None) -> Tensor:
        """Add the spots."""
        y, x, radius, brightness = params["spots"].to(input).unbind(-1)
        height, width = input.shape[-2:]
        rows = torch.arange(height, device=input.device).view(1, 1, -1)
        columns = torch.arange(width, device=input.device).view(1, 1, -1)
        # Squared, so that small debris is more frequent than large.
        sigma = (0.7 + 3.5 * radius**2)[..., None]
        vertical = torch.exp(-(((rows - y[..., None] * height) / sigma) ** 2) / 2)
        horizontal = torch.exp(-(((columns - x[..., None] * width) / sigma) ** 2) / 2)
        # A Gaussian spot is separable, so all spots of a crop are one matrix product.
        spots = (2 * brightness[..., None] * vertical).transpose(1, 2) @ horizontal
        return input + spots[:, None]


class StainMixing(K.IntensityAugmentationBase2D):
    """Mix the channels at random, or average them to grey; grey pixels stay grey.

    For networks that read colours. Stained sections differ between laboratories more in colour than in shape (Tellez et
    al. 2019, *Medical Image Analysis* 58, 101544); mixing inverted colours approximates their perturbation of separated
    stains.
    """

    def __init__(self, strength: float, grey: float = 0.15, p: float = 0.7) -> None:
        super().__init__(p=p)
        self.strength, self.grey = strength, grey

    def generate_parameters(self, shape: tuple[int, ...]) -> dict[str, Tensor]:
        """Draw the mixing matrix (C, C) of each crop; its rows sum to 1."""
        count, colours = shape[:2]
        mixture = torch.eye(colours) + self.strength * torch.randn(count, colours, colours)
        # Spread over the colours what a row lacks to 1: equal channels then stay equal, hence grey stays grey.
        mixture = mixture + (1 - mixture.sum(dim=2, keepdim=True)) / colours
        is_grey = torch.rand(count, 1, 1) < self.grey
        return {"mixture": torch.where(is_grey, torch.full_like(mixture, 1 / colours), mixture)}

    def apply_transform(self, input: Tensor, params: dict[str, Tensor], flags: Any, transform: Any = None) -> Tensor:
        """Mix the channels of every pixel."""
        return torch.einsum("nij,njyx->niyx", params["mixture"].to(input), input).clamp(0, 1)


class Warp(K.GeometricAugmentationBase2D):
    """Rotation, shear and mild elastic deformation by one interpolation, of the crops that are warped alone.

    The deformation is interpolated from a coarse random field, which is far cheaper than blurring a dense one.
    """

    def __init__(self, degrees: float, shear: float, shift: float = 0.02, cells: int = 6, p: float = 0.5) -> None:
        super().__init__(p=p)
        self.degrees, self.shear, self.shift, self.cells = degrees, shear, shift, cells

    def generate_parameters(self, shape: tuple[int, ...]) -> dict[str, Tensor]:
        """Draw angles in radians, and displacements on the coarse grid in units of half the crop's side."""
        count = shape[0]
        angles = torch.empty(2, count).uniform_(-1, 1) * torch.tensor([[self.degrees], [self.shear]]) * (math.pi / 180)
        # Some crops are only turned, some only deformed, some both.
        turned, deformed = torch.rand(2, count) < EITHER_WARP
        # Displacements of 2 % of half the side: about 3 px in a crop of 256, less than the radius of a nucleus, so that
        # none folds onto itself.
        field = torch.randn(count, 2, self.cells, self.cells) * self.shift
        return {
            "rotation": angles[0] * turned,
            "shear": angles[1] * turned,
            "field": field * deformed.view(-1, 1, 1, 1),
        }

    def compute_transformation(self, input: Tensor, params: dict[str, Tensor], flags: Any) -> Tensor:
        """Return the identity: a deformation has no matrix."""
        return identity_of(input)

    def apply_transform(self, input: Tensor, params: dict[str, Tensor], flags: Any, transform: Any = None) -> Tensor:
        """Warp images with bilinear interpolation."""
        return self._warped(input, params, "bilinear")

    def apply_transform_mask(
        self, input: Tensor, params: dict[str, Tensor], flags: Any, transform: Any = None
    ) -> Tensor:
        """Warp label images with nearest neighbours, which creates no new ids."""
        return self._warped(input, params, "nearest")

    def _warped(self, input: Tensor, params: dict[str, Tensor], mode: str) -> Tensor:
        # kornia passes the whole batch, even if it chose none, and keeps the results of those that it chose.
        chosen = params["batch_prob"] > 0.5
        if not chosen.any():
            return input
        rotation, shear = params["rotation"][chosen], params["shear"][chosen]
        rows = torch.stack([rotation.cos(), shear.tan() - rotation.sin(), torch.zeros_like(rotation)], dim=1)
        columns = torch.stack([rotation.sin(), rotation.cos(), torch.zeros_like(rotation)], dim=1)
        matrices = torch.stack([rows, columns], dim=1)
        # `grid_sample` takes (x, y) in -1 to 1, hence displacements in units of half the side.
        grid = F.affine_grid(matrices, [len(matrices), *input.shape[1:]], align_corners=False)
        field = F.interpolate(params["field"][chosen], input.shape[-2:], mode="bicubic").permute(0, 2, 3, 1)
        result = input.clone()
        result[chosen] = F.grid_sample(input[chosen], grid + field, mode, padding_mode="zeros", align_corners=False)
        return result


@contextmanager
def seeded(seed: int, images: Tensor) -> Iterator[None]:
    """Seed PyTorch's generators, and leave those of the processor and of the images' device as they were afterwards."""
    device = images.device
    with torch.random.fork_rng([] if device.type == "cpu" else [device], device_type=device.type):
        torch.manual_seed(seed)
        yield


def identity_of(input: Tensor) -> Tensor:
    """Return a matrix (N, 3, 3) for kornia that leaves every image of a batch where it is."""
    return torch.eye(3, device=input.device, dtype=input.dtype).expand(input.shape[0], 3, 3)


class Augmentation:
    """The chain of augmentations for a batch of crops.

    ``strength`` is from 0, which leaves only flips and quarter turns, to 1, the full range; ``without`` names
    augmentations to omit because they would turn one class into another.
    """

    def __init__(self, strength: float = 1.0, without: tuple[type, ...] = ()) -> None:
        self.strength = strength
        self._without = without
        # Geometry applies to images and masks alike, exposure to images only, hence two chains.
        self._turn = K.AugmentationSequential(
            Turn(),
            *self._warps(),
            data_keys=["input", "mask"],
        )
        self._expose = K.AugmentationSequential(*self._exposures(), data_keys=["input"])

    def _warps(self) -> Sequence[Any]:
        s = self.strength
        if s == 0:
            return ()
        # No scaling: the scale of a crop is drawn before cutting, where pixels beyond its edge are still available.
        return (Warp(degrees=20 * s, shear=8 * s, p=0.5 * s),)

    def _exposures(self) -> Sequence[Any]:
        s = self.strength
        # In the order of light: specimen (stain, response, illumination, debris), optics (blur), detector (noise).
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
        """Augment a batch of crops of equal side; return images (N, C, S, S) and crops whose labels follow them.

        Equal seeds give equal batches.
        """
        images, warped = self.warp(crops, seed)
        return self.expose(images, seed), warped

    def warp(self, crops: Sequence[Crop], seed: int) -> tuple[Tensor, list[Crop]]:
        """Turn and deform a batch; return images (N, C, S, S) and crops whose labels follow them."""
        images = torch.from_numpy(np.stack([crop.image for crop in crops]))
        # Float because kornia warps floats; ids are exact up to 2^24, and interpolated by nearest neighbour.
        masks = torch.from_numpy(np.stack([(crop.labels, crop.reviewed) for crop in crops]).astype(np.float32))
        with seeded(seed, images):
            images, masks = self._turn(images, masks)
        warped = [
            replace(crop, labels=mask[0].astype(np.int32), reviewed=mask[1] > 0.5)
            for crop, mask in zip(crops, masks.numpy(), strict=True)
        ]
        return images, warped

    def expose(self, images: Tensor, seed: int) -> Tensor:
        """Photograph a batch (N, C, S, S) again, on the device that it is on."""
        # Not the draws of the geometry over again: what is turned must not always be blurred as well.
        with seeded(seed + 1, images):
            # kornia expects images from 0 to 1.
            images = self._expose(images.clamp(0, BRIGHTEST) / BRIGHTEST) * BRIGHTEST
            return self._camera(images)

    def _camera(self, images: Tensor) -> Tensor:
        """Apply gain, offset and read noise: nuclei may fill the range, exceed it, or barely rise above the noise."""
        s = self.strength
        shape = (images.shape[0], 1, 1, 1)

        def uniform(low: float, high: float) -> Tensor:
            return torch.empty(shape, device=images.device).uniform_(low, high)

        def happens(probability: float) -> Tensor:
            return torch.rand(shape, device=images.device) < probability

        # exp(-0.9) = 0.4 to exp(0.7) = 2: the percentiles that normalise a plane fall short of its nuclei, or beyond
        # them, depending on how much of it they cover.
        gain = torch.exp(uniform(-0.9, 0.7) * s)
        # Far above 1, as a single bright nucleus is in a plane that holds too few to move the upper percentile.
        lone = happens(0.1 * s)
        gain = torch.where(lone, gain * torch.exp(uniform(0, 2.5)), gain)
        offset = uniform(-0.15, 0.15) * s
        # Normalisation caps noise at 1 / NOISE_MULTIPLE of the range; a fifth more allows for its own error.
        noise = uniform(0, 1.2 / NOISE_MULTIPLE) * happens(0.4 * s)
        return images * gain + offset + noise * torch.randn_like(images)
