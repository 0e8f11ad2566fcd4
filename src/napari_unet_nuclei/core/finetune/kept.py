"""Save corrections, and read them as a network needs them. Does not load PyTorch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
from pydantic import ValidationError

from napari_unet_nuclei.core.corrections.correction import Correction, checked, region_to_keep
from napari_unet_nuclei.core.corrections.store import list_corrections, save_correction
from napari_unet_nuclei.core.errors import ImageShapeError
from napari_unet_nuclei.core.image.axes import ImageSource
from napari_unet_nuclei.core.image.kind import ChosenKind
from napari_unet_nuclei.core.image.plane import ImageKind, PlaneReader
from napari_unet_nuclei.core.image.sample import PlaneSample
from napari_unet_nuclei.core.labels.holes import fill_holes
from napari_unet_nuclei.core.labels.numbering import as_ids, whole_labels
from napari_unet_nuclei.core.settings import SegmentSettings
from napari_unet_nuclei.core.train.reading import InputForm, read_by_labels
from napari_unet_nuclei.core.types import Labels, Region

KIND = "kind_taught"
"""Key in the provenance of a correction of the kind of image that the user chose for fine-tuning."""


def keep_corrections(folder: Path, corrections: Sequence[Correction]) -> tuple[Correction, ...]:
    """Save corrections, and return them as saved; a lazy image is read now.

    A correction replaces the one kept under its name, whose provenance is merged into its own. Raises `ImageShapeError`
    if image, labels and reviewed region differ in shape; `OutputFileError` or `DatasetError` if they cannot be written.
    """
    kept: list[Correction] = []
    for correction in corrections:
        whole = checked(correction)
        height, width = whole.labels.shape
        # A corner of a slide must not store the slide.
        part = whole.cropped(region_to_keep((height, width), whole.reviewed))
        before = next((entry for entry in list_corrections(folder) if entry.name == part.name), None)
        provenance = {**before.provenance, **part.provenance} if before else part.provenance
        kept.append(replace(part, provenance=provenance))
        save_correction(folder, kept[-1])
    return tuple(kept)


def open_input(correction: Correction, form: InputForm) -> tuple[PlaneReader, str]:
    """Open the image of a correction in the form that a network needs; also say why it may be misread, if so.

    The kind of image is the one chosen for the correction, else the one chosen when segmenting, else the one that its
    reviewed labels support. A channel chosen by hand is used here too. Raises `ImageShapeError` if the image does not
    have the channels that the network needs.
    """
    source = ImageSource(correction.image, correction.axes)
    plane = PlaneSample.whole(source)
    labels, window = _reviewed_part(correction)
    own = chosen_kind(correction)
    segmented = None if own != "auto" else _segmented_kind(correction)
    set_by_hand = _segment_settings(correction).kind
    # A choice of the user, if there is any, outranks what the labels say.
    kind = next((one for one in (own, set_by_hand) if one != "auto"), form.kind)
    channel = correction.channel if form.channel is None else form.channel
    try:
        asked = replace(form, kind=kind, channel=channel)
        look, doubt = read_by_labels(plane, labels, asked, segmented=segmented, window=window)
    except ImageShapeError as error:
        raise ImageShapeError(f"'{correction.name}': {error}") from error
    return plane.open(look, form.percentiles), doubt


def as_kind(correction: Correction, kind: ChosenKind) -> Correction:
    """Return a correction with the kind of image that its user chose; "auto" leaves it to the labels."""
    return replace(correction, provenance={**correction.provenance, KIND: kind})


def chosen_kind(correction: Correction) -> ChosenKind:
    """Return the kind of image chosen for a correction with `as_kind`."""
    kind = correction.provenance.get(KIND)
    return kind if kind in get_args(ImageKind) else "auto"  # type: ignore[return-value]


def own_labels(correction: Correction) -> Labels:
    """Return the labels of a correction for training: (Y, X), int32, nuclei 1..n without holes."""
    return fill_holes(whole_labels(as_ids(correction.labels)))


def _reviewed_part(correction: Correction) -> tuple[Labels, Region]:
    """Return the labels in the bounding box of the reviewed region, and the box; labels elsewhere may be wrong."""
    labels = own_labels(correction)
    rows, columns = (np.flatnonzero(correction.reviewed.any(axis=axis)) for axis in (1, 0))
    if not rows.size:
        return labels, (0, labels.shape[0], 0, labels.shape[1])
    y0, y1, x0, x1 = int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1
    return labels[y0:y1, x0:x1], (y0, y1, x0, x1)


def _segment_settings(correction: Correction) -> SegmentSettings:
    """Return the settings that decided on the kind when segmenting, including ``invert`` of earlier versions."""
    settings = correction.provenance.get("settings")
    known = settings if isinstance(settings, dict) else {}
    try:
        return SegmentSettings(**{name: known[name] for name in ("kind", "invert") if name in known})
    except ValidationError:  # provenance written by another program
        return SegmentSettings()


def _segmented_kind(correction: Correction) -> ImageKind | None:
    """Return the kind that a correction's image was segmented as; None if unknown."""
    kind = correction.provenance.get("kind")
    return kind if kind in get_args(ImageKind) else None  # type: ignore[return-value]
