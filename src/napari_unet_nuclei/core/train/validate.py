"""Predict labelled images with the same engine that segments for users, and compare."""

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
from napari_unet_nuclei.core.progress import Progress, Share
from napari_unet_nuclei.core.segment.automatic_size import predict_sized
from napari_unet_nuclei.core.segment.network_runner import NetworkRunner
from napari_unet_nuclei.core.segment.predict import Prediction, thresholds_at
from napari_unet_nuclei.core.settings import SegmentSettings
from napari_unet_nuclei.core.train.samples import Sample
from napari_unet_nuclei.core.types import Labels

SCORED = IOU_THRESHOLDS[: IOU_THRESHOLDS.index(0.9) + 1]
"""The score that chooses epochs and thresholds is the mean of AP at these IoU thresholds."""

TILE = SegmentSettings().tile
"""Largest side of a tile in pixels, as where users segment."""


def predict_samples(model: Model, samples: Sequence[Sample], device: Device, progress: Progress) -> list[Prediction]:
    """Predict samples as a user's image would be, with the nucleus size found automatically."""
    runners = {
        kind: NetworkRunner(Model(model.card.for_kind(kind), model.network), device, TILE)
        for kind in {sample.kind for sample in samples}
    }
    predictions = []
    for number, sample in enumerate(samples):
        share = Share(progress, number / len(samples), (number + 1) / len(samples))
        predictions.append(predict_sized(sample_reader(sample), runners[sample.kind], share).prediction)
    return predictions


def sample_reader(sample: Sample) -> PlaneReader:
    """Read a sample, which is normalised already, as the engine reads images."""
    height, width = sample.labels.shape
    channels = tuple(range(len(sample.image)))
    ranges = (IntensityRange(0.0, 1.0),) * len(channels)
    source = ImageSource(sample.image, "CYX")
    look = PlaneLook(sample.kind, tuple(Signal("intensity", (channel,)) for channel in channels), "all channels")
    return PlaneReader(source, (), (0, height, 0, width), look, ranges)


def decoded(prediction: Prediction, card: ModelCard) -> Labels:
    """Find the nuclei in a prediction, with the thresholds and the score of a card."""
    return decode_maps(prediction.maps, thresholds_at(card, prediction.scale))


def compare(sample: Sample, prediction: Prediction, card: ModelCard) -> MatchCounts:
    """Decode a prediction and count the nuclei that match the sample's, where it was reviewed."""
    return match(*judged(sample, decoded(prediction, card)))


def judged(sample: Sample, labels: Labels) -> tuple[Labels, Labels]:
    """True and predicted nuclei of a sample that count: those that lie at least by half where it was reviewed."""
    if sample.reviewed is None:
        return sample.labels, labels
    return within(sample.labels, sample.reviewed), within(labels, sample.reviewed)


def score(counts: Sequence[MatchCounts]) -> float:
    """Mean over images and over the thresholds in `SCORED` of the average precision."""
    return float(per_image(counts)[: len(SCORED)].mean())
