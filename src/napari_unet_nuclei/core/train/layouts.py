"""Find the images and labels of a data set on disk, in any of four layouts.

- An index: a CSV file with a column ``image``, beside ``images/`` and ``labels/``. Optional columns are ``split``
  (train or val), ``field`` or ``group`` (similar images), and ``dataset`` and ``licence`` (credits); rows can be
  selected by any column.
- Two folders ``images/`` and ``labels/`` (or ``masks/``) with files of matching names.
- One folder in which labels lie beside their images, as ``a_labels.tif`` or ``a_rois.zip`` of ``a.tif``.
- The layout of the 2018 Data Science Bowl: a folder per image, with the image in ``images/`` and one mask per nucleus
  in ``masks/``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from napari_unet_nuclei.core.errors import DatasetError, ImageFileError, NoSamplesError, SettingsError, TextFileError
from napari_unet_nuclei.core.files.tables import read_table
from napari_unet_nuclei.core.files.text import composed
from napari_unet_nuclei.core.image.io.find import image_paths
from napari_unet_nuclei.core.image.io.formats import IMAGE_SUFFIXES
from napari_unet_nuclei.core.image.io.pairs import (
    image_files,
    is_beside_image,
    label_files,
    name_some,
    plain_stem,
)

IMAGES, LABELS, MASKS = "images", "labels", "masks"
"""Names of the folders."""

INDEX = "index.csv"
"""Name of the index that is looked for in a folder."""

TRAIN, VALIDATION = "train", "val"
"""Names of the parts of a data set."""

SPLITS = dict.fromkeys(("train", "training"), TRAIN) | dict.fromkeys(("val", "valid", "validation", "dev"), VALIDATION)
"""What the parts are called in an index, in capitals or not."""

GROUP_COLUMNS = ("field", "group")

Row = Mapping[str, str]


@dataclass(frozen=True)
class Condition:
    """Condition on a column of an index."""

    column: str
    value: str
    equal: bool = True  # False to select rows with any other value

    @staticmethod
    def read(text: str) -> Condition:
        """Read ``COLUMN=VALUE`` or ``COLUMN!=VALUE``; raise `SettingsError` if the text has neither form.

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
        """Tell whether a row meets the condition."""
        return (row[self.column.casefold()] == self.value) == self.equal


@dataclass(frozen=True)
class Entry:
    """One labelled image of a data set, not read yet."""

    name: str  # used in messages and reports
    image: Path
    labels: tuple[Path, ...]  # one label image, or one mask per nucleus
    one_mask_per_nucleus: bool
    group: str  # never split between training and validation; the image's name if unknown
    split: str = ""  # part of the data set; empty if unknown
    dataset: str = ""  # name of its folder
    source: str = ""  # publication as stated in the index; empty if not stated
    licence: str = ""  # likewise
    modality: str = ""  # kind of image, likewise


def list_entries(dataset: Path, where: Sequence[Condition] = ()) -> tuple[Entry, ...]:
    """List the labelled images of a data set: a CSV index, or a folder in one of the layouts of this module.

    Raises `DatasetError`, which names what is missing: a file, a folder or a column; `NoSamplesError` if no image meets
    the conditions.
    """
    name = data_folder(dataset).name
    return tuple(replace(entry, dataset=name) for entry in _find_entries(dataset, where))


def data_folder(dataset: Path) -> Path:
    """Return the folder of a data set, which may be given by its index."""
    return (dataset.parent if is_index(dataset) else dataset).resolve()


def is_index(dataset: Path) -> bool:
    """Tell whether a data set is given by a CSV index."""
    return dataset.suffix.lower() == ".csv"


def index_columns(dataset: Path) -> tuple[str, ...]:
    """Return the columns of a data set's index; none if there is no index or it has no rows."""
    index = _index_of(dataset)
    return tuple(next(iter(_rows(index)), {})) if is_index(index) else ()


def _index_of(dataset: Path) -> Path:
    """Return the index in a folder, or the path itself if there is none."""
    return dataset / INDEX if (dataset / INDEX).is_file() else dataset


def _find_entries(dataset: Path, where: Sequence[Condition]) -> tuple[Entry, ...]:
    index = _index_of(dataset)
    if is_index(index):
        return index_entries(index, _chooser(index, where))
    if where:
        raise DatasetError(
            f"{dataset} has no {INDEX}, so images cannot be selected by {', '.join(one.column for one in where)}."
        )
    if not dataset.is_dir():
        raise DatasetError(f"{dataset} is neither a folder nor a CSV file. Check the name.")
    images = _subfolder(dataset, IMAGES)
    for labels in (_subfolder(dataset, LABELS), _subfolder(dataset, MASKS)):
        if images.is_dir() and labels.is_dir():
            return folder_entries(images, labels)
    if any(is_beside_image(path) for path in dataset.iterdir()):
        return folder_entries(dataset, dataset)
    return bowl_entries(dataset)


