"""Divides data sets into images to learn from, to judge with, and others; several sets make one training."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np

from napari_unet_nuclei.core.errors import DatasetError, NoSamplesError, SettingsError
from napari_unet_nuclei.core.train.layouts import (
    INDEX,
    Condition,
    Entry,
    data_folder,
    index_columns,
    is_index,
    list_entries,
)

TRAIN, VALIDATION = "train", "val"
"""What an index calls its parts."""

VALIDATION_SHARE = 0.15
"""Share of the images that are kept for validation where the data set does not say which."""


class Grouped(Protocol):
    """Anything that belongs to a group of images that look alike."""

    @property
    def group(self) -> str:
        """Name of the group."""


GroupedType = TypeVar("GroupedType", bound=Grouped)


@dataclass(frozen=True)
class DataSet:
    """A data set to train on.

    Attributes
    ----------
    path : Path
        A CSV file, or a folder in one of the layouts that `core.train.layouts` describes.
    weight : float
        How many times more often than by default its images are drawn, above 0. Without effect on a single set.
    name : str
        As in figures and credits; that of the folder where empty (see `named`).
    """

    path: Path
    weight: float = 1.0
    name: str = ""


@dataclass(frozen=True)
class Divided:
    """The images of a data set by what they are for, not read yet.

    Attributes
    ----------
    dataset : DataSet
        With its name.
    training, validation, unseen : tuple of Entry
        To learn from, to judge with, and what an index puts into other parts than these.
    unfiltered : tuple of str
        Columns by which images of other sets were chosen, and which this one does not have.
    """

    dataset: DataSet
    training: tuple[Entry, ...]
    validation: tuple[Entry, ...]
    unseen: tuple[Entry, ...]
    unfiltered: tuple[str, ...] = ()

    @property
    def variety(self) -> float:
        """How many independent images there are to learn from: a group of n images counts √n."""
        return sum(math.sqrt(count) for count in Counter(entry.group for entry in self.training).values())

    @property
    def importance(self) -> float:
        """How many times more often each of its images is drawn, relative to other sets.

        Notes
        -----
        By default a set is drawn √variety times as often as a set of one image: the rule for the images of a group,
        one level up. In proportion to the number of images 500 small images would all but hide 30 from another
        microscope; were all sets drawn alike, each of those 30 would come up seventeen times as often as one of the
        500, and would be learnt by heart. The square root is midway between the two on a logarithmic scale.
        """
        return self.dataset.weight / math.sqrt(self.variety) if self.training else 0.0


def named(datasets: Sequence[DataSet]) -> tuple[DataSet, ...]:
    """Give every data set a name of its own.

    That is the name of its folder, with the names of the folders above, or of the index, as far as it takes to tell
    it from the others: ``lab/nuclei`` and ``clinic/nuclei``.

    Raises
    ------
    DatasetError
        If a data set, or a name, is given twice.
    """
    names = [(dataset.name,) if dataset.name else _possible_names(dataset.path) for dataset in datasets]
    length = [0] * len(names)
    while True:
        current = [options[step] for options, step in zip(names, length, strict=True)]
        shared = [number for number, name in enumerate(current) if current.count(name) > 1]
        if not shared:
            break
        for number in shared:
            length[number] += 1
            if length[number] == len(names[number]):
                raise DatasetError(f"The data set {datasets[number].path} is given twice: name it once.")
    return tuple(replace(dataset, name=name) for dataset, name in zip(datasets, current, strict=True))


def weighted(datasets: Sequence[DataSet], weights: Sequence[str]) -> tuple[DataSet, ...]:
    """Set the weights of named data sets from texts such as ``kromp=0.5``.

    Raises
    ------
    SettingsError
        If a text is no name with a number, a name is none of a data set or comes twice, or a weight is not above 0.
    """
    chosen: dict[str, float] = {}
    for text in weights:
        name, sign, value = text.rpartition("=")
        try:
            weight = float(value) if sign else math.nan
        except ValueError:
            weight = math.nan
        if not 0 < weight < math.inf:
            example = f"{name or text or 'NAME'}=0.5"
            raise SettingsError(f"'{text}' is not NAME=WEIGHT with a weight above 0, for instance {example}.")
        if name in chosen:
            raise SettingsError(f"The data set '{name}' has two weights: give one.")
        chosen[name] = weight
    known = [dataset.name for dataset in datasets]
    unknown = [name for name in chosen if name not in known]
    if unknown:
        raise SettingsError(f"There is no data set '{unknown[0]}' to weigh, only {', '.join(known)}.")
    return tuple(replace(dataset, weight=chosen.get(dataset.name, dataset.weight)) for dataset in datasets)


def divide(
    datasets: Sequence[DataSet],
    where: Sequence[Condition] = (),
    *,
    share: float = VALIDATION_SHARE,
    seed: int = 0,
) -> tuple[Divided, ...]:
    """List the images of data sets by what they are for.

    Every set is divided by itself: as its index says, else at random, whole groups at a time. Among several, one may
    be there to learn from only, or to judge with only. Images and groups of several sets carry the set's name, so that
    those of two sets are never taken for the same.

    Parameters
    ----------
    datasets : sequence of DataSet
        At least one.
    where : sequence of Condition
        What columns of an index must be; holds for the sets that have the column. `Divided.unfiltered` names those
        that do not have it, whose images are all kept.
    share : float
        Share of the images to judge with, where a data set does not say which (see `split_by_group`).
    seed : int
        Decides which.

    Raises
    ------
    DatasetError
        If a file is missing, no data set has a column that a condition names, an index has images of one group in both
        parts, or a data set is given twice.
    NoSamplesError
        If there is nothing to learn from or nothing to judge with, or a data set adds nothing.
    """
    datasets = named(datasets)
    several = len(datasets) > 1
    columns = [index_columns(dataset.path) for dataset in datasets] if where and several else []
    if columns:
        _check_columns(where, datasets, columns)
    divided = []
    for number, dataset in enumerate(datasets):
        own = [one for one in where if not columns or one.column in columns[number]]
        missing = tuple(dict.fromkeys(one.column for one in where if one not in own))
        divided.append(replace(_divide(dataset, own, share, seed, several), unfiltered=missing))
    paths = ", ".join(str(dataset.path) for dataset in datasets)
    if not any(one.training for one in divided):
        raise none_left(paths, TRAIN)
    if not any(one.validation for one in divided):
        raise none_left(paths, VALIDATION)
    return tuple(divided)


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


def none_left(dataset: Path | str, split: str) -> NoSamplesError:
    """Say that no image of a part is left."""
    return NoSamplesError(f"{dataset} has no image of split '{split}' that fits the choice.")


def _divide(dataset: DataSet, where: Sequence[Condition], share: float, seed: int, several: bool) -> Divided:
    """Divide one set; of several, its images and groups get the name of the set in front."""
    entries = [replace(entry, dataset=dataset.name) for entry in list_entries(dataset.path, where)]
    if any(entry.split for entry in entries):
        training, validation = (tuple(e for e in entries if e.split == part) for part in (TRAIN, VALIDATION))
        unseen = tuple(entry for entry in entries if entry.split not in ("", TRAIN, VALIDATION))
        if several and not (training or validation):
            raise NoSamplesError(
                f"{dataset.path} has no image of split '{TRAIN}' or '{VALIDATION}' that fits the choice: leave it out."
            )
        _check_groups(dataset.path, training, validation)
    else:
        try:
            training, validation = split_by_group(entries, share, seed)
        except NoSamplesError as error:
            raise NoSamplesError(f"{dataset.path}: {error}") from error
        unseen = ()
    if several:
        training, validation, unseen = (_with_name(part, dataset.name) for part in (training, validation, unseen))
    return Divided(dataset, training, validation, unseen)


def _with_name(entries: Sequence[Entry], name: str) -> tuple[Entry, ...]:
    return tuple(replace(one, name=f"{name}/{one.name}", group=f"{name}/{one.group}") for one in entries)


def _check_columns(where: Sequence[Condition], datasets: Sequence[DataSet], columns: Sequence[Sequence[str]]) -> None:
    """Refuse a column that no data set has: a slip of the pen must not choose everything."""
    for one in where:
        if not any(one.column in known for known in columns):
            held = "; ".join(
                f"{dataset.name} has {', '.join(known) or f'no {INDEX}'}"
                for dataset, known in zip(datasets, columns, strict=True)
            )
            raise DatasetError(f"No data set has a column {one.column}: {held}.")


def _check_groups(dataset: Path, training: Sequence[Entry], validation: Sequence[Entry]) -> None:
    """Refuse a split that would judge the model by what it has seen."""
    learned = {entry.group: entry.name for entry in training}
    for entry in validation:
        if entry.group in learned:
            raise DatasetError(
                f"{dataset} has images of group '{entry.group}' in both parts: {learned[entry.group]} to learn from, "
                f"{entry.name} to judge with. Put the whole group into one of them."
            )


def _possible_names(path: Path) -> tuple[str, ...]:
    """Names that a data set may have, from the shortest to one that no other folder, or index, can have."""
    folder = data_folder(path)
    # Two indexes of one folder differ by their own names only.
    tail = (path.stem,) if is_index(path) and path.name != INDEX else ()
    longer = ("/".join((*folder.parts[-count:], *tail)) for count in range(1, len(folder.parts) + 1))
    return tuple(dict.fromkeys((folder.name, *longer)))
