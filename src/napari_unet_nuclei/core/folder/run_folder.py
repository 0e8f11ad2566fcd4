"""What all runs into one folder share: one of them writes at a time, and all use one number format."""

from __future__ import annotations

from pathlib import Path
from typing import cast, get_args

from napari_unet_nuclei.core.files.atomic import atomic
from napari_unet_nuclei.core.folder.plan import RECORDS
from napari_unet_nuclei.core.types import NumberFormat

LOCK, NUMBER_FORMAT = ".lock", ".number-format"


def kept_number_format(out: Path, *, afresh: bool) -> NumberFormat:
    """Return the number format of the runs into a folder: that of the first one, by whichever computer.

    Parameters
    ----------
    out : Path
    afresh : bool
        All is done anew: this computer's is taken.

    Raises
    ------
    OutputFileError
        If it cannot be noted.
    """
    path = out / RECORDS / NUMBER_FORMAT
    try:
        kept = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        kept = ""
    if kept in get_args(NumberFormat) and not afresh:
        return cast("NumberFormat", kept)
    from napari_unet_nuclei.core.model.number_format import cpu_number_format  # imports PyTorch

    chosen = cpu_number_format()
    with atomic(path) as partial:
        partial.write_text(chosen + "\n", encoding="utf-8")
    return chosen
