"""Finds images and labels that belong together by their names: ``a.png`` with ``a.tif`` or ``a_labels.tif``."""

from __future__ import annotations

from pathlib import Path

from napari_unet_nuclei.core.errors import ImageFileError
from napari_unet_nuclei.core.image.io.read import image_paths

LABELS_MARK = "_labels"
"""What the name of a label file ends in, before its suffix, where it lies beside its image."""

OVERLAY_MARK = "_overlay"
"""What the name of a picture with outlines ends in: neither image nor labels."""

MOST_NAMED = 5
"""Files that one message names."""


def plain_stem(path: Path) -> str:
    """Name of a file without its ending, which in ``a.ome.tif`` is all of ``.ome.tif``.

    Examples
    --------
    >>> plain_stem(Path("a.ome.tif")), plain_stem(Path("b.c.png"))
    ('a', 'b.c')
    """
    return path.stem[:-4] if path.stem.lower().endswith(".ome") else path.stem


def image_files(folder: Path) -> dict[str, Path]:
    """List the images of a folder and of those within it, by name.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    dict
        File by its name, which is the path below the folder without the ending. Labels that lie beside their image
        are left out.

    Raises
    ------
    ImageFileError
        If the folder cannot be opened, holds no image, or two images differ only in their ending.
    """
    return _by_name(folder, labels=False)


def label_files(folder: Path) -> dict[str, Path]:
    """List the label images of a folder and of those within it, by the name of the image that they belong to.

    Parameters and errors as for `image_files`. Images that lie beside their labels are left out.
    """
    return _by_name(folder, labels=True)


def name_some(paths: list[Path]) -> str:
    """Name files in a message, the first of many.

    Examples
    --------
    >>> name_some([Path("a.png")] * 7)
    'a.png, a.png, a.png, a.png, a.png and 2 more'
    """
    more = f" and {len(paths) - MOST_NAMED} more" if len(paths) > MOST_NAMED else ""
    return ", ".join(map(str, paths[:MOST_NAMED])) + more


def _by_name(folder: Path, labels: bool) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in image_paths([folder]):
        if plain_stem(path).endswith(OVERLAY_MARK):
            continue
        name = (path.parent.relative_to(folder) / plain_stem(path).removesuffix(LABELS_MARK)).as_posix()
        other = found.get(name, path)
        if other != path and _marked(other) == _marked(path):
            raise ImageFileError(f"{other} and {path} differ only in their ending: keep one of them.")
        if _marked(path) == labels or other == path:
            found[name] = path
    return found


def _marked(path: Path) -> bool:
    return plain_stem(path).endswith(LABELS_MARK)
