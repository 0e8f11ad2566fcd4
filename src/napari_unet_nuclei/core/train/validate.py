"""Predict labelled images with the engine that segments for users, and compare with the truth."""

from __future__ import annotations

from collections.abc import Sequence

from napari_unet_nuclei.core.image.axes import ImageSource
from napari_unet_nuclei.core.image.normalise import IntensityRange
from napari_unet_nuclei.core.image.plane import PlaneLook, PlaneReader, Signal
from napari_unet_nuclei.core.labels.decode import decode_maps
from napari_unet_nuclei.core.labels.metrics.overlaps import IOU_THRESHOLDS, MatchCounts, match, per_image
from napari_unet_nuclei.core.labels.reviewed import within
from napari_unet_nuclei.core.model.card import ModelCard
from napari_unet_nuclei.core.model.device import Device
from napari_unet_nuclei.core.model.file import Model
from napari_unet_nuclei.core.progress import Progress, with_shares
from napari_unet_nuclei.core.segment.automatic_size import predict_sized
from napari_unet_nuclei.core.segment.network_runner import NetworkRunner
from napari_unet_nuclei.core.segment.predict import Prediction, thresholds_at
from napari_unet_nuclei.core.settings import SegmentSettings
from napari_unet_nuclei.core.train.samples import Sample
from napari_unet_nuclei.core.types import Labels

SCORED = IOU_THRESHOLDS[: IOU_THRESHOLDS.index(0.9) + 1]
"""IoU thresholds whose mean AP selects epochs and decoding thresholds. At 0.95 hardly any nucleus matches."""

TILE = SegmentSettings().tile
"""Largest side of a tile in pixels, the default of users."""


def predict_samples(model: Model, samples: Sequence[Sample], device: Device, progress: Progress) -> list[Prediction]:
    """Predict samples as images of a user, estimating the nucleus size."""
    runners = {
        kind: NetworkRunner(Model(model.card.for_kind(kind), model.network), device, TILE)
        for kind in {sample.kind for sample in samples}
    }
    return [
        predict_sized(sample_reader(sample), runners[sample.kind], share).prediction
        for sample, share in with_shares(samples, progress)
    ]


def sample_reader(sample: Sample) -> PlaneReader:
    """Present a sample, which is already normalised, as the engine reads images."""
    height, width = sample.labels.shape
    channels = tuple(range(len(sample.image)))
    ranges = (IntensityRange(0.0, 1.0),) * len(channels)
    source = ImageSource(sample.image, "CYX")
    look = PlaneLook(sample.kind, tuple(Signal("intensity", (channel,)) for channel in channels), "all channels")
    return PlaneReader(source, (), (0, height, 0, width), look, ranges)


def decoded(prediction: Prediction, card: ModelCard) -> Labels:
    """Decode a prediction to labels with the thresholds and score of a card."""
    return decode_maps(prediction.maps, thresholds_at(card, prediction.scale))


def compare(sample: Sample, prediction: Prediction, card: ModelCard) -> MatchCounts:
    """Decode a prediction, and count matches with the reviewed nuclei of a sample."""
    return match(*in_reviewed(sample, decoded(prediction, card)))


def in_reviewed(sample: Sample, labels: Labels) -> tuple[Labels, Labels]:
    """Return true and predicted nuclei that count: at least half of each lies in the reviewed region."""
    if sample.reviewed is None:
        return sample.labels, labels
    return within(sample.labels, sample.reviewed), within(labels, sample.reviewed)


def score(counts: Sequence[MatchCounts]) -> float:
    """Return the average precision, averaged over images and over the thresholds `SCORED`."""
    return float(per_image(counts)[: len(SCORED)].mean())
