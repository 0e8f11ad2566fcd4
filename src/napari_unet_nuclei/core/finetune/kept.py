"""Corrections and the disk: how they are kept, and how a network reads them. No PyTorch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from napari_unet_nuclei.core.correct.correction import Correction, checked
from napari_unet_nuclei.core.correct.corrections import list_corrections, save_correction
from napari_unet_nuclei.core.errors import ImageShapeError
from napari_unet_nuclei.core.image.axes import ImageSource
from napari_unet_nuclei.core.image.kind import ChosenKind, look_by_labels
from napari_unet_nuclei.core.image.plane import PlaneReader, open_plane
from napari_unet_nuclei.core.labels.decode import fill_holes
from napari_unet_nuclei.core.labels.numbering import as_ids, whole_labels
from napari_unet_nuclei.core.settings import SegmentSettings
from napari_unet_nuclei.core.train.reading import InputForm
from napari_unet_nuclei.core.types import Labels

LARGEST_WHOLE = 4096**2
"""Pixels of a plane that is kept whole; of a larger one, a slide, only what lies round its reviewed region is."""


def keep_corrections(folder: Path, corrections: Sequence[Correction]) -> tuple[Correction, ...]:
    """Save corrections, and return them as they were saved.

    What was kept under the same name gives way, and what its provenance says besides stays; no other correction does.

    Parameters
    ----------
    folder : Path
        As `core.correct.corrections` describes it.
    corrections : sequence of Correction
        Images may be lazy; they are read now.

    Raises
    ------
    ImageShapeError
        If image, labels and reviewed region of one do not fit together.
    OutputFileError, DatasetError
        If they cannot be written.
    """
    kept: list[Correction] = []
    for correction in corrections:
        small = np.prod(correction.labels.shape) <= LARGEST_WHOLE
        whole = correction if small else correction.cropped()
        before = next((entry for entry in list_corrections(folder) if entry.name == whole.name), None)
        said = {**before.provenance, **whole.provenance} if before else whole.provenance
        kept.append(checked(replace(whole, image=np.asarray(whole.image), provenance=said)))
        save_correction(folder, kept[-1])
    return tuple(kept)


def open_input(correction: Correction, form: InputForm) -> PlaneReader:
    """Look at the image of a correction as a network that takes ``form`` sees it.

    What was set when it was segmented, if dark nuclei or a channel were chosen by hand, holds here as well.

    Raises
    ------
    ImageShapeError
        If the image has other channels than the network takes.
    """
    source = ImageSource(correction.image, correction.axes)
    height, width = source.plane_shape
    region = (0, height, 0, width)
    channel = correction.channel if form.channel is None else form.channel
    try:
        look = look_by_labels(source, (), region, own_labels(correction), channel, _kind(correction, form), form.inputs)
    except ImageShapeError as error:
        raise ImageShapeError(f"'{correction.name}': {error}") from error
    return open_plane(source, (), region, look, form.percentiles)


def own_labels(correction: Correction) -> Labels:
    """Return the labels of a correction as they are learnt: (Y, X), int32, nuclei 1..n without holes."""
    return fill_holes(whole_labels(as_ids(correction.labels)))


def _kind(correction: Correction, form: InputForm) -> ChosenKind:
    """Return the kind of image as the user chose it for this image, in this version's words or earlier ones."""
    settings = correction.provenance.get("settings")
    known = settings if isinstance(settings, dict) else {}
    try:
        chosen = SegmentSettings(**{name: known[name] for name in ("kind", "invert") if name in known}).kind
    except ValidationError:  # a file that others have written
        return form.kind
    return form.kind if chosen == "auto" else chosen
