"""Shows how a training went and what came of it, on images that were learnt from, that judged, and that nobody saw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from napari_unet_nuclei.core.model.device import Device
from napari_unet_nuclei.core.model.file import Model
from napari_unet_nuclei.core.progress import EpochDone, Progress, Share
from napari_unet_nuclei.core.train.breakdown import by_dataset, by_dataset_and_kind
from napari_unet_nuclei.core.train.class_examples import class_examples
from napari_unet_nuclei.core.train.dataset import Samples
from napari_unet_nuclei.core.train.examples import nuclei_examples
from napari_unet_nuclei.core.train.report import write_report

TRAINING, VALIDATION, UNSEEN = "Training", "Validation", "Unseen"
"""Titles of the parts of a report."""

MOST_IMAGES = 40
"""Of each part at most so many images, evenly spaced, are predicted once more; the worst of them are shown."""


def report_training(
    path: Path,
    model: Model,
    history: Sequence[EpochDone],
    parts: Mapping[str, Samples],
    device: Device,
    progress: Progress,
) -> None:
    """Predict images of every part, and write the report.

    Parameters
    ----------
    path : Path
        An HTML file.
    model : Model
    history : sequence of EpochDone
    parts : mapping of str to tuple of Sample
        By the titles that they get, `VALIDATION` among them; empty ones are left out.
    device : Device
    progress : Progress

    Raises
    ------
    OutputFileError
        If the file cannot be written.
    """
    semantic = model.card.task == "semantic"
    examples_of = class_examples if semantic else nuclei_examples
    shown = {title: samples[:: -(-len(samples) // MOST_IMAGES)] for title, samples in parts.items() if samples}
    examples = {}
    for number, (title, samples) in enumerate(shown.items()):
        share = Share(progress, number / len(shown), (number + 1) / len(shown))
        examples[title] = examples_of(model, samples, device, share)
    judged = parts[VALIDATION]
    broken_down = list(by_dataset(judged) if semantic else by_dataset_and_kind(judged))
    write_report(path, model.card, history, examples, broken_down if len(broken_down) > 1 else ())
