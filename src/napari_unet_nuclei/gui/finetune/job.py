"""What runs in the thread when Fine-tune is pressed: PyTorch is loaded here and nowhere else in this dock."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from napari_unet_nuclei.core.finetune.request import CorrectionsRequest
from napari_unet_nuclei.core.progress import Advanced, Progress

if TYPE_CHECKING:
    from napari_unet_nuclei.core.finetune.bases import RankedBase
    from napari_unet_nuclei.core.finetune.from_layers import FinetuneOutcome


@dataclass(frozen=True)
class FinetuneAnswer:
    """What a run brings to the window.

    Attributes
    ----------
    taught : FinetuneOutcome
    devices : tuple of str
        Names of the devices of this computer, the preferred one first.
    """

    taught: FinetuneOutcome
    devices: tuple[str, ...]


def finetune_job(lesson: CorrectionsRequest) -> Callable[[Progress], FinetuneAnswer]:
    """Return the job that keeps the corrections, and fine-tunes on them."""

    def job(progress: Progress) -> FinetuneAnswer:
        progress.report(Advanced(0.0, "Preparing…" if "torch" in sys.modules else "Loading PyTorch…"))
        from napari_unet_nuclei.core.finetune.from_layers import finetune_corrections
        from napari_unet_nuclei.core.model.device import available_devices

        return FinetuneAnswer(finetune_corrections(lesson, progress), available_devices())

    return job


def rank_job(lesson: CorrectionsRequest) -> Callable[[Progress], tuple[RankedBase, ...]]:
    """Return the job that scores the installed models on what would be taught."""

    def job(progress: Progress) -> tuple[RankedBase, ...]:
        progress.report(Advanced(0.0, "Preparing…" if "torch" in sys.modules else "Loading PyTorch…"))
        from napari_unet_nuclei.core.finetune.from_layers import rank_bases_for

        return rank_bases_for(lesson, progress)

    return job


def save_job(taught: FinetuneOutcome, folder: Path) -> Callable[[Progress], FinetuneOutcome]:
    """Return the job that tries once more to write a new model."""

    def job(progress: Progress) -> FinetuneOutcome:
        from napari_unet_nuclei.core.finetune.from_layers import write_outcome

        return write_outcome(taught.done, taught.base, folder, progress)

    return job
