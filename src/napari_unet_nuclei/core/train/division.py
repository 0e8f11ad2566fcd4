"""Divide one or several data sets into images for training, for validation, and others."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np

from napari_unet_nuclei.core.errors import DatasetError, NoSamplesError, SettingsError
from napari_unet_nuclei.core.train.layouts import (
    INDEX,
    TRAIN,
    VALIDATION,
    Condition,
    Entry,
    data_folder,
    index_columns,
    is_index,
    list_entries,
)

VALIDATION_SHARE = 0.15
"""Share of the images set aside for validation if the data set does not say which."""


class Grouped(Protocol):
    """Anything that belongs to a group of similar images, such as tiles of one microscope field."""

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
        A CSV index, or a folder in one of the layouts of `core.train.layouts`.
    weight : float
        Factor on how often its images are drawn, above 0. Has no effect on a single set.
    name : str
        Used in figures and credits; the name of the folder if empty (see `named`).
    """

    path: Path
    weight: float = 1.0
    name: str = ""


@dataclass(frozen=True)
class Divided:
    """The images of a data set by purpose, not read yet."""

    dataset: DataSet
    training: tuple[Entry, ...]
    validation: tuple[Entry, ...]
    unseen: tuple[Entry, ...]  # assigned by the index to other parts
    unfiltered: tuple[str, ...] = ()  # columns that conditions name and that this data set lacks

    @property
    def entries(self) -> tuple[Entry, ...]:
        """All of them."""
        return (*self.training, *self.validation, *self.unseen)

    @property
    def variety(self) -> float:
        """Effective number of training images: a group of n similar images counts √n."""
        return sum(math.sqrt(count) for count in Counter(entry.group for entry in self.training).values())

    @property
    def importance(self) -> float:
        """How often each of its images is drawn, relative to those of other sets.

        A set is drawn in proportion to √variety, which is the rule for the images of a group applied one level up.
        Drawn in proportion to their number, 500 small images would all but hide 30 from another microscope; with all
        sets drawn equally often, each of those 30 would come up seventeen times as often as one of the 500 and be
        memorised. The square root is midway on a logarithmic scale. Reasoned, not measured.
        """
        return self.dataset.weight / math.sqrt(self.variety) if self.training else 0.0


def named(datasets: Sequence[DataSet]) -> tuple[DataSet, ...]:
    """Give every data set a unique name; raise `DatasetError` if a set or a name occurs twice.

    It is that of the folder, extended by parent folders, or by the index, only as far as needed to tell it from the
    others: ``lab/nuclei`` and ``clinic/nuclei``.
    """
    names = [(dataset.name,) if dataset.name else _possible_names(dataset.path) for dataset in datasets]
    length = [0] * len(names)
    while True:  # lengthen only names that collide; others stay as short as they are
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
    """Set the weights of named data sets from texts such as ``kromp=0.5``; raise `SettingsError` if one is invalid."""
    chosen: dict[str, float] = {}
    for text in weights:
        name, sign, value = text.rpartition("=")
        try:
            weight = float(value) if sign else math.nan
        except ValueError:
            weight = math.nan
        # Also rejects NaN, hence every text that is not NAME=NUMBER.
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
    """List the images of data sets by purpose, without reading them.

    Every set is divided on its own: as its index says, or else at random, by whole groups. One of several sets may
    contribute to training only, or to validation only. With several sets, images and groups are prefixed with the name
    of their set, so that equal names in two sets are never taken for the same image or group. Conditions apply to sets
    that have the column; `Divided.unfiltered` lists those that others lack.

    Raises `DatasetError` if a file is missing, no set has a column, a group is in both parts, or a set occurs twice;
    `NoSamplesError` if a part is empty, or a set contributes nothing.
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
    for part in (TRAIN, VALIDATION):
        if not any(one.training if part == TRAIN else one.validation for one in divided):
            raise none_left(paths, part, [entry.split for one in divided for entry in one.entries])
    return tuple(divided)


def split_by_group(
    samples: Sequence[GroupedType], share: float = VALIDATION_SHARE, seed: int = 0
) -> tuple[tuple[GroupedType, ...], tuple[GroupedType, ...]]:
    """Split samples in two so that no group is in both parts; each part is in the order of the samples.

    ``share`` of the samples in the second part is met as closely as whole groups allow, with at least one group. Raises
    `NoSamplesError` if there is only one group.

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
            "All images belong to one group, or there is only one image, so none would be left for validation. Add "
            "images of another field."
        )
    # Sorted before they are shuffled: the draw must not depend on the order of files on disk.
    groups = sorted(sizes)
    np.random.default_rng(seed).shuffle(groups)
    target, chosen, taken = share * len(samples), set[str](), 0
    # Greedy: take a group only if it brings the number of samples closer to the target.
    for group in groups:
        if abs(taken + sizes[group] - target) < abs(taken - target) and len(chosen) < len(groups) - 1:
            chosen.add(group)
            taken += sizes[group]
    # None was chosen if even the smallest overshoots the target by more than the target itself.
    chosen = chosen or {min(groups, key=lambda group: sizes[group])}
    return (
        tuple(sample for sample in samples if sample.group not in chosen),
        tuple(sample for sample in samples if sample.group in chosen),
    )