def index_entries(index: Path, keep: Callable[[Row], bool]) -> tuple[Entry, ...]:
    """List the selected images of an index; files beside it may have any extension."""
    listed = _rows(index)
    rows = [row for row in listed if keep(row)]
    if not rows:
        raise NoSamplesError(
            f"The index {index} has no image that meets the conditions." if listed else f"{index} lists no image."
        )
    folders = [_subfolder(index.parent, IMAGES), _subfolder(index.parent, LABELS)]
    with _naming_the_dataset():
        images, labels = image_files(folders[0]), label_files(folders[1])
    names = [_name(row, images) for row in rows]
    for folder, found in zip(folders, (images, labels), strict=True):
        missing = [folder / f"{name}.png" for name in names if name not in found]
        if missing:
            raise DatasetError(f"{index} lists files that are missing, whatever their extension: {name_some(missing)}.")
    return tuple(
        Entry(
            name,
            images[name],
            (labels[name],),
            False,
            _group(row) or name,
            split=_split(row),
            source=_cell(row, "dataset"),
            licence=_cell(row, "licence"),
            modality=_cell(row, "modality"),
        )
        for name, row in zip(names, rows, strict=True)
    )


def folder_entries(images: Path, labels: Path) -> tuple[Entry, ...]:
    """Pair the files of two folders by name: ``a.png`` with ``a.tif`` or ``a_labels.tif``."""
    with _naming_the_dataset():
        image_of, labels_of = image_files(images), label_files(labels)
    # In a folder of both, an image without labels is no labels of its own.
    labels_of = {name: path for name, path in labels_of.items() if path != image_of.get(name)}
    for own, others, folder, kind in ((image_of, labels_of, labels, LABELS), (labels_of, image_of, images, "image")):
        alone = [own[name] for name in sorted(own.keys() - others)]
        if alone:
            raise DatasetError(f"{folder} has no {kind} of the same name for: {name_some(alone)}.")
    return tuple(Entry(name, image_of[name], (labels_of[name],), False, name) for name in sorted(image_of))


def bowl_entries(dataset: Path) -> tuple[Entry, ...]:
    """List a data set in the layout of the 2018 Data Science Bowl."""
    folders = [folder for folder in sorted(dataset.iterdir()) if (folder / IMAGES).is_dir()]
    if not folders:
        raise DatasetError(
            f"{dataset} is not a data set: it needs {INDEX}, or folders {IMAGES}/ and {LABELS}/, or labels beside "
            f"their images (a_labels.tif for a.tif), or a folder per image with {IMAGES}/ and {MASKS}/."
        )
    return tuple(_bowl_entry(folder) for folder in folders)


def _bowl_entry(folder: Path) -> Entry:
    with _naming_the_dataset():
        images = image_paths([folder / IMAGES])
    if len(images) > 1:
        raise DatasetError(f"{folder / IMAGES} must hold one image but holds {name_some(images)}.")
    try:
        masks = image_paths([folder / MASKS])
    except ImageFileError as error:
        raise DatasetError(
            f"{images[0]} has no mask in {folder / MASKS}. If it shows no nuclei, put one black mask there."
        ) from error
    return Entry(folder.name, images[0], tuple(masks), True, folder.name)


def _chooser(index: Path, where: Sequence[Condition]) -> Callable[[Row], bool]:
    """Return a selector of rows; raise if the index lacks a column."""
    if where:
        columns = next(iter(_rows(index)), {}).keys()
        unknown = [one.column for one in where if one.column.casefold() not in columns]
        if unknown:
            raise DatasetError(f"{index} has no column {', '.join(unknown)}. It has: {', '.join(columns)}.")
    return lambda row: all(one.holds(row) for one in where)


def _rows(index: Path) -> list[Row]:
    try:
        table = read_table(index)
    except TextFileError as error:
        raise DatasetError(f"The data set's index cannot be read: {error}") from error
    if table.rows and "image" not in table.columns:
        raise DatasetError(f"The index {index} has no column 'image' with the names of the images.")
    return list(table.rows)


def _name(row: Row, images: Collection[str]) -> str:
    """Return the name of the image without its extension and its folder, which the index may include or omit."""
    given = Path(composed(row["image"].replace("\\", "/")))
    known = given.suffix.lower() in IMAGE_SUFFIXES
    name = composed((given.parent / plain_stem(given) if known else given).as_posix())
    below = name.partition("/")[2] if name.casefold().startswith(f"{IMAGES}/") else name
    return below if below in images and name not in images else name


def _split(row: Row) -> str:
    """Return the part of the data set that an image is in, by the name that it has here."""
    said = _cell(row, "split")
    return SPLITS.get(said.casefold(), said)


def _subfolder(dataset: Path, name: str) -> Path:
    """Return a folder of a data set, in capitals or not."""
    alike = [one for one in dataset.iterdir() if one.name.casefold() == name] if dataset.is_dir() else []
    return dataset / name if (dataset / name) in alike or len(alike) != 1 else alike[0]


def _cell(row: Row, column: str) -> str:
    """Return the text of a cell; empty if the index lacks the column."""
    return (row.get(column) or "").strip()


def _group(row: Row) -> str:
    return next((row[column] for column in GROUP_COLUMNS if row.get(column)), "")


@contextmanager
def _naming_the_dataset() -> Iterator[None]:
    """Re-raise errors of missing or unreadable files as errors of the data set."""
    try:
        yield
    except ImageFileError as error:
        raise DatasetError(f"The data set is incomplete: {error}") from error
