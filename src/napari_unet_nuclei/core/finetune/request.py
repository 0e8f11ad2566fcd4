"""Request for fine-tuning on corrections. Does not load PyTorch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from napari_unet_nuclei.core.corrections.correction import Correction
from napari_unet_nuclei.core.corrections.store import corrections_folder
from napari_unet_nuclei.core.image.kind import ChosenKind
from napari_unet_nuclei.core.settings import FinetuneSettings


@dataclass(frozen=True)
class CorrectionsRequest:
    """Describes a fine-tuning on corrections."""

    base: str  # name or path, or "best" for the installed one that does best on the corrected nuclei
    name: str  # of the new model
    corrections: tuple[Correction, ...]  # to save first
    kept: tuple[str, ...] = ()  # names of saved corrections; those of the same images as ``corrections`` are skipped
    settings: FinetuneSettings = field(default_factory=FinetuneSettings)
    reference: Path | None = None  # labelled images to score both models on
    folder: Path = field(default_factory=corrections_folder)  # of saved corrections
    kinds: Mapping[str, ChosenKind] = field(default_factory=dict)  # chosen by the user for saved corrections, by name
    left_out: tuple[str, ...] = ()  # name and reason of corrections not used
