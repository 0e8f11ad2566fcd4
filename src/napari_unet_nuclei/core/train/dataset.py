"""Read labelled images from disk, divide them honestly, and say which file is wrong where one is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np

from napari_unet_nuclei.core.errors import DatasetError, NoSamplesError
from napari_unet_nuclei.core.progress import Advanced, Notice, Progress, Share, Silent
from napari_unet_nuclei.core.train.layouts import Condition, Entry, list_entries
from napari_unet_nuclei.core.train.reading import InputForm, read_pair
from napari_unet_nuclei.core.train.samples import Sample

TRAIN, VALIDATION = "train", "val"
"""What an index calls its parts."""

VALIDATION_SHARE = 0.15
"""Share of the images that are kept for validation where the data set does not say which."""

SHOWN_UNSEEN = 24
"""Images of other parts that a report shows the worst of: enough to see what goes wrong on them."""

Samples = tuple[Sample, ...]


class Grouped(Protocol):
    """Anything that belongs to a group of images that look alike."""

    @property
    def group(self) -> str:
        """Name of the group."""


GroupedType = TypeVar("GroupedType", bound=Grouped)


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
        raise _none_left(dataset, split)
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
    form, progress = form or InputForm(), progress or Silent()
    entries = list_entries(dataset, where)
    if any(entry.split for entry in entries):
        training, validation = (tuple(e for e in entries if e.split == part) for part in (TRAIN, VALIDATION))
        for part, chosen in ((TRAIN, training), (VALIDATION, validation)):
            if not chosen:
                raise _none_left(dataset, part)
        _check_groups(dataset, training, validation)
    else:
        training, validation = split_by_group(entries, share, seed)
    middle = len(training) / (len(training) + len(validation))
    return (
        read_entries(training, form, Share(progress, 0.0, middle)),
        read_entries(validation, form, Share(progress, middle, 1.0)),
    )


def read_unseen(dataset: Path, form: InputForm, where: Sequence[Condition] = ()) -> Samples:
    """Read up to `SHOWN_UNSEEN` images that an index puts into other parts than those for training and validation.

    Parameters
    ----------
    dataset, form, where
        As for `read_dataset`.

    Raises
    ------
    DatasetError
        As `read_dataset`.
    """
    unseen = [entry for entry in list_entries(dataset, where) if entry.split not in ("", TRAIN, VALIDATION)]
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


def split_by_group(
    samples: Sequence[GroupedType], share: float = VALIDATION_SHARE, seed: int = 0
) -> tuple[tuple[GroupedType, ...], tuple[GroupedType, ...]]:
    """Divide samples into two parts so that no group is in both.

    Parameters
    ----------
    samples : sequence
        With a ``group`` each.
    share : float
        Share of the samples in the second part, 0 to 1; met as closely as whole groups allow, one group at least.
    seed : int
        Decides which groups.

    Returns
    -------
    training, validation : tuple
        Each in the order of the samples.

    Raises
    ------
    NoSamplesError
        If there is only one group.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> tiles = [SimpleNamespace(group=field) for field in "aaabbbccc"]
    >>> training, validation = split_by_group(tiles, share=0.3)
    >>> len(validation), {tile.group for tile in training} & {tile.group for tile in validation}
    (3, set())
    """
    sizes = Counter(sample.group for sample in samples)
    if len(sizes) < 2:
        raise NoSamplesError(
            "All images belong to one group, or there is only one: nothing would be left to judge the model with. "
            "Add images of another field."
        )
    groups = sorted(sizes)
    np.random.default_rng(seed).shuffle(groups)
    target, chosen, taken = share * len(samples), set[str](), 0
    for group in groups:
        if abs(taken + sizes[group] - target) < abs(taken - target) and len(chosen) < len(groups) - 1:
            chosen.add(group)
            taken += sizes[group]
    chosen = chosen or {min(groups, key=lambda group: sizes[group])}
    return (
        tuple(sample for sample in samples if sample.group not in chosen),
        tuple(sample for sample in samples if sample.group in chosen),
    )


def _none_left(dataset: Path, split: str) -> NoSamplesError:
    return NoSamplesError(f"{dataset} has no image of split '{split}' that fits the choice.")


def _check_groups(dataset: Path, training: Sequence[Entry], validation: Sequence[Entry]) -> None:
    """Refuse a split that would judge the model by what it has seen."""
    learned = {entry.group: entry.name for entry in training}
    for entry in validation:
        if entry.group in learned:
            raise DatasetError(
                f"{dataset} has images of group '{entry.group}' in both parts: {learned[entry.group]} to learn from, "
                f"{entry.name} to judge with. Put the whole group into one of them."
            )


def _files(paths: Sequence[Path]) -> str:
    """How many files, and the first of them."""
    return f"{len(paths)} files ({paths[0]} ...)" if len(paths) > 1 else str(paths[0])
