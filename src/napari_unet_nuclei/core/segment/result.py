"""What a segmentation gives back, and how its thresholds are changed without running the network again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unet_nuclei.core.image.plane import ImageKind
from napari_unet_nuclei.core.labels.decode import TUNED, DecodeThresholds, decode_maps
from napari_unet_nuclei.core.segment.remedy import Remedy
from napari_unet_nuclei.core.types import Labels

CACHED_PIXELS = 64 * 2**20
"""Maps of at most this many pixels (over all planes) are kept with the result."""


@dataclass(frozen=True)
class SegmentResult:
    """Labelled nuclei, or classes, with everything needed to understand and repeat them.

    Attributes
    ----------
    labels : ndarray, shape (..., Y, X), int32
        Of a model for nuclei: 0 background, ids 1..n without gaps, unique across all planes. Of a model for classes:
        the class of every pixel, 0 to K - 1, where 0 is a class like the others. Leading axes of the image are kept,
        also where only one plane was segmented (then with length 1).
    axes : str
        One letter per axis of ``labels``, e.g. "TZYX".
    origin : tuple of int
        Index in the image, along ``axes``, of the first pixel of ``labels``.
    maps : ndarray, shape (planes, 3, Y, X), uint8, or None
        Quantised foreground, border and distance of every plane, planes in C order of the leading axes; None where
        they are too large to keep, and for classes.
    thresholds : DecodeThresholds
        What ``labels`` were decoded with; without meaning for classes.
    model_thresholds : DecodeThresholds
        The model's own values for this image, for *Reset*; without meaning for classes.
    diameter : float
        Typical nucleus diameter in image pixels that the image was rescaled by; 0 for classes, which are told at the
        image's own scale.
    model, device, channel : str
        Model name, device with its name, and the channel that was used, for people.
    notices : tuple of str
        What the user should know.
    seconds : float
        Duration of the run.
    provenance : dict
        Model name and hash, settings, package versions, image hash, time: plain JSON values.
    classes : tuple of str
        Names of the classes, by their ids; empty where ``labels`` are nuclei.
    kind : {"fluorescence", "brightfield"}
        How the image was read.
    remedies : tuple of Remedy
        What is doubtful, and what to try; their words are among the notices too.
    """

    labels: Labels
    axes: str
    origin: tuple[int, ...]
    maps: NDArray[np.uint8] | None
    thresholds: DecodeThresholds
    model_thresholds: DecodeThresholds
    diameter: float
    model: str
    device: str
    channel: str
    notices: tuple[str, ...]
    seconds: float
    provenance: dict[str, Any]
    classes: tuple[str, ...] = ()
    kind: ImageKind = "fluorescence"
    remedies: tuple[Remedy, ...] = ()

    @property
    def count(self) -> int:
        """Number of nuclei; 0 where the labels are classes."""
        return 0 if self.classes else int(self.labels.max(initial=0))

    def decode(self, thresholds: DecodeThresholds, checkpoint: Callable[[], None] = lambda: None) -> SegmentResult:
        """Return the result with other thresholds, from the cached maps.

        Parameters
        ----------
        thresholds : DecodeThresholds
        checkpoint : callable
            Called before each plane; raises `Cancelled` to stop.
        """
        assert self.maps is not None, "there are no cached maps to decode"
        labels = decode_stack(self.maps, thresholds, checkpoint).reshape(self.labels.shape)
        settings = dict(self.provenance.get("settings", {}))
        for name in TUNED:
            settings.update({name: getattr(thresholds, name), f"{name}_auto": False})
        provenance = {**self.provenance, "settings": settings}
        return replace(self, labels=labels, thresholds=thresholds, provenance=provenance)


def decode_stack(
    maps: NDArray[np.uint8], thresholds: DecodeThresholds, checkpoint: Callable[[], None] = lambda: None
) -> Labels:
    """Decode planes (planes, 3, Y, X) one by one into labels (planes, Y, X) whose ids are unique across planes."""
    labels = np.empty((maps.shape[0], *maps.shape[2:]), np.int32)
    count = 0
    for plane, plane_maps in zip(labels, maps, strict=True):
        checkpoint()
        decoded = decode_maps(plane_maps, thresholds)
        plane[...] = np.where(decoded > 0, decoded + count, 0)
        count += int(decoded.max(initial=0))
    return labels
