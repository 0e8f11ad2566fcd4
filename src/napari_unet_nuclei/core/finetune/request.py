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
    """Describes a fine-tuning on corrections.

    Attributes
    ----------
    base : str
        Name or path of the model to start from; "best" for the installed one that does best on the corrected nuclei.
    name : str
        Name of the new model.
    corrections : tuple of Correction
        Corrections to save first.
    kept : tuple of str
        Names of saved corrections; those of the same images as ``corrections`` are skipped.
    reference : Path, optional
        Labelled images to score both models on, in a layout of `core.train.layouts`.
    folder : Path
        Folder of saved corrections.
    kinds : mapping
        Kinds of image that the user chose for saved corrections, by name.
    left_out : tuple of str
        Corrections not used because labels and kind of image disagree: name and reason.
    """

    base: str
    name: str
    corrections: tuple[Correction, ...]
    kept: tuple[str, ...] = ()
    settings: FinetuneSettings = field(default_factory=FinetuneSettings)
    reference: Path | None = None
    folder: Path = field(default_factory=corrections_folder)
    kinds: Mapping[str, ChosenKind] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()
