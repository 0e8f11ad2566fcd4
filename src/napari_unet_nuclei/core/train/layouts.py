"""Finds the images and labels of a data set on disk, in whichever of the usual layouts it is.

- An index: a CSV file with a column ``image``, and ``images/`` and ``labels/`` beside it. Columns ``split`` (train or
  val) and ``field`` or ``group`` (images that look alike) are used where they are, ``dataset`` and ``licence`` credit
  where an image comes from; any column can choose rows.
- Two folders ``images/`` and ``labels/`` (or ``masks/``) with files of matching names.
- The layout of the 2018 Data Science Bowl: a folder for each image, with ``images/`` for the image itself and
  ``masks/`` with one mask for each nucleus.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from napari_unet_nuclei.core.errors import DatasetError, ImageFileError, NoSamplesError, SettingsError
from napari_unet_nuclei.core.image.io.find import IMAGE_SUFFIXES, image_paths
from napari_unet_nuclei.core.image.io.pairs import image_files, label_files, name_some, plain_stem

IMAGES, LABELS, MASKS = "images", "labels", "masks"
"""Names of the folders."""

INDEX = "index.csv"
"""What an index is called where only its folder is given."""

GROUP_COLUMNS = ("field", "group")

Row = Mapping[str, str]


@dataclass(frozen=True)
class Condition:
    """What a column of an index must be, or must not be.

    Attributes
    ----------
    column, value : str
    equal : bool
        False where rows with another value are wanted.
    """

    column: str
    value: str
    equal: bool = True

    @staticmethod
    def read(text: str) -> Condition:
        """Read ``COLUMN=VALUE`` or ``COLUMN!=VALUE``.

        Raises
        ------
        SettingsError
            If the text is neither.

        Examples
        --------
        >>> Condition.read("stain!=DAPI")
        Condition(column='stain', value='DAPI', equal=False)
        """
        column, sign, value = text.partition("=")
        if not sign or not column.removesuffix("!"):
            raise SettingsError(f"'{text}' is not COLUMN=VALUE or COLUMN!=VALUE.")
        return Condition(column.removesuffix("!"), value, not column.endswith("!"))

    def holds(self, row: Row) -> bool:
        """Tell whether a row is wanted."""
        return (row[self.column] == self.value) == self.equal


@dataclass(frozen=True)
class Entry:
    """One labelled image of a data set, not read yet.

    Attributes
    ----------
    name : str
        For messages and reports.
    image : Path
    labels : tuple of Path
        One label image, or one mask for each nucleus.
    one_mask_per_nucleus : bool
    group : str
        Images of one group are never split between training and validation; the name where nothing is known.
    split : str
        Part of the data set that it belongs to; empty where nothing is known.
    dataset : str
        Name of the data set: that of its folder.
    source, licence : str
        Where the image was published and on which terms, as an index says; empty where it does not.
    modality : str
        Kind of image in the words of an index; empty where it has none.
    """

    name: str
    image: Path
    labels: tuple[Path, ...]
    one_mask_per_nucleus: bool
    group: str
    split: str = ""
    dataset: str = ""
    source: str = ""
    licence: str = ""
    modality: str = ""


def list_entries(dataset: Path, where: Sequence[Condition] = ()) -> tuple[Entry, ...]:
    """Find the labelled images of a data set.

    Parameters
    ----------
    dataset : Path
        A CSV file, or a folder in one of the layouts that this module describes.
    where : sequence of Condition
        What columns of the index must be.

    Raises
    ------
    DatasetError
        If something is missing; the message names it.
    NoSamplesError
        If no image fits the choice.
    """
    name = folder_name(dataset)
    return tuple(replace(entry, dataset=name) for entry in _find_entries(dataset, where))


def folder_name(dataset: Path) -> str:
    """Return the name of a data set: that of its folder, or of the folder its index lies in."""
    return data_folder(dataset).name


def data_folder(dataset: Path) -> Path:
    """Return the folder of a data set, which may be given as its index."""
    return (dataset.parent if is_index(dataset) else dataset).resolve()


def is_index(dataset: Path) -> bool:
    """Tell whether a data set is given as a CSV file."""
    return dataset.suffix.lower() == ".csv"


def index_columns(dataset: Path) -> tuple[str, ...]:
    """Return the columns of a data set's index; none where there is no index, or no row in it.

    Raises
    ------
    DatasetError
        If the index cannot be read.
    """
    index = _index_of(dataset)
    return tuple(next(iter(_rows(index)), {})) if is_index(index) else ()


def _index_of(dataset: Path) -> Path:
    """Return the index in a folder; the data set itself where there is none."""
    return dataset / INDEX if (dataset / INDEX).is_file() else dataset


def _find_entries(dataset: Path, where: Sequence[Condition]) -> tuple[Entry, ...]:
    index = _index_of(dataset)
    if is_index(index):
        return index_entries(index, _chooser(index, where))
    if where:
        raise DatasetError(
            f"{dataset} has no {INDEX}, so images cannot be chosen by {', '.join(one.column for one in where)}."
        )
    if not dataset.is_dir():
        raise DatasetError(f"{dataset} is no folder and no CSV file: check the name.")
    for kind in (LABELS, MASKS):
        if (dataset / IMAGES).is_dir() and (dataset / kind).is_dir():
            return folder_entries(dataset / IMAGES, dataset / kind)
    return bowl_entries(dataset)


def index_entries(index: Path, keep: Callable[[Row], bool] = lambda row: True) -> tuple[Entry, ...]:
    """List the images of an index.

    Parameters
    ----------
    index : Path
        CSV with a column ``image``: names of files in ``images/`` and ``labels/`` beside it, any ending.
    keep : callable, optional
        Chooses rows.

    Raises
    ------
    DatasetError
        If the index cannot be read or a file is missing.
    NoSamplesError
        If no row is chosen.
    """
    rows = [row for row in _rows(index) if keep(row)]
    if not rows:
        raise NoSamplesError(f"The index {index} has no image that fits the choice.")
    folders = [index.parent / IMAGES, index.parent / LABELS]
    with _naming_the_dataset():
        images, labels = image_files(folders[0]), label_files(folders[1])
    names = [_name(row) for row in rows]
    for folder, found in zip(folders, (images, labels), strict=True):
        missing = [folder / f"{name}.png" for name in names if name not in found]
        if missing:
            raise DatasetError(f"{index} lists files that are missing, with any ending: {name_some(missing)}.")
    return tuple(
        Entry(
            name,
            images[name],
            (labels[name],),
            False,
            _group(row) or name,
            split=_cell(row, "split"),
            source=_cell(row, "dataset"),
            licence=_cell(row, "licence"),
            modality=_cell(row, "modality"),
        )
        for name, row in zip(names, rows, strict=True)
    )


def folder_entries(images: Path, labels: Path) -> tuple[Entry, ...]:
    """Pair the files of two folders by name: ``a.png`` with ``a.tif`` or ``a_labels.tif``.

    Raises
    ------
    DatasetError
        If a folder is empty or a file has no partner.
    """
    with _naming_the_dataset():
        image_of, labels_of = image_files(images), label_files(labels)
    for own, others, folder, kind in ((image_of, labels_of, labels, LABELS), (labels_of, image_of, images, "image")):
        alone = [own[name] for name in sorted(own.keys() - others)]
        if alone:
            raise DatasetError(f"{folder} has no {kind} of the same name for: {name_some(alone)}.")
    return tuple(Entry(name, image_of[name], (labels_of[name],), False, name) for name in sorted(image_of))


def bowl_entries(dataset: Path) -> tuple[Entry, ...]:
    """List a data set in the layout of the 2018 Data Science Bowl.

    Raises
    ------
    DatasetError
        If no folder is as it should be, or one has an image without masks.
    """
    folders = [folder for folder in sorted(dataset.iterdir()) if (folder / IMAGES).is_dir()]
    if not folders:
        raise DatasetError(
            f"{dataset} is no data set: it needs {INDEX}, or folders {IMAGES}/ and {LABELS}/, "
            f"or for each image a folder with {IMAGES}/ and {MASKS}/."
        )
    return tuple(_bowl_entry(folder) for folder in folders)


def _bowl_entry(folder: Path) -> Entry:
    with _naming_the_dataset():
        images = image_paths([folder / IMAGES])
    if len(images) > 1:
        raise DatasetError(f"{folder / IMAGES} must hold one image, and holds {name_some(images)}.")
    try:
        masks = image_paths([folder / MASKS])
    except ImageFileError as error:
        raise DatasetError(
            f"{images[0]} has no mask in {folder / MASKS}. Where it shows no nuclei, put one black mask there."
        ) from error
    return Entry(folder.name, images[0], tuple(masks), True, folder.name)


def _chooser(index: Path, where: Sequence[Condition]) -> Callable[[Row], bool]:
    """Choose rows by the values of columns that the index must have."""
    if where:
        columns = next(iter(_rows(index)), {}).keys()
        unknown = [one.column for one in where if one.column not in columns]
        if unknown:
            raise DatasetError(f"{index} has no column {', '.join(unknown)}. It has: {', '.join(columns)}.")
    return lambda row: all(one.holds(row) for one in where)


def _rows(index: Path) -> list[Row]:
    try:
        with index.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"The data set's index {index} cannot be read: {error}.") from error
    if rows and "image" not in rows[0]:
        raise DatasetError(f"The index {index} has no column 'image' with the names of the images.")
    return list(rows)


def _name(row: Row) -> str:
    """Name of the image without an ending, which an index may give or leave out."""
    given = Path(row["image"] or "")
    known = given.suffix.lower() in IMAGE_SUFFIXES
    return (given.parent / plain_stem(given)).as_posix() if known else given.as_posix()


def _cell(row: Row, column: str) -> str:
    """Return the text of a cell; empty where the index has no such column."""
    return (row.get(column) or "").strip()


def _group(row: Row) -> str:
    return next((row[column] for column in GROUP_COLUMNS if row.get(column)), "")


@contextmanager
def _naming_the_dataset() -> Iterator[None]:
    """Say that a file that is missing or cannot be read makes the data set unusable."""
    try:
        yield
    except ImageFileError as error:
        raise DatasetError(f"The data set is incomplete: {error}") from error
