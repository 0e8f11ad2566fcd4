"""Match images and labels by name: ``a.png`` with ``a.tif`` or ``a_labels.tif``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from napari_unet_nuclei.core.errors import ImageFileError
from napari_unet_nuclei.core.image.io.find import image_paths

LABELS_MARK = "_labels"
"""End of a label file's stem if it lies beside its image."""

OVERLAY_MARK = "_overlay"
"""End of the stem of a picture with outlines: neither image nor labels."""

MOST_NAMED = 5
"""Files named in one message."""


def plain_stem(path: Path) -> str:
    """Stem of a file, without ``.ome`` too.

    Examples
    --------
    >>> plain_stem(Path("a.ome.tif")), plain_stem(Path("b.c.png"))
    ('a', 'b.c')
    """
    return path.stem[:-4] if path.stem.lower().endswith(".ome") else path.stem


def image_files(folder: Path) -> dict[str, Path]:
    """List the images of a folder and its subfolders by the path below the folder without the suffix.

    Labels beside their image are left out. Raise ImageFileError if the folder cannot be opened, holds no image, or two
    images differ only in their suffix.
    """
    return _by_name(folder, labels=False)


def label_files(folder: Path) -> dict[str, Path]:
    """List the label images of a folder and its subfolders by the name of their image.

    Like `image_files`; images beside their labels are left out.
    """
    return _by_name(folder, labels=True)


def name_some(paths: Sequence[Path | str]) -> str:
    """List the names of files for a message, at most `MOST_NAMED`.

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
            raise ImageFileError(f"{other} and {path} differ only in their suffix: keep one of them.")
        # An image and its labels have the same name here: the kind asked for takes precedence.
        if _marked(path) == labels or other == path:
            found[name] = path
    return found


def _marked(path: Path) -> bool:
    return plain_stem(path).endswith(LABELS_MARK)
