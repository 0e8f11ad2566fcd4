"""Other stains, scanners and sections: crops of stained tissue re-made from their separated stains.

Laboratories differ in the colours and the amounts of their stains more than in the shapes of nuclei, and a network that
has seen one laboratory fails on the next (Tellez et al. 2019, *Medical Image Analysis* 58, 101544). So a crop is taken
apart into stains, their amounts and colours are varied, and the picture is put together again, scanned anew, and then
converted to the network's signals by the very code that segments. Immunohistochemistry, of which the training data have
none, is made from haematoxylin and eosin: eosin fades, and DAB is laid over nuclei, membranes or cytoplasm.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import imageio.v3 as iio
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_unet_nuclei.core.image.normalise import intensity_range
from napari_unet_nuclei.core.image.plane import Signal
from napari_unet_nuclei.core.image.stain import DARKEST, STAIN_VECTORS
from napari_unet_nuclei.core.types import Image, Labels, Mask

VECTOR_SPREAD = 0.07
"""Standard deviation of each component of the stains' colours. Published haematoxylin vectors differ so: Ruifrok and
Johnston (0.65, 0.70, 0.29), Macenko et al. (0.56, 0.72, 0.41), QuPath's default (0.65, 0.70, 0.29), scanners' own
calibrations (0.55 to 0.83, 0.54 to 0.75, 0.06 to 0.45)."""

AMOUNT_SPREAD = 0.3
"""Standard deviation of the logarithm of a stain's amount."""

THICKNESS_SPREAD = 0.2
"""Standard deviation of the logarithm of a section's thickness, which all stains share."""

GAMMA_SPREAD = 0.12
"""Standard deviation of the logarithm of a scanner's gamma."""

WHITE_RANGE = (0.85, 1.0)
"""White of a scanner's red, green and blue: lamps and white balances differ."""

IHC_SHARE = 0.2
"""Share of crops that become immunohistochemistry."""

JPEG_SHARE, JPEG_QUALITIES = 0.3, (30, 95)
"""Share of crops that are compressed, and the qualities."""

ALONE_SHARE = 0.15
"""Share of crops whose inputs all show the first signal, haematoxylin: so pictures with DAB round nuclei are read."""

DAB_AMOUNTS = (0.25, 1.3)
"""Optical density of DAB where it is strongest, faint to black-brown."""

ROWS = 16
"""Rows of the whole picture that stand for it where the crop's range of values is measured."""


