"""Read labelled images from disk, and say which file is wrong where one is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from napari_unet_nuclei.core.progress import Advanced, Notice, Progress, Share, Silent
from napari_unet_nuclei.core.train.division import VALIDATION_SHARE, DataSet, Divided, divide, none_left
from napari_unet_nuclei.core.train.layouts import Condition, Entry, list_entries
from napari_unet_nuclei.core.train.reading import InputForm, read_pair
from napari_unet_nuclei.core.train.samples import Sample

SHOWN_UNSEEN = 24
"""Images of other parts that a report shows the worst of: enough to see what goes wrong on them."""

Samples = tuple[Sample, ...]


def read_dataset(
    dataset: Path,
    form: InputForm | None = None,
    *,
    split: str = "",
    where: Sequence[Condition] = (),
    progress: Progress | None = None,
) -> Samples:
    """Read a data set.

    Parameters
    ----------
    dataset : Path
        A CSV file, or a folder in one of the layouts that `core.train.layouts` describes.
    form : InputForm, optional
        What the network takes; one channel where not given.
    split : str
        Only this part of an index; all where empty.
    where : sequence of Condition
        What columns of the index must be.
    progress : Progress, optional
        Hears of every image, and of labels that had to be guessed from masks.

    Raises
    ------
    DatasetError
        If a file is missing, cannot be read, or does not fit its partner; the message names the file.
    NoSamplesError
        If no image fits the choice.
    """
    entries = [entry for entry in list_entries(dataset, where) if split in ("", entry.split)]
    if not entries:
        raise none_left(dataset, split)
    return read_entries(entries, form or InputForm(), progress or Silent())


def read_training_and_validation(
    dataset: Path,
    form: InputForm | None = None,
    *,
    where: Sequence[Condition] = (),
    share: float = VALIDATION_SHARE,
    seed: int = 0,
    progress: Progress | None = None,
) -> tuple[Samples, Samples]:
    """Read a data set in two parts, one to learn from and one to judge with.

    Parameters
    ----------
    dataset, form, where, progress
        As for `read_dataset`.
    share : float
        Share of the images to judge with, where the data set does not say which (see `split_by_group`).
    seed : int
        Decides which.

    Returns
    -------
    training, validation : tuple of Sample

    Raises
    ------
    DatasetError
        As `read_dataset`, and if an index has images of one group in both parts.
    NoSamplesError
        If one of the parts would be empty.
    """
    divided = divide([DataSet(dataset)], where, share=share, seed=seed)
    return read_divided(divided, form or InputForm(), progress or Silent())


def read_divided(divided: Sequence[Divided], form: InputForm, progress: Progress) -> tuple[Samples, Samples]:
    """Read what data sets hold to learn from and to judge with, in the order of the sets.

    Parameters
    ----------
    divided : sequence of Divided
    form : InputForm
    progress : Progress
        Hears of every image; of several sets, how often each is drawn, and which could not be chosen by a column.

    Returns
    -------
    training, validation : tuple of Sample
        Of several sets, the training samples are as important as `Divided.importance` says.

    Raises
    ------
    DatasetError
        As `read_dataset`.
    """
    for notice in _notices(divided):
        progress.report(notice)
    training = [entry for one in divided for entry in one.training]
    validation = [entry for one in divided for entry in one.validation]
    middle = len(training) / (len(training) + len(validation))
    learnt = read_entries(training, form, Share(progress, 0.0, middle))
    if len(divided) > 1:
        importance = [one.importance for one in divided for _ in one.training]
        learnt = tuple(replace(sample, importance=value) for sample, value in zip(learnt, importance, strict=True))
    return learnt, read_entries(validation, form, Share(progress, middle, 1.0))


def read_unseen(divided: Sequence[Divided], form: InputForm) -> Samples:
    """Read up to `SHOWN_UNSEEN` images that indexes put into other parts than those for training and validation.

    Raises
    ------
    DatasetError
        As `read_dataset`.
    """
    unseen = [entry for one in divided for entry in one.unseen]
    return read_entries(unseen[:: max(-(-len(unseen) // SHOWN_UNSEEN), 1)], form, Silent())


def read_entries(entries: Sequence[Entry], form: InputForm, progress: Progress) -> Samples:
    """Read images that were found.

    Parameters
    ----------
    entries : sequence of Entry
    form : InputForm
    progress : Progress
        Hears of every image; a notice tells of masks without ids, another of masks that share pixels.

    Raises
    ------
    DatasetError
        As `read_dataset`.
    """
    samples, without_ids, sharing = [], [], []
    for number, entry in enumerate(entries):
        progress.report(Advanced(number / len(entries), f"reading image {number + 1} of {len(entries)}"))
        read, found = read_pair(entry, form)
        samples.append(
            Sample(
                entry.name,
                read.image,
                found.labels,
                entry.group,
                entry.dataset,
                reviewed=found.reviewed,
                kind=read.kind,
                picture=read.picture,
                doubt=read.doubt,
            )
        )
        if found.from_mask:
            without_ids.append(entry.labels[0])
        if found.shared_pixels:
            sharing.append(entry.image)
    if without_ids:
        progress.report(
            Notice(
                f"{_files(without_ids)} hold a mask of all nuclei, and no number for each. Connected pieces were "
                "taken as nuclei, so nuclei that touch count as one, and the model will not learn to separate them."
            )
        )
    if sharing:
        progress.report(Notice(f"Masks of {_files(sharing)} share a few pixels; these went to the smaller nucleus."))
    progress.report(Advanced(1.0, f"{len(entries)} images read"))
    return tuple(samples)


def _notices(divided: Sequence[Divided]) -> Iterator[Notice]:
    """Tell of several sets what each adds, and of those that a choice did not apply to."""
    for one in divided:
        for column in one.unfiltered:
            text = f"{one.dataset.name} has no column '{column}', so all of its images are used."
            yield Notice(text, warning=True)
    if len(divided) < 2:
        return
    drawn = [one.importance * one.variety for one in divided]
    for one, often in zip(divided, drawn, strict=True):
        yield Notice(
            f"{one.dataset.name}: {_images(one.training)} to learn from ({often / sum(drawn):.0%} of the crops), "
            f"{len(one.validation)} to judge with."
        )


def _images(entries: Sequence[Entry]) -> str:
    return "1 image" if len(entries) == 1 else f"{len(entries)} images"


def _files(paths: Sequence[Path]) -> str:
    """How many files, and the first of them."""
    return f"{len(paths)} files ({paths[0]} ...)" if len(paths) > 1 else str(paths[0])
