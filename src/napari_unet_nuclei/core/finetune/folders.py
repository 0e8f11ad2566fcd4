"""Fine-tune a model on corrected images in folders, and write the new model and its report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from napari_unet_nuclei.core.arguments import checked
from napari_unet_nuclei.core.corrections.correction import STACK
from napari_unet_nuclei.core.corrections.index import IMAGES, read_index
from napari_unet_nuclei.core.errors import (
    DatasetError,
    ImageFileError,
    OutputFileError,
    WorseModelError,
)
from napari_unet_nuclei.core.files.atomic import remove_remains
from napari_unet_nuclei.core.finetune.bases import rank_bases
from napari_unet_nuclei.core.finetune.finetune_model import Finetuned, finetune_model
from napari_unet_nuclei.core.finetune.report import comparisons, write_finetune_report
from napari_unet_nuclei.core.image.io.drawn_file import read_regions
from napari_unet_nuclei.core.image.io.formats import IMAGE_SUFFIXES
from napari_unet_nuclei.core.image.io.pairs import image_files, name_some, pair_name
from napari_unet_nuclei.core.image.kind import ChosenKind
from napari_unet_nuclei.core.image.outlines.geojson import is_geojson
from napari_unet_nuclei.core.model.card import check_model_name
from napari_unet_nuclei.core.model.file import save_model
from napari_unet_nuclei.core.model.registry import BEST, SUFFIX, load_model
from napari_unet_nuclei.core.progress import Notice, Progress, Share, Silent
from napari_unet_nuclei.core.segment.remedy import KIND_NAMES
from napari_unet_nuclei.core.settings import FinetuneSettings
from napari_unet_nuclei.core.train.dataset import check_choice_of_channel, read_dataset, read_entries
from napari_unet_nuclei.core.train.layouts import folder_entries
from napari_unet_nuclei.core.train.reading import InputForm
from napari_unet_nuclei.core.train.samples import Sample

RANKED = 0.1
"""End of ranking the installed models on the progress bar, if that is requested."""

READ = 0.03
"""End of reading on the progress bar."""


@dataclass(frozen=True)
class FinetuneRequest:
    """Describes a fine-tuning on images in folders; names as in `finetune`."""

    base: str  # name or path, or "best" for the installed one that does best on the corrected nuclei
    images: Path  # files with the names of those in ``labels``
    labels: Path
    out: Path  # ``.safetensors``; its stem becomes the model's name
    reviewed: Path | None = None  # a mask image or GeoJSON per image; by default, all is reviewed
    settings: FinetuneSettings = field(default_factory=FinetuneSettings)
    channel: str = ""  # by name or number from 0; if empty, found by name
    keep_worse: bool = False  # write the model even if it is worse than the old one
    reference: Path | None = None  # labelled images to score both models on
    kind: ChosenKind = "auto"  # of all images; by default, what the labels of each support
    keep_doubtful: bool = False  # train even on images that do not match their labels

    @property
    def report(self) -> Path:
        """HTML page that compares old and new model."""
        return self.out.with_suffix(".report.html")


@checked
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
        If a setting is unknown or out of bounds, or ``out`` would give a model no valid name.

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


def finetune_folders(request: FinetuneRequest, progress: Progress) -> Finetuned:
    """Fine-tune a model on corrected images in folders, and write the new model with its report.

    Errors as `finetune`: if the new model is worse, only the report is written, and `WorseModelError` raised.
    """
    if request.out.suffix != SUFFIX:
        raise OutputFileError(f"{request.out} must end in {SUFFIX}.")
    check_model_name(request.out.stem)
    if request.out.exists():
        raise OutputFileError(f"{request.out} exists already. Choose another name.")
    remove_remains((request.out, request.report))
    if request.channel:
        check_choice_of_channel(image_files(request.images).values(), request.channel)
    name = request.base
    if name == BEST:
        name = best_base(request, Share(progress, 0.0, RANKED))
        progress = Share(progress, RANKED, 1.0)
    base = load_model(name)
    form = InputForm.of_model(base.card, request.channel or None)
    asked = replace(form, kind=request.kind)
    found = read_corrected(request.images, request.labels, request.reviewed, asked, Share(progress, 0.0, READ))
    samples, left_out = _without_doubtful(found, request.keep_doubtful, progress)
    # In the form of the model: reference images are read as their labels say, whatever kind was set for the others.
    reference = () if request.reference is None else read_dataset(request.reference, form)
    done = finetune_model(
        base, samples, request.settings, request.out.stem, Share(progress, READ, 1.0), reference, left_out
    )
    # Before the verdict: the report shows why a model was not written.
    write_finetune_report(request.report, done)
    report = done.chosen.report
    progress.report(Notice(report.sentence, warning=report.outcome == "worse"))
    for title, other in comparisons(done).items():
        if other.outcome == "worse" and other is not report:
            text = f"{title}: the new model is worse there. {request.report} shows how much."
            progress.report(Notice(text, warning=True))
    if report.outcome == "worse" and not request.keep_worse:
        raise WorseModelError(
            f"The new model was not written, because it is worse; {request.report} shows where. Correct more nuclei, "
            "or lower the strength."
        )
    save_model(request.out, done.chosen.model)
    return done


def best_base(request: FinetuneRequest, progress: Progress) -> str:
    """Rank the installed models on the corrected nuclei, report the ranking, and return the name of the best."""

    def samples(form: InputForm) -> list[Sample]:
        asked = replace(form, channel=request.channel or None, kind=request.kind)
        found = read_corrected(request.images, request.labels, request.reviewed, asked, Silent())
        return [sample for sample in found if request.keep_doubtful or not sample.doubt]

    ranked = rank_bases(samples, progress, request.settings.device, request.settings.seed)
    for one in ranked:
        progress.report(Notice(one.sentence))
    return ranked[0].name


def read_corrected(
    images: Path, labels: Path, reviewed: Path | None, form: InputForm, progress: Progress
) -> tuple[Sample, ...]:
    """Read images with corrected labels and, if given, reviewed regions; folders as in `FinetuneRequest`.

    Raises `DatasetError`, which names the file, if one is missing, unreadable, or does not match its partner.
    """
    samples = read_entries(folder_entries(images, labels), form, progress, unlabelled=reviewed is not None)
    if reviewed is None:
        return _with_stacks(samples, images)
    regions = _region_files(reviewed)
    planes: dict[str, list[Sample]] = {}
    for sample in samples:
        planes.setdefault(sample.group, []).append(sample)
    alone = [images / name for name in planes if name not in regions]
    if alone:
        raise DatasetError(
            f"{reviewed} has no region of the same name for: {name_some(alone)}. If a whole image was reviewed, put a "
            "white mask there."
        )
    found = [one for name, stack in planes.items() for one in _with_regions(stack, regions[name])]
    return _with_stacks(found, images)


def _with_stacks(samples: Sequence[Sample], images: Path) -> tuple[Sample, ...]:
    """Tell which planes are of one stack, where the images are those of saved corrections, a file for each plane."""
    if images.name != IMAGES:
        return tuple(samples)
    stacks = {pair_name(images, images.parent / one.image): one.provenance for one in read_index(images.parent)}
    return tuple(replace(one, group=str(stacks.get(one.name, {}).get(STACK, "")) or one.group) for one in samples)


def _region_files(folder: Path) -> dict[str, Path]:
    """List region files by their path below the folder without extension, as images are named."""
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    paths = [path for path in found if path.suffix.lower() in IMAGE_SUFFIXES or is_geojson(path)]
    if not paths:
        raise DatasetError(f"{folder} holds no mask image and no GeoJSON file.")
    return {pair_name(folder, path): path for path in paths}


def _with_regions(planes: Sequence[Sample], path: Path) -> list[Sample]:
    """Give all planes of an image their reviewed regions; planes of a stack without any are left out."""
    height, width = planes[0].labels.shape
    try:
        regions = read_regions(path, (height, width), len(planes))
    except ImageFileError as error:
        raise DatasetError(f"The corrections cannot be used: {error}") from error
    found = [replace(sample, reviewed=region) for sample, region in zip(planes, regions, strict=True)]
    return [one for one, region in zip(found, regions, strict=True) if len(planes) == 1 or region.any()]


def _without_doubtful(
    samples: Sequence[Sample], keep: bool, progress: Progress
) -> tuple[tuple[Sample, ...], tuple[str, ...]]:
    """Leave out images that do not match their labels, and report them, and how the others are read."""
    left = () if keep else tuple(f"{sample.name}: {sample.doubt}" for sample in samples if sample.doubt)
    kept = tuple(sample for sample in samples if keep or not sample.doubt)
    if left and not kept:
        raise DatasetError(
            "Labels and images do not match, so no image is left to train on. Add --kind if all images are of one "
            f"kind, correct the labels, or add --keep-doubtful. {'; '.join(left)}."
        )
    for one in left:
        progress.report(Notice(f"Left out: {one}. Add --keep-doubtful to train on it.", warning=True))
    kinds = Counter(sample.kind for sample in kept)
    read = ", ".join(f"{count} as {KIND_NAMES[kind]}" for kind, count in sorted(kinds.items()))
    progress.report(Notice(f"Images read: {read}."))
    return kept, left
