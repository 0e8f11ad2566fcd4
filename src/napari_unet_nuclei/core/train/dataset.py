"""Read labelled images from disk; errors name the file at fault."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from napari_unet_nuclei.core.errors import DatasetError, ImageFileError, ImageShapeError, NucleiError, SettingsError
from napari_unet_nuclei.core.image.axes import ImageSource
from napari_unet_nuclei.core.image.io.pairs import name_some
from napari_unet_nuclei.core.image.io.read import read_header
from napari_unet_nuclei.core.image.kind import possible_looks
from napari_unet_nuclei.core.image.plane import PlaneReader
from napari_unet_nuclei.core.image.sample import PlaneSample
from napari_unet_nuclei.core.progress import Advanced, Notice, Progress, Share, Silent
from napari_unet_nuclei.core.quantity import quantity
from napari_unet_nuclei.core.train.division import Divided, none_left
from napari_unet_nuclei.core.train.layouts import Condition, Entry, list_entries
from napari_unet_nuclei.core.train.reading import InputForm, LabelsRead, open_image, read_by_labels, read_labels
from napari_unet_nuclei.core.train.samples import Sample
from napari_unet_nuclei.core.types import Index, Labels, Mask

SHOWN_UNSEEN = 24
"""Images from outside both parts of which the report shows the worst: enough to see what goes wrong on them."""

Samples = tuple[Sample, ...]


def read_dataset(
    dataset: Path,
    form: InputForm | None = None,
    *,
    split: str = "",
    where: Sequence[Condition] = (),
    progress: Progress | None = None,
) -> Samples:
    """Read a data set: a CSV index, or a folder in one of the layouts of `core.train.layouts`.

    Only the part ``split`` is read, all if it is empty, and rows that meet the conditions. Raises `DatasetError`, which
    names the file, if one is missing, unreadable, or does not match its partner; `NoSamplesError` if no image is left.
    """
    entries = [entry for entry in list_entries(dataset, where) if split in ("", entry.split)]
    if not entries:
        raise none_left(dataset, split)
    return read_entries(entries, form or InputForm(), progress or Silent())


def read_divided(divided: Sequence[Divided], form: InputForm, progress: Progress) -> tuple[Samples, Samples]:
    """Read the training and validation images of data sets, in the order of the sets; errors as `read_dataset`.

    For several sets, training samples carry the importance `Divided.importance`, and notices say how often each set is
    drawn and which conditions did not apply.
    """
    for notice in _notices(divided):
        progress.report(notice)
    training = [entry for one in divided for entry in one.training]
    validation = [entry for one in divided for entry in one.validation]
    middle = len(training) / (len(training) + len(validation))
    samples = read_entries(training, form, Share(progress, 0.0, middle))
    if len(divided) > 1:
        importance = [one.importance for one in divided for _ in one.training]
        samples = tuple(replace(sample, importance=value) for sample, value in zip(samples, importance, strict=True))
    others = read_entries(validation, form, Share(progress, middle, 1.0))
    for notice in _doubts((*samples, *others)):
        progress.report(notice)
    return samples, others


def read_unseen(divided: Sequence[Divided], form: InputForm) -> Samples:
    """Read up to `SHOWN_UNSEEN` images that indexes assign to neither training nor validation."""
    unseen = [entry for one in divided for entry in one.unseen]
    # Rounded up, so that the step gives at most as many; evenly spaced, since an index is often sorted by kind.
    return read_entries(unseen[:: max(-(-len(unseen) // SHOWN_UNSEEN), 1)], form, Silent())


def read_entries(entries: Sequence[Entry], form: InputForm, progress: Progress, *, unlabelled: bool = False) -> Samples:
    """Read listed images, of stacks plane by plane.

    Planes of a stack that have no label count as not labelled, and are left out unless they are ``unlabelled`` by
    intention. Masks without ids, masks that share pixels, and planes left out give one notice each for all files.
    """
    samples: list[Sample] = []
    without_ids, sharing, sparse = [], [], []
    for number, (entry, planes) in enumerate(zip(entries, _read_ahead(entries, form), strict=True)):
        progress.report(Advanced(number / len(entries), f"reading image {number + 1} of {len(entries)}"))
        kept = [one for one, found in planes if unlabelled or len(planes) == 1 or found.labels.any()]
        samples += kept
        if len(kept) < len(planes):
            sparse.append(entry.image)
        if any(found.from_mask for _, found in planes):
            without_ids.append(entry.labels[0])
        for notice in (notice for _, found in planes for notice in found.notices):
            progress.report(Notice(notice, warning=True))
        if any(found.shared_pixels for _, found in planes):
            sharing.append(entry.image)
    if sparse:
        progress.report(Notice(f"Planes without any label are left out: {_files(sparse)}."))
    if without_ids:
        progress.report(
            Notice(
                f"{_files(without_ids)} hold a mask of all nuclei instead of a number for each. Connected pieces were "
                "taken as nuclei, so touching nuclei count as one and the model will not learn to separate them."
            )
        )
    if sharing:
        progress.report(Notice(f"Masks of {_files(sharing)} share a few pixels, which went to the smaller nucleus."))
    progress.report(Advanced(1.0, f"{len(entries)} images read"))
    return tuple(samples)


def _read_ahead(entries: Sequence[Entry], form: InputForm) -> Iterator[list[tuple[Sample, LabelsRead]]]:
    """Read all images on all cores, and yield their planes in order."""
    pool = ThreadPoolExecutor()
    try:
        yield from pool.map(partial(read_planes, form=form), entries)
    finally:
        # An unreadable image, or the user, ends the reading at once.
        pool.shutdown(cancel_futures=True)


def check_choice_of_channel(images: Iterable[Path], channel: str) -> None:
    """Raise SettingsError if choosing a channel has no effect, since all images have one only."""
    if not any(_has_channels(path) for path in images):
        raise SettingsError(f"All images have one channel only, so choosing {channel} has no effect: leave that out.")


def _has_channels(path: Path) -> bool:
    """Tell whether there is a choice of channels in an image; True of one that cannot be read, as reading it says."""
    try:
        return read_header(path).source().channels > 1
    except NucleiError:
        return True


def read_planes(entry: Entry, form: InputForm) -> list[tuple[Sample, LabelsRead]]:
    """Read every plane of an image with its labels; planes of one stack are one group.

    Raise `DatasetError` if a file is unreadable, or the two do not match.
    """
    try:
        source, told = open_image(entry.image, form)
        if source.channels == 1:
            # There is nothing to choose here, while other images of the data set have the channel.
            form = replace(form, channel=None)
        indices = list(source.plane_indices())
        first, *others = read_labels(entry, source, form.classes)
        labels = [replace(first, notices=(*told, *first.notices)), *others]
        read = zip(indices, labels, strict=True)
        return [(_sample_of(entry, source, index, found, form, len(indices)), found) for index, found in read]
    except (ImageFileError, ImageShapeError) as error:
        where = "" if str(entry.image) in str(error) else f"{entry.image}: "
        raise DatasetError(f"The data set cannot be used: {where}{error}") from error


def _sample_of(
    entry: Entry, source: ImageSource, index: Index, found: LabelsRead, form: InputForm, planes: int
) -> Sample:
    plane = PlaneSample.whole(source, index)
    if form.classes is None:
        look, doubt = read_by_labels(plane, found.labels, form)
    else:
        # Read as it is, never inverted: for classes, brightness itself may tell them apart.
        look, doubt = possible_looks(plane, form.channel, "fluorescence", form.inputs)[0], ""
    where = ", ".join(f"{letter}={place}" for letter, place in zip(source.leading_axes.lower(), index, strict=True))
    name = f"{entry.name} [{where}]" if planes > 1 else entry.name
    sample = sample_of_plane(plane.open(look, form.percentiles), name, found.labels, found.reviewed, doubt)
    return replace(sample, group=entry.group, dataset=entry.dataset)


def sample_of_plane(reader: PlaneReader, name: str, labels: Labels, reviewed: Mask | None, doubt: str) -> Sample:
    """Read a whole plane as a sample that is a group of its own."""
    look, picture = reader.look, None
    if look.stained:
        pixels = [reader.source.read(reader.index, channel, reader.region) for channel in look.channels]
        shares = np.nan_to_num(np.stack(pixels)) * (255 / look.white)
        # Bytes are enough to vary stains, and a quarter of the memory of floats.
        picture = np.clip(np.rint(shares), 0, 255).astype(np.uint8)
    image = reader.read((0, reader.shape[0], 0, reader.shape[1]))
    return Sample(name, image, labels, name, reviewed=reviewed, kind=look.kind, picture=picture, doubt=doubt)


def _notices(divided: Sequence[Divided]) -> Iterator[Notice]:
    """Warn of sets that a condition did not apply to and, if there are several sets, say what each contributes."""
    for one in divided:
        for column in one.unfiltered:
            text = f"{one.dataset.name} has no column '{column}', so all of its images are used."
            yield Notice(text, warning=True)
    if len(divided) < 2:
        return
    drawn = [one.importance * one.variety for one in divided]
    for one, often in zip(divided, drawn, strict=True):
        training = quantity(len(one.training), "image")
        yield Notice(
            f"{one.dataset.name}: {training} for training ({often / sum(drawn):.0%} of the crops), "
            f"{len(one.validation)} for validation."
        )


def _doubts(samples: Samples) -> Iterator[Notice]:
    """Warn of images that may not belong to their labels, or be misread, once for each reason."""
    reasons: dict[str, list[str]] = {}
    for sample in samples:
        if sample.doubt:
            reasons.setdefault(sample.doubt, []).append(sample.name)
    for reason, names in reasons.items():
        yield Notice(
            f"Trained on all the same: {name_some(names)}: {reason}. Check them, or leave them out.", warning=True
        )


def _files(paths: Sequence[Path]) -> str:
    """Count files and name the first of them."""
    return f"{len(paths)} files ({paths[0]} ...)" if len(paths) > 1 else str(paths[0])
