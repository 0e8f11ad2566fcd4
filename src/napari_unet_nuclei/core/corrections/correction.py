"""A correction: one image plane, its nuclei as the user left them, and the part that was reviewed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from napari_unet_nuclei.core.errors import ImageShapeError
from napari_unet_nuclei.core.image.pixel_size import PixelSize
from napari_unet_nuclei.core.labels.regions import extent, grown, slices, united
from napari_unet_nuclei.core.types import AnyArray, Labels, Mask, Region

CONTEXT = 64
"""Pixels kept around the reviewed region: the surroundings of a nucleus that a network sees."""

LARGEST_WHOLE = 4096**2
"""Pixels of the largest plane that is kept whole. Of a larger one, such as a slide, only the parts that were reviewed
or edited are kept, with their surroundings. Whole planes are better: intensities are normalised over what is kept."""

PLANE, DISMISSED, STACK = "plane", "dismissed", "stack"
"""Keys of a correction's provenance: index of the plane in its image, the places that hold no nucleus, and what all
planes of one stack share, whose nuclei are the same ones."""


@dataclass(frozen=True, eq=False)
class Correction:
    """One corrected plane."""

    name: str  # unique key, e.g. the layer's name and the plane's index; saving under an existing key replaces it
    image: AnyArray  # pixels as they were segmented, any real dtype
    axes: str  # of the image: YX, CYX or YXS; S are three or four samples of a colour
    labels: Labels  # ids as in the layer, so that ``accepted`` still applies, shape (Y, X)
    reviewed: Mask  # where the labels can be trusted, shape (Y, X)
    accepted: tuple[int, ...] = ()  # ids that the user accepted
    pixel_size: PixelSize = field(default_factory=PixelSize)
    origin: tuple[int, int] = (0, 0)  # (Y, X) of the first pixel in the original plane
    channel: int | None = None  # channel that shows the nuclei
    provenance: Mapping[str, object] = field(default_factory=dict)  # model, its hash, settings; JSON-compatible

    @property
    def stack(self) -> str:
        """Name that all planes of one stack share; empty for a plane of its own."""
        return str(self.provenance.get(STACK, ""))

    def cropped(self, region: Region) -> Correction:
        """Return the part of the plane within a region."""
        y, x = slices(region)
        window = {"YX": (y, x), "CYX": (slice(None), y, x), "YXS": (y, x, slice(None))}[self.axes]
        return replace(
            self,
            image=np.asarray(self.image[window]),
            labels=self.labels[y, x],
            reviewed=self.reviewed[y, x],
            origin=(self.origin[0] + y.start, self.origin[1] + x.start),
        )


def region_to_keep(shape: tuple[int, int], reviewed: Mask | None, edited: Region | None = None) -> Region:
    """Return the part of a plane (Y, X) that is worth keeping on disk.

    The whole plane up to `LARGEST_WHOLE` pixels, or where nothing was reviewed or edited; else what was, with its
    surroundings. ``edited`` is a rectangle around all edits.
    """
    whole = (0, shape[0], 0, shape[1])
    if shape[0] * shape[1] <= LARGEST_WHOLE:
        return whole
    parts = [] if edited is None else [edited]
    if reviewed is not None and reviewed.any():
        parts.append(extent(reviewed, whole))
    return grown(united(parts), CONTEXT, shape) if parts else whole


def checked(correction: Correction) -> Correction:
    """Check that the arrays of a correction fit together, and drop the axis of a single channel.

    Raise ImageShapeError if shapes differ, or the image has unsupported axes or values.
    """
    image, axes = correction.image, correction.axes
    if axes not in ("YX", "CYX", "YXS") or len(image.shape) != len(axes) or 0 in image.shape:
        raise ImageShapeError(
            f"'{correction.name}' has axes {axes} and shape {tuple(image.shape)}: give one plane, YX, CYX or YXS."
        )
    if np.dtype(image.dtype).kind not in "buif" or (axes == "YXS" and image.shape[2] not in (3, 4)):
        raise ImageShapeError(
            f"'{correction.name}' has pixels of type {image.dtype} and shape {tuple(image.shape)}: "
            "save grey values as real numbers, and colours as three or four samples."
        )
    shape = tuple(image.shape[1:] if axes == "CYX" else image.shape[:2])
    if correction.labels.shape != shape or correction.reviewed.shape != shape:
        raise ImageShapeError(
            f"'{correction.name}' is {shape} pixels, its labels are {correction.labels.shape} and its reviewed region "
            f"{correction.reviewed.shape}: they do not belong together."
        )
    if axes == "CYX" and image.shape[0] == 1:
        return replace(correction, image=image[0], axes="YX", channel=None)
    return correction


def hash_image(image: AnyArray) -> str:
    """Return the SHA-256 of dtype, shape and pixels, by which a correction recognises its image."""
    pixels = np.ascontiguousarray(image)
    # With dtype and shape, for the same bytes can be another image.
    digest = hashlib.sha256(f"{pixels.dtype.str} {pixels.shape}".encode())
    digest.update(pixels.data)
    return digest.hexdigest()


def hash_of(correction: Correction) -> str:
    """Return the SHA-256 of everything that the three files of a correction contain."""
    described = f"{correction.name} {correction.axes} {correction.pixel_size} {dict(correction.provenance)}"
    digest = hashlib.sha256(described.encode())
    for array in (correction.image, correction.labels, correction.reviewed):
        digest.update(hash_image(array).encode())
    return digest.hexdigest()
