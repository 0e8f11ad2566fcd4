"""What a correction is: a plane, its nuclei as the user left them, and where they were reviewed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from napari_unet_nuclei.core.errors import ImageShapeError
from napari_unet_nuclei.core.image.pixel_size import PixelSize
from napari_unet_nuclei.core.types import AnyArray, Labels, Mask

CONTEXT = 64
"""Pixels that are kept round the reviewed region: what a network sees beside a nucleus."""


@dataclass(frozen=True, eq=False)
class Correction:
    """One corrected plane.

    Attributes
    ----------
    name : str
        Tells it from all others, e.g. the layer's name and the plane's index; what is saved under it takes its place.
    image : array_like, shape (Y, X), (C, Y, X) or (Y, X, S)
        Pixels as they were segmented, any real dtype.
    axes : {"YX", "CYX", "YXS"}
        One letter per axis of ``image``; S are the three or four samples of a colour.
    labels : ndarray, shape (Y, X), int
        Ids as in the layer, so that ``accepted`` fits them again.
    reviewed : ndarray of bool, shape (Y, X)
        Where the labels can be trusted.
    accepted : tuple of int
        Ids that the user has accepted.
    pixel_size : PixelSize
        In µm.
    origin : tuple of int
        (Y, X) of the first pixel in the plane that this was cut from.
    channel : int, optional
        The channel with the nuclei.
    provenance : mapping
        What the labels began as: model, its hash, settings; names and values that JSON can hold.
    """

    name: str
    image: AnyArray
    axes: str
    labels: Labels
    reviewed: Mask
    accepted: tuple[int, ...] = ()
    pixel_size: PixelSize = field(default_factory=PixelSize)
    origin: tuple[int, int] = (0, 0)
    channel: int | None = None
    provenance: Mapping[str, object] = field(default_factory=dict)

    def cropped(self, context: int = CONTEXT) -> Correction:
        """Cut out the reviewed region with some pixels round it; as it is where nothing is reviewed.

        For planes of a slide. Intensities are normalised over what is saved, so that planes of usual size are better
        saved whole.
        """
        rows, columns = (np.flatnonzero(self.reviewed.any(axis=axis)) for axis in (1, 0))
        if not rows.size:
            return self
        y, x = (slice(max(int(inside[0]) - context, 0), int(inside[-1]) + 1 + context) for inside in (rows, columns))
        window = {"YX": (y, x), "CYX": (slice(None), y, x), "YXS": (y, x, slice(None))}[self.axes]
        return replace(
            self,
            image=np.asarray(self.image[window]),
            labels=self.labels[y, x],
            reviewed=self.reviewed[y, x],
            origin=(self.origin[0] + y.start, self.origin[1] + x.start),
        )


def checked(correction: Correction) -> Correction:
    """Return a correction whose arrays fit together; a single channel needs no axis.

    Raises
    ------
    ImageShapeError
        If they do not, or the image has other axes or values than described.
    """
    image, axes = correction.image, correction.axes
    if axes not in ("YX", "CYX", "YXS") or len(image.shape) != len(axes) or 0 in image.shape:
        raise ImageShapeError(f"'{correction.name}' is no plane with axes YX, CYX or YXS: {axes} {tuple(image.shape)}.")
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
    """SHA-256 over dtype, shape and pixels, by which a correction finds its image again."""
    pixels = np.ascontiguousarray(image)
    digest = hashlib.sha256(f"{pixels.dtype.str} {pixels.shape}".encode())
    digest.update(pixels.data)
    return digest.hexdigest()


def hash_of(correction: Correction) -> str:
    """SHA-256 over name, image, labels, reviewed region and what the files say of them."""
    described = f"{correction.name} {correction.axes} {correction.pixel_size} {dict(correction.provenance)}"
    digest = hashlib.sha256(described.encode())
    for array in (correction.image, correction.labels, correction.reviewed):
        digest.update(hash_image(array).encode())
    return digest.hexdigest()