def none_left(dataset: Path | str, split: str, found: Iterable[str] = ()) -> NoSamplesError:
    """Build the error for a part without images; ``found`` are the parts of the images that there are."""
    named = ", ".join(f"'{one}'" for one in sorted(set(found)) if one)
    others = f" Its images are of split {named}." if named else ""
    return NoSamplesError(f"{dataset} has no image of split '{split}' that meets the conditions.{others}")


def _divide(dataset: DataSet, where: Sequence[Condition], share: float, seed: int, several: bool) -> Divided:
    """Divide one set; if there are several, prefix images and groups with its name."""
    entries = [replace(entry, dataset=dataset.name) for entry in list_entries(dataset.path, where)]
    if any(entry.split for entry in entries):
        training, validation = (tuple(e for e in entries if e.split == part) for part in (TRAIN, VALIDATION))
        unseen = tuple(entry for entry in entries if entry.split not in ("", TRAIN, VALIDATION))
        if several and not (training or validation):
            raise NoSamplesError(
                f"{dataset.path} has no image of split '{TRAIN}' or '{VALIDATION}' that meets the conditions. Leave "
                "the data set out."
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
    """Raise for a column that no data set has: a typing error must not select every image."""
    for one in where:
        if not any(one.column in known for known in columns):
            held = "; ".join(
                f"{dataset.name} has {', '.join(known) or f'no {INDEX}'}"
                for dataset, known in zip(datasets, columns, strict=True)
            )
            raise DatasetError(f"No data set has a column {one.column}: {held}.")


def _check_groups(dataset: Path, training: Sequence[Entry], validation: Sequence[Entry]) -> None:
    """Raise if validation images share a group with training images."""
    # Tiles of a field in both parts would make validation repeat what was memorised.
    learned = {entry.group: entry.name for entry in training}
    for entry in validation:
        if entry.group in learned:
            raise DatasetError(
                f"{dataset} has images of group '{entry.group}' in both parts: {learned[entry.group]} in training, "
                f"{entry.name} in validation. Put the whole group into one of them."
            )


def _possible_names(path: Path) -> tuple[str, ...]:
    """List candidate names of a data set, from the shortest to one that is unique on this computer."""
    folder = data_folder(path)
    # Two indexes in one folder differ only in their own names.
    tail = (path.stem,) if is_index(path) and path.name != INDEX else ()
    longer = ("/".join((*folder.parts[-count:], *tail)) for count in range(1, len(folder.parts) + 1))
    return tuple(dict.fromkeys((folder.name, *longer)))