@dataclass(frozen=True)
class Scan:
    """How a laboratory and its scanner would show a picture.

    Attributes
    ----------
    vectors : ndarray, shape (3, 3), float32
        Colour of each stain as optical densities of red, green and blue.
    amounts : ndarray, shape (3,), float32
        Factor of each stain.
    white : ndarray, shape (3,), float32
        Share of light in the background.
    gamma : float
    """

    vectors: NDArray[np.float32]
    amounts: NDArray[np.float32]
    white: NDArray[np.float32]
    gamma: float

    @staticmethod
    def draw(strength: float, ihc: bool, rng: np.random.Generator) -> Scan:
        """Draw one; strength 0 leaves pictures as they are."""
        vectors = np.clip(STAIN_VECTORS + strength * rng.normal(0, VECTOR_SPREAD, (3, 3)), 0.01, None)
        vectors *= np.linalg.norm(STAIN_VECTORS, axis=1, keepdims=True) / np.linalg.norm(vectors, axis=1, keepdims=True)
        amounts = np.exp(strength * rng.normal(0, AMOUNT_SPREAD, 3) + strength * rng.normal(0, THICKNESS_SPREAD))
        if ihc:
            amounts[1:] *= rng.uniform(0, 0.4)
        white = 1 - strength * (1 - rng.uniform(*WHITE_RANGE, 3))
        gamma = float(np.exp(strength * rng.normal(0, GAMMA_SPREAD)))
        return Scan(vectors.astype(np.float32), amounts.astype(np.float32), white.astype(np.float32), gamma)

    def show(self, shares: NDArray[np.float32], dab: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
        """Re-make a picture (3, Y, X), shares of white from 0 to 1; ``dab`` (Y, X) is laid over it."""
        densities = -np.log10(np.maximum(shares, np.float32(DARKEST)))
        unmixed = np.einsum("cs,cyx->syx", np.linalg.inv(STAIN_VECTORS).astype(np.float32), densities)
        unmixed *= self.amounts[:, None, None]
        if dab is not None:
            unmixed[2] += dab
        mixed = np.einsum("sc,syx->cyx", self.vectors, unmixed)
        seen = self.white[:, None, None] * np.power(np.float32(10), -mixed)
        return np.asarray(np.clip(seen, 0, 1) ** np.float32(self.gamma), np.float32)


def restained(
    picture: NDArray[np.float32],
    labels: Labels,
    rows: NDArray[np.float32],
    signals: tuple[Signal, ...],
    percentiles: tuple[float, float],
    strength: float,
    rng: np.random.Generator,
) -> Image:
    """Show a crop as another laboratory would, and return the network's signals of it.

    Parameters
    ----------
    picture : ndarray, shape (3, S, S), float32
        Red, green and blue of the crop, shares of white.
    labels : ndarray, shape (S, S), int
        Its nuclei, for stains that keep to them.
    rows : ndarray, shape (3, R, X), float32
        Some rows of the whole picture, for the range of values.
    signals : tuple of Signal
    percentiles : tuple of float
        Of the signals, that become 0 and 1.
    strength : float
        0 to 1.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray, shape (C, S, S), float32
        Normalised as when segmenting.
    """
    ihc = rng.random() < strength * IHC_SHARE
    scan = Scan.draw(strength, ihc, rng)
    dab = draw_dab(picture, labels, rng) if ihc else None
    shown = scan.show(picture, dab)
    if rng.random() < strength * JPEG_SHARE:
        shown = compressed(shown, int(rng.integers(*JPEG_QUALITIES)))
    # Laid-on DAB is known in the crop alone.
    whole = shown if ihc else scan.show(rows)
    if rng.random() < ALONE_SHARE:
        signals = (signals[0],) * len(signals)
    result = np.empty((len(signals), *labels.shape), np.float32)
    for target, signal in zip(result, signals, strict=True):
        found = intensity_range(signal.of(list(whole), 1.0), percentiles)
        target[...] = found.normalise(signal.of(list(shown), 1.0))
    return result


def draw_dab(picture: NDArray[np.float32], labels: Labels, rng: np.random.Generator) -> NDArray[np.float32]:
    """Draw optical densities of DAB (Y, X) over some nuclei, their membranes, or the tissue."""
    amount = np.exp(rng.uniform(*np.log(DAB_AMOUNTS)))
    kind = rng.choice(["nuclei", "membranes", "tissue"], p=[0.6, 0.25, 0.15])
    count = int(labels.max(initial=0)) + 1
    chosen = rng.random(count) < rng.uniform(0.1, 1.0)
    chosen[0] = False
    levels = np.where(chosen, rng.uniform(0.5, 1.0, count), 0)
    if kind == "nuclei":
        where = levels[labels] * _texture(labels.shape, 3.0, 0.35, rng)
    elif kind == "membranes":
        where = levels[_nearest_nuclei(labels)] * _ring(labels > 0, rng) * _texture(labels.shape, 4.0, 0.5, rng)
    else:
        tissue = np.clip(1 - picture.min(axis=0), 0, 1)
        where = tissue * np.clip(_texture(labels.shape, 12.0, 1.0, rng) - 0.5, 0, 1)
        where = np.where(labels > 0, rng.uniform(0, 0.5) * where, where)
    blurred = ndimage.gaussian_filter(where, rng.uniform(0.5, 1.2))
    return np.asarray(amount * blurred, np.float32)


def _nearest_nuclei(labels: Labels) -> Labels:
    """Id of the nucleus next to each pixel."""
    if not labels.any():
        return labels
    y, x = ndimage.distance_transform_edt(labels == 0, return_distances=False, return_indices=True)
    return np.asarray(labels[y, x])


def _ring(inside: Mask, rng: np.random.Generator) -> NDArray[np.float32]:
    """Ring of 1 at some distance round nuclei, where their cells' membranes may be."""
    if not inside.any():
        return np.zeros(inside.shape, np.float32)
    distance = ndimage.distance_transform_edt(~inside)
    radius, width = rng.uniform(1, 6), rng.uniform(0.8, 2.2)
    return np.asarray(np.exp(-(((distance - radius) / width) ** 2) / 2), np.float32)


def _texture(shape: tuple[int, ...], grain: float, depth: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Smooth random field of mean 1 and standard deviation ``depth``, never negative."""
    noise = ndimage.gaussian_filter(rng.normal(0, 1, shape), grain)
    return np.asarray(np.clip(1 + depth * noise / max(noise.std(), 1e-6), 0, None), np.float32)


def compressed(shares: NDArray[np.float32], quality: int) -> NDArray[np.float32]:
    """Compress a picture (3, Y, X), shares of white, as JPEG, and read it again."""
    stored = io.BytesIO()
    pixels = np.moveaxis(np.rint(shares * 255), 0, -1).astype(np.uint8)
    iio.imwrite(stored, pixels, extension=".jpg", quality=quality)
    read = iio.imread(stored.getvalue(), extension=".jpg")
    return np.asarray(np.moveaxis(read, -1, 0), np.float32) / np.float32(255)


def sampled_picture_rows(picture: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.float32]:
    """Draw `ROWS` rows of a picture (3, Y, X) as shares of white."""
    chosen = rng.choice(picture.shape[1], min(ROWS, picture.shape[1]), replace=False)
    return np.asarray(picture[:, chosen] * np.float32(1 / 255))
