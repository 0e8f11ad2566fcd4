"""The verb *finetune* on files: corrected images in folders, the new model and its report out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from napari_unet_nuclei.core.errors import DatasetError, OutputFileError, WorseModelError
from napari_unet_nuclei.core.finetune.bases import rank_bases
from napari_unet_nuclei.core.finetune.corrected import read_corrected
from napari_unet_nuclei.core.finetune.report import comparisons, write_finetune_report
from napari_unet_nuclei.core.finetune.run import Finetuned, finetune
from napari_unet_nuclei.core.image.kind import ChosenKind
from napari_unet_nuclei.core.model.file import save_model
from napari_unet_nuclei.core.model.registry import BEST, SUFFIX, load_model
from napari_unet_nuclei.core.progress import Notice, Progress, Share, Silent
from napari_unet_nuclei.core.segment.remedy import KIND_NAMES
from napari_unet_nuclei.core.settings import FinetuneSettings
from napari_unet_nuclei.core.train.dataset import read_dataset
from napari_unet_nuclei.core.train.reading import InputForm
from napari_unet_nuclei.core.train.samples import Sample

RANKED = 0.1
"""Where the comparison of the installed models ends on the progress bar, where there is one."""

READ = 0.03
"""Where reading ends on the progress bar."""


@dataclass(frozen=True)
class FinetuneRequest:
    """Which model learns what.

    Attributes
    ----------
    base : str
        Name or path of the model to start from; "best" for the installed one that does best on the corrected nuclei.
    images, labels : Path
        Folders whose files have matching names.
    reviewed : Path, optional
        Folder with a region for each image: a mask image or GeoJSON. Everything was reviewed where not given.
    out : Path
        The model file to be, ``.safetensors``; its stem becomes the model's name.
    settings : FinetuneSettings
    channel : str
        The channel with the nuclei, by name or number from 0; found by its name where empty.
    keep_worse : bool
        Write the model also where it is worse than the old one.
    reference : Path, optional
        Labelled images that both models are scored on, in a layout that `core.train.layouts` describes.
    kind : {"auto", "fluorescence", "brightfield"}
        Of all images; told by each image's labels where not said.
    keep_doubtful : bool
        Learn also from images whose labels do not fit them.
    """

    base: str
    images: Path
    labels: Path
    out: Path
    reviewed: Path | None = None
    settings: FinetuneSettings = field(default_factory=FinetuneSettings)
    channel: str = ""
    keep_worse: bool = False
    reference: Path | None = None
    kind: ChosenKind = "auto"
    keep_doubtful: bool = False

    @property
    def report(self) -> Path:
        """HTML page with old and new model side by side."""
        return self.out.with_suffix(".report.html")


def finetune_folders(request: FinetuneRequest, progress: Progress) -> Finetuned:
    """Fine-tune a model on corrected images in folders; write the new model, and beside it the report.

    Parameters
    ----------
    request : FinetuneRequest
    progress : Progress
        *Finish* ends with the epoch and keeps the best weights.

    Raises
    ------
    OutputFileError
        If the model is there already, or cannot be written.
    DatasetError, NoSamplesError
        If the corrections cannot be used; the message names the file.
    WorseModelError
        If the new model is worse than the old one on held-out nuclei; only the report was written then.
    UnknownModelError, ModelFileError
        If there is no such model to start from.
    """
    if request.out.suffix != SUFFIX:
        raise OutputFileError(f"{request.out} must end in {SUFFIX}.")
    if request.out.exists():
        raise OutputFileError(f"{request.out} exists already. Choose another name.")
    name = request.base
    if name == BEST:
        name = best_base(request, Share(progress, 0.0, RANKED))
        progress = Share(progress, RANKED, 1.0)
    base = load_model(name)
    form = InputForm.of_model(base.card, request.channel or None)
    asked = replace(form, kind=request.kind)
    found = read_corrected(request.images, request.labels, request.reviewed, asked, Share(progress, 0.0, READ))
    samples, left_out = _without_doubtful(found, request.keep_doubtful, progress)
    reference = () if request.reference is None else read_dataset(request.reference, form)
    done = finetune(base, samples, request.settings, request.out.stem, Share(progress, READ, 1.0), reference, left_out)
    write_finetune_report(request.report, done)
    progress.report(Notice(done.chosen.report.sentence, warning=done.chosen.report.outcome == "worse"))
    for title, report in comparisons(done).items():
        if report.outcome == "worse" and report is not done.chosen.report:
            text = f"{title}: the new model is worse there. {request.report} shows how much."
            progress.report(Notice(text, warning=True))
    if done.chosen.report.outcome == "worse" and not request.keep_worse:
        raise WorseModelError(
            f"The new model was not written, because it is worse; {request.report} shows where. Correct more nuclei, "
            "or lower the strength."
        )
    save_model(request.out, done.chosen.model)
    return done


def best_base(request: FinetuneRequest, progress: Progress) -> str:
    """Score the installed models on the corrected nuclei, say how they did, and return the name of the best one.

    Raises
    ------
    DatasetError, NoSamplesError, UnknownModelError
        As `rank_bases`.
    """

    def samples(form: InputForm) -> list[Sample]:
        asked = replace(form, channel=request.channel or None, kind=request.kind)
        found = read_corrected(request.images, request.labels, request.reviewed, asked, Silent())
        return [sample for sample in found if request.keep_doubtful or not sample.doubt]

    ranked = rank_bases(samples, progress, request.settings.device, request.settings.seed)
    for one in ranked:
        progress.report(Notice(one.sentence))
    return ranked[0].name


def _without_doubtful(
    samples: Sequence[Sample], keep: bool, progress: Progress
) -> tuple[tuple[Sample, ...], tuple[str, ...]]:
    """Leave out what labels and image disagree about, and say so; say also how the others were read."""
    left = () if keep else tuple(f"{sample.name}: {sample.doubt}" for sample in samples if sample.doubt)
    kept = tuple(sample for sample in samples if keep or not sample.doubt)
    if left and not kept:
        raise DatasetError(
            "Labels and images do not agree, so nothing is left to learn from. Say --kind where all images are of one "
            f"kind, mend the labels, or add --keep-doubtful. {'; '.join(left)}."
        )
    for one in left:
        progress.report(Notice(f"Left out: {one}. Add --keep-doubtful to learn from it.", warning=True))
    kinds = Counter(sample.kind for sample in kept)
    read = ", ".join(f"{count} as {KIND_NAMES[kind]}" for kind, count in sorted(kinds.items()))
    progress.report(Notice(f"Images read: {read}."))
    return kept, left
