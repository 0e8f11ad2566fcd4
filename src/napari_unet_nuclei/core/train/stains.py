"""Stain augmentation: re-render crops of stained tissue with other stains, scanners and section thicknesses.

Laboratories differ more in the colour and amount of their stains than in the shape of nuclei, and a network trained on
one laboratory fails on the next (Tellez et al. 2019, *Medical Image Analysis* 58, 101544). A crop is therefore unmixed
into stains, their amounts and colours are varied, and the picture is recombined, "scanned" again, and converted to the
network's inputs by the same code that segments. Immunohistochemistry, absent from the training data, is simulated from
H&E: eosin fades, and DAB is added to nuclei, membranes or cytoplasm.

The spreads and shares below follow the literature named beside them, or were set by judgement where none is named.
`benchmarks.accuracy` measures what a model trained with other values gains.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import imageio.v3 as iio
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_unet_nuclei.core.image.kind import InputName, stained_signals
from napari_unet_nuclei.core.image.normalise import intensity_range
from napari_unet_nuclei.core.image.stain import DARKEST, STAIN_VECTORS
from napari_unet_nuclei.core.types import Image, Labels, Mask

VECTOR_SPREAD = 0.07
"""Standard deviation of each component of the stain vectors, the spread of published haematoxylin vectors: Ruifrok and
Johnston (0.65, 0.70, 0.29), Macenko et al. (0.56, 0.72, 0.41), QuPath's default (0.65, 0.70, 0.29), scanners' own
calibrations (0.55 to 0.83, 0.54 to 0.75, 0.06 to 0.45)."""

AMOUNT_SPREAD = 0.3
"""Standard deviation of the logarithm of a stain's amount."""

THICKNESS_SPREAD = 0.2
"""Standard deviation of the logarithm of the section thickness, common to all stains."""

GAMMA_SPREAD = 0.12
"""Standard deviation of the logarithm of the scanner's gamma."""

WHITE_RANGE = (0.85, 1.0)
"""White point of the scanner's red, green and blue: lamps and white balances differ."""

IHC_SHARE = 0.2
"""Share of crops turned into immunohistochemistry. 0.5 cost 0.01 of AP on H&E (see docs/models.md)."""

JPEG_SHARE, JPEG_QUALITIES = 0.3, (30, 95)
"""Share of crops compressed as JPEG, and the range of qualities."""

ALONE_SHARE = 0.15
"""Share of crops whose inputs all show haematoxylin, as the engine may read pictures with DAB round nuclei."""

DAB_AMOUNTS = (0.25, 1.3)
"""Peak optical density of DAB, from faint to black-brown."""

DAB_PLACES = {"nuclei": 0.6, "membranes": 0.25, "tissue": 0.15}
"""Probability of each place that DAB stains."""

ROWS = 16
"""Rows sampled from the whole picture to estimate its intensity range, from which crops are normalised."""


@dataclass(frozen=True)
class StainVariation:
    """How to vary the stains of crops, and convert them to network inputs."""

    inputs: tuple[InputName, ...]
    percentiles: tuple[float, float]  # of each input, mapped to 0 and 1
    strength: float  # 0 (none) to 1


