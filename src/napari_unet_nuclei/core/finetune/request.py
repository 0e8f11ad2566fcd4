"""What a model is to be taught, copied from wherever it was asked for. No PyTorch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from napari_unet_nuclei.core.corrections.correction import Correction
from napari_unet_nuclei.core.corrections.store import corrections_folder
from napari_unet_nuclei.core.image.kind import ChosenKind
from napari_unet_nuclei.core.settings import FinetuneSettings


@dataclass(frozen=True)
class Lesson:
    """Which model learns what.

    Attributes
    ----------
    base : str
        Name or path of the model to start from; "best" for the installed one that does best on the corrected nuclei.
    name : str
        Of the new model.
    corrections : tuple of Correction
        Made just now.
    kept : tuple of str
        Names of corrections made before; those of the same images are left out.
    settings : FinetuneSettings
    reference : Path, optional
        Labelled images that both models are scored on, in a layout that `core.train.layouts` describes.
    kinds : mapping
        Kinds of image that the user chose for kept corrections, by their names.
    left_out : tuple of str
        What could have been learnt from and is not, because its labels and its kind of image disagree: name and reason.
    folder : Path
        Where corrections are kept.
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
