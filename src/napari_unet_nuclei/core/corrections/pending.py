"""Files that a change of the corrections adds and deletes, noted first, so that the next one tidies up after a kill.

Only what is noted is ever deleted: other files in the folders may be corrections of an index that its user has moved
away because it was damaged.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, Field

from napari_unet_nuclei.core.corrections.index import FILE, IMAGES, INDEX, LABELS, REVIEWED, read_index
from napari_unet_nuclei.core.files.atomic import half_written, remove_remains
from napari_unet_nuclei.core.files.text import read_json
from napari_unet_nuclei.core.image.io.write import write_json

PENDING = ".pending.json"


class _Note(BaseModel):
    # The pattern keeps a foreign note from deleting files outside its folder.
    files: list[Annotated[str, Field(pattern=rf"^({IMAGES}|{LABELS}|{REVIEWED})/{FILE}$", max_length=255)]]


def note_pending(folder: Path, files: Sequence[str]) -> None:
    """Note files that are about to be added or deleted, relative to the index; the folder is locked.

    Raise OutputFileError if the note cannot be written.
    """
    write_json(folder / PENDING, {"files": list(files)})


def settle_pending(folder: Path) -> None:
    """Delete noted files that the index does not name, and what a kill left half-written; the folder is locked.

    Raise DatasetError if the index cannot be read: nothing that is complete is deleted.
    """
    remove_remains((folder / INDEX, folder / PENDING))
    for kind in (IMAGES, LABELS, REVIEWED):
        _delete(half_written(folder / kind, ".tif"))
    try:
        files = _Note.model_validate(read_json(folder / PENDING)).files
    except (OSError, ValueError):  # there is none, or none that can be believed
        files = []
    if files and (folder / INDEX).exists():
        kept = {file for entry in read_index(folder) for file in entry.files}
        _delete([folder / file for file in files if file not in kept])
    forget_pending(folder)


def forget_pending(folder: Path) -> None:
    """Delete the note alone."""
    _delete([folder / PENDING])


def _delete(paths: Sequence[Path]) -> None:
    for path in paths:
        with contextlib.suppress(OSError):  # open in another program; the leftover does no harm
            path.unlink(missing_ok=True)