@dataclass(frozen=True)
class Scan:
    """How one laboratory stains and scans."""

    vectors: NDArray[np.float32]  # (3, 3), float32: optical densities in red, green and blue, one row per stain
    amounts: NDArray[np.float32]  # (3,), float32, factor on each stain
    white: NDArray[np.float32]  # (3,), float32, transmitted light of the background
    gamma: float

    @staticmethod
    def draw(strength: float, ihc: bool, rng: np.random.Generator) -> Scan:
        """Draw a laboratory at random; strength 0 leaves pictures unchanged."""
        # No stain is perfectly transparent in a colour; a negative density would brighten the picture.
        vectors = np.clip(STAIN_VECTORS + strength * rng.normal(0, VECTOR_SPREAD, (3, 3)), 0.01, None)
        # Keep the length of each vector: the amount of a stain varies below, on its own.
        vectors *= np.linalg.norm(STAIN_VECTORS, axis=1, keepdims=True) / np.linalg.norm(vectors, axis=1, keepdims=True)
        # One draw per stain, and one thickness for all three: a thicker section holds more of every stain.
        amounts = np.exp(strength * rng.normal(0, AMOUNT_SPREAD, 3) + strength * rng.normal(0, THICKNESS_SPREAD))
        if ihc:  # eosin and the residual in DAB's row fade; real DAB is added by `show`
            amounts[1:] *= rng.uniform(0, 0.4)
        white = 1 - strength * (1 - rng.uniform(*WHITE_RANGE, 3))
        gamma = float(np.exp(strength * rng.normal(0, GAMMA_SPREAD)))
        return Scan(vectors.astype(np.float32), amounts.astype(np.float32), white.astype(np.float32), gamma)

    def show(self, shares: NDArray[np.float32], dab: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
        """Re-render a picture (3, Y, X) of transmitted light, 0 to 1, with the density ``dab`` (Y, X) added."""
        # Beer-Lambert: stains add up in optical density, not in light. Unmixed with the average vectors, since those of
        # the actual slide are unknown; mixed again below with those of another laboratory.
        densities = -np.log10(np.maximum(shares, np.float32(DARKEST)))
        unmixed = np.einsum("cs,cyx->syx", np.linalg.inv(STAIN_VECTORS).astype(np.float32), densities)
        unmixed *= self.amounts[:, None, None]
        if dab is not None:
            unmixed[2] += dab
        mixed = np.einsum("sc,syx->cyx", self.vectors, unmixed)
        seen = self.white[:, None, None] * np.power(np.float32(10), -mixed)
        # Negative amounts, from colours outside the three stains, come out brighter than white.
        return np.asarray(np.clip(seen, 0, 1) ** np.float32(self.gamma), np.float32)


def restained(
    picture: NDArray[np.float32],
    labels: Labels,
    rows: NDArray[np.float32],
    variation: StainVariation,
    rng: np.random.Generator,
) -> Image:
    """Re-render a crop as another laboratory would show it, and return the network inputs.

    The ``picture`` (3, S, S) of the crop and ``rows`` (3, R, X), sampled from the whole picture, are transmitted light,
    0 to 1; ``labels`` (S, S) confine DAB to nuclei. The result (C, S, S), float32, is normalised as for segmenting.
    """
    strength, signals = variation.strength, stained_signals(variation.inputs, (0, 1, 2))
    ihc = rng.random() < strength * IHC_SHARE
    scan = Scan.draw(strength, ihc, rng)
    dab = draw_dab(picture, labels, rng) if ihc else None
    shown = scan.show(picture, dab)
    if rng.random() < strength * JPEG_SHARE:
        # Before unmixing, as in a file: chroma subsampling blurs colours, and so mixes the stains of neighbours.
        shown = compressed(shown, int(rng.integers(*JPEG_QUALITIES)))
    # DAB was drawn for the crop only, so the crop has to stand for the whole picture.
    whole = shown if ihc else scan.show(rows)
    if rng.random() < ALONE_SHARE:
        signals = (signals[0],) * len(signals)
    result = np.empty((len(signals), *labels.shape), np.float32)
    for target, signal in zip(result, signals, strict=True):
        # The range is that of the whole picture, as when segmenting: normalising the crop by itself would stretch a
        # crop of pale background to full contrast.
        found = intensity_range(signal.of(list(whole), 1.0), variation.percentiles)
        target[...] = found.normalise(signal.of(list(shown), 1.0))
    return result


def draw_dab(picture: NDArray[np.float32], labels: Labels, rng: np.random.Generator) -> NDArray[np.float32]:
    """Draw optical densities of DAB (Y, X) in some nuclei, their membranes, or the surrounding tissue."""
    amount = np.exp(rng.uniform(*np.log(DAB_AMOUNTS)))
    place = rng.choice(list(DAB_PLACES), p=list(DAB_PLACES.values()))
    count = int(labels.max(initial=0)) + 1
    # A marker such as Ki-67 is in a few nuclei of one tissue and in nearly all of another.
    chosen = rng.random(count) < rng.uniform(0.1, 1.0)
    chosen[0] = False
    levels = np.where(chosen, rng.uniform(0.5, 1.0, count), 0)
    # Grain in px and depth of the textures grow from chromatin, finely mottled, over membranes to patchy cytoplasm.
    if place == "nuclei":
        where = levels[labels] * _texture(labels.shape, 3.0, 0.35, rng)
    elif place == "membranes":
        # A membrane belongs to the cell of the nearest nucleus, hence positive or negative as a whole.
        where = levels[_nearest_nuclei(labels)] * _ring(labels > 0, rng) * _texture(labels.shape, 4.0, 0.5, rng)
    else:
        tissue = np.clip(1 - picture.min(axis=0), 0, 1)
        where = tissue * np.clip(_texture(labels.shape, 12.0, 1.0, rng) - 0.5, 0, 1)
        # Cytoplasm above and below a nucleus stains through it, though less.
        where = np.where(labels > 0, rng.uniform(0, 0.5) * where, where)
    # Label edges are sharp; DAB precipitates diffusely, and optics blur it.
    blurred = ndimage.gaussian_filter(where, rng.uniform(0.5, 1.2))
    return np.asarray(amount * blurred, np.float32)


def _nearest_nuclei(labels: Labels) -> Labels:
    """Return the id of the nucleus nearest to each pixel."""
    if not labels.any():
        return labels
    y, x = ndimage.distance_transform_edt(labels == 0, return_distances=False, return_indices=True)
    return np.asarray(labels[y, x])


def _ring(inside: Mask, rng: np.random.Generator) -> NDArray[np.float32]:
    """Draw a soft ring at a random distance from nuclei, where the membranes of their cells may be."""
    if not inside.any():
        return np.zeros(inside.shape, np.float32)
    distance = ndimage.distance_transform_edt(~inside)
    radius, width = rng.uniform(1, 6), rng.uniform(0.8, 2.2)
    return np.asarray(np.exp(-(((distance - radius) / width) ** 2) / 2), np.float32)


def _texture(shape: tuple[int, ...], grain: float, depth: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Draw a smooth, non-negative random field of mean 1 and standard deviation ``depth``."""
    # Blurring shrinks the spread by an amount that depends on the grain: divided out, so that ``depth`` is met.
    noise = ndimage.gaussian_filter(rng.normal(0, 1, shape), grain)
    return np.asarray(np.clip(1 + depth * noise / max(noise.std(), 1e-6), 0, None), np.float32)


def compressed(shares: NDArray[np.float32], quality: int) -> NDArray[np.float32]:
    """Compress a picture (3, Y, X), 0 to 1, as JPEG and decompress it."""
    stored = io.BytesIO()
    pixels = np.moveaxis(np.rint(shares * 255), 0, -1).astype(np.uint8)
    iio.imwrite(stored, pixels, extension=".jpg", quality=quality)
    read = iio.imread(stored.getvalue(), extension=".jpg")
    return np.asarray(np.moveaxis(read, -1, 0), np.float32) / np.float32(255)


def sampled_picture_rows(picture: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.float32]:
    """Sample `ROWS` rows of a picture (3, Y, X), scaled to 0 to 1."""
    # Percentiles of some thousand pixels are precise enough, and whole slides need not be re-rendered per crop.
    chosen = rng.choice(picture.shape[1], min(ROWS, picture.shape[1]), replace=False)
    return np.asarray(picture[:, chosen] * np.float32(1 / 255))
