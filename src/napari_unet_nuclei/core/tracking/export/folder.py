"""Folders of other programs' formats, written whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from napari_unet_nuclei.core.errors import OutputFileError
from napari_unet_nuclei.core.files.atomic import atomic


@contextmanager
def whole_folder(path: Path, is_former: Callable[[Path], bool]) -> Iterator[Path]:
    """Fill a folder under a hidden name, and give it its name at the end.

    A folder that is there is replaced if it is empty or ``is_former`` says that it holds nothing but a former result.
    Raise OutputFileError where it holds anything else, or cannot be written.
    """
    if path.exists() and not (path.is_dir() and (not os.listdir(path) or is_former(path))):  # noqa: PTH208  # as names
        raise OutputFileError(f"{path} exists already and holds other files. Choose another folder.")
    with atomic(path) as partial:
        partial.mkdir()
        yield partial
        # A folder that has content cannot be replaced in one step.
        shutil.rmtree(path, ignore_errors=True)
