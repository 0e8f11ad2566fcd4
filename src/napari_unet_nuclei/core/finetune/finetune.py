"""Fine-tunes a model on folders from Python: paths and settings as plain arguments."""

from __future__ import annotations

from pathlib import Path

from napari_unet_nuclei.core.finetune.finetune_model import Finetuned
from napari_unet_nuclei.core.finetune.folders import FinetuneRequest, finetune_folders
from napari_unet_nuclei.core.image.kind import ChosenKind
from napari_unet_nuclei.core.progress import Progress, Silent
from napari_unet_nuclei.core.settings import FinetuneSettings


def finetune(
    base: str | Path,
    images: Path | str,
    labels: Path | str,
    out: Path | str,
    *,
    reviewed: Path | str | None = None,
    channel: str = "",
    kind: ChosenKind = "auto",
    reference: Path | str | None = None,
    keep_doubtful: bool = False,
    keep_worse: bool = False,
    progress: Progress | None = None,
    **settings: object,
) -> Finetuned:
    """Fine-tune a model on corrected labels and compare it with the old one on held-out nuclei.

    Parameters
    ----------
    base : str or Path
        Model to start from, by name or path; ``"best"`` for the installed one that does best on the corrected nuclei.
    images, labels : Path or str
        Folders of images and of their corrected labels, with matching file names.
    out : Path or str
        Model file to write, ``.safetensors``; its stem becomes the model's name. The report is written beside it.
    reviewed : Path or str, optional
        Folder with a region per image, as a mask image or GeoJSON; pixels outside are ignored. Without it, whole images
        count as reviewed.
    channel : str
        Channel with the nuclei, by name or number from 0; found by its name if empty.
    kind : {"auto", "fluorescence", "brightfield"}
        Kind of all images; inferred from each image's labels by default.
    reference : Path or str, optional
        Labelled images to score both models on, not used for training.
    keep_doubtful : bool
        Train also on images that their labels do not seem to fit.
    keep_worse : bool
        Write the new model even if it is worse.
    progress : Progress, optional
        Receives an event per step and epoch. *Finish* keeps the best weights so far.
    **settings
        Fields of `FinetuneSettings`, for instance ``time=60``.

    Returns
    -------
    Finetuned
        The new model and its comparison with the old one; ``chosen.report.sentence`` sums it up.

    Raises
    ------
    WorseModelError
        If the new model is worse on the held-out nuclei and ``keep_worse`` is False; only the report is written.
    OutputFileError
        If ``out`` exists or cannot be written.
    DatasetError, NoSamplesError
        If the corrections cannot be used; the message names the file.
    UnknownModelError, ModelFileError
        If there is no such model to start from.
    SettingsError
        If a setting is unknown or out of bounds.

    Examples
    --------
    >>> from pathlib import Path
    >>> import tifffile
    >>> from napari_unet_nuclei import finetune, fluorescent_nuclei
    >>> sample = fluorescent_nuclei(shape=(192, 192), diameter=24, count=30)
    >>> for folder, pixels in {"images": sample.image, "labels": sample.labels}.items():
    ...     Path(folder).mkdir()
    ...     tifffile.imwrite(f"{folder}/a.tif", pixels)
    >>> done = finetune(
    ...     "nuclei", "images", "labels", "ours.safetensors", steps=2, rehearsal=False, keep_worse=True, device="cpu"
    ... )
    >>> done.chosen.model.card.name
    'ours'
    """
    request = FinetuneRequest(
        base=str(base),
        images=Path(images),
        labels=Path(labels),
        out=Path(out),
        reviewed=None if reviewed is None else Path(reviewed),
        settings=FinetuneSettings().changed(**settings),
        channel=channel,
        keep_worse=keep_worse,
        reference=None if reference is None else Path(reference),
        kind=kind,
        keep_doubtful=keep_doubtful,
    )
    return finetune_folders(request, progress or Silent())
