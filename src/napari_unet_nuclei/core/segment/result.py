"""Results of a segmentation, and how their thresholds are changed without running the network again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unet_nuclei.core.image.plane import ImageKind
from napari_unet_nuclei.core.labels.decode import TUNED, DecodeThresholds
from napari_unet_nuclei.core.segment.decoders import Decoder, StackDecoder
from napari_unet_nuclei.core.segment.planes import StackReading, count_in_words
from napari_unet_nuclei.core.segment.remedy import Remedy
from napari_unet_nuclei.core.types import Labels

CACHED_PIXELS = 64 * 2**20
"""Maps of at most this many pixels (over all planes) are kept with the result: at most 192 MB."""


@dataclass(frozen=True, kw_only=True)
class Segmentation:
    """Description of a run, whether its labels are in memory or in a store.

    Attributes
    ----------
    thresholds : DecodeThresholds
        What the labels were decoded with; without meaning for classes.
    model_thresholds : DecodeThresholds
        The model's own values for this image, for *Reset*; without meaning for classes.
    notices : tuple of str
        What the user should know.
    remedies : tuple of Remedy
        What is doubtful, and what to try; their words are among the notices too.
    seconds : float
        Duration of the run.
    provenance : dict
        Model name and hash, settings, package versions, image hash, time, as `describe_run` gives it: plain JSON
        values.
    """

    thresholds: DecodeThresholds
    model_thresholds: DecodeThresholds
    notices: tuple[str, ...] = ()
    remedies: tuple[Remedy, ...] = ()
    seconds: float = 0.0
    provenance: dict[str, Any]

    @property
    def count(self) -> int:
        """Number of nuclei; 0 where the labels are classes."""
        return int(self.provenance["count"])

    @property
    def count_text(self) -> str:
        """What was counted: "8 nuclei"; of a stack in memory, "8 nuclei in 51 planes"."""
        return count_in_words(self.count, "", (), "each")

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, by their ids; empty where the labels are nuclei."""
        return tuple(self.provenance.get("classes", ()))

    @property
    def model(self) -> str:
        """Name of the model."""
        return str(self.provenance["model"])

    @property
    def device(self) -> str:
        """Where the network ran, with the device's name."""
        return str(self.provenance["device"])

    @property
    def channel(self) -> str:
        """Name of the channel that was read."""
        return str(self.provenance["channel"])

    @property
    def kind(self) -> ImageKind:
        """How the image was read: "fluorescence" or "brightfield"."""
        kind: ImageKind = self.provenance["kind"]
        return kind

    @property
    def planes(self) -> StackReading:
        """What became of the planes of a stack: "each" by itself, "joined", or one "volume"."""
        reading: StackReading = self.provenance.get("planes", "each")
        return reading

    @property
    def projected(self) -> tuple[str, int]:
        """How the image was made of the planes of a stack, "maximum" or "mean", and of how many; ("", 0) if not."""
        planes = int(self.provenance.get("projected", 0))
        return (str(self.provenance["settings"]["planes"]), planes) if planes else ("", 0)

    @property
    def diameter(self) -> float:
        """Nucleus diameter in image pixels that the image was rescaled by; 0 for classes, which are not rescaled."""
        return float(self.provenance["diameter"])


@dataclass(frozen=True)
class SegmentResult(Segmentation):
    """Labelled nuclei, or classes, with everything needed to understand and repeat them.

    Attributes
    ----------
    labels : ndarray, shape (..., Y, X), int32
        Of a model for nuclei: 0 background, ids 1..n without gaps, unique across all planes. Of a model for classes:
        the class of every pixel, 0 to K - 1, where 0 is a class like the others. Leading axes of the image are kept,
        also where only one plane was segmented (then with length 1).
    scores : ndarray, shape (n,), float64
        How likely each nucleus is right, in the order of the ids: the model's score, or the mean foreground
        probability where the model has none. Empty for classes.
    axes : str
        One letter per axis of ``labels``, e.g. "TZYX".
    origin : tuple of int
        Index in the image, along ``axes``, of the first pixel of ``labels``.
    maps : ndarray, shape (planes, 3, Y, X), uint8, or None
        Quantised foreground, border and distance of every plane, planes in C order of the leading axes; None where
        they are too large to keep, for volumes, and for classes.
    decoder : Decoder or None
        Finds the nuclei again with other thresholds; None where nothing was kept for it.
    thresholds, model_thresholds : DecodeThresholds
        What ``labels`` were decoded with, and the model's own values for this image; without meaning for classes.
    notices : tuple of str
        What the user should know.
    remedies : tuple of Remedy
        What is doubtful, and what to try; their words are among the notices too.
    seconds : float
        Duration of the run.
    provenance : dict
        Model, settings, versions, hash of the image, time: plain JSON values.
    """

    labels: Labels
    scores: NDArray[np.float64]
    axes: str
    origin: tuple[int, ...]
    maps: NDArray[np.uint8] | None
    decoder: Decoder | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.decoder is None and self.maps is not None:
            object.__setattr__(self, "decoder", StackDecoder(self.maps, self.thresholds.scale))

    @cached_property
    def count(self) -> int:
        """Number of nuclei; 0 where the labels are classes."""
        return 0 if self.classes else int(self.labels.max(initial=0))

    @property
    def count_text(self) -> str:
        """What was counted: "8 nuclei in 51 planes"."""
        return count_in_words(self.count, self.axes, self.labels.shape, self.planes, self.projected)

    def decode(self, thresholds: DecodeThresholds, checkpoint: Callable[[], None] = lambda: None) -> SegmentResult:
        """Return the result with other thresholds, from the cached maps.

        Parameters
        ----------
        thresholds : DecodeThresholds
        checkpoint : callable
            Called before each plane; raises `Cancelled` to stop.
        """
        assert self.decoder is not None, "nothing is kept to decode"
        found = self.decoder.decode(thresholds, checkpoint)
        settings = dict(self.provenance.get("settings", {}))
        for name in TUNED:
            settings.update({name: getattr(thresholds, name), f"{name}_auto": False})
        provenance = {**self.provenance, "settings": settings}
        labels = found.labels.reshape(self.labels.shape)
        # The decoder stays: what it has found on the way serves a slider that moves on.
        return replace(self, labels=labels, scores=found.scores, thresholds=thresholds, provenance=provenance)

    def edited(self, labels: Labels) -> SegmentResult:
        """Return the result with edited labels; nuclei that were changed lose their score (NaN)."""
        scores = self.scores.copy()
        differs = labels != self.labels
        # Both what lost pixels and what gained them; ids beyond the scores are nuclei that were added by hand.
        touched = np.unique(np.concatenate([labels[differs], self.labels[differs]]))
        scores[touched[(touched > 0) & (touched <= len(scores))] - 1] = np.nan
        return replace(self, labels=labels, scores=scores, provenance={**self.provenance, "edited": True})
