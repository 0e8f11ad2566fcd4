"""Tells what a run would do, image by image, before it does anything: the dry run."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Literal

from napari_unet_nuclei.core.batch.fingerprint import hash_image, hash_request
from napari_unet_nuclei.core.batch.plan import RunPlan
from napari_unet_nuclei.core.batch.projection import projected_axis
from napari_unet_nuclei.core.batch.record import FileRecord, read_note
from napari_unet_nuclei.core.batch.slides import planned_in_blocks, takes_blocks
from napari_unet_nuclei.core.batch.template import RequestTemplate, chosen_plane
from napari_unet_nuclei.core.batch.work import Task, check_ownership, finished
from napari_unet_nuclei.core.errors import ImageShapeError, NucleiError
from napari_unet_nuclei.core.image.axes import ImageSource
from napari_unet_nuclei.core.image.image_file import ImageHeader
from napari_unet_nuclei.core.image.read import read_header
from napari_unet_nuclei.core.model.registry import AUTOMATIC, default_registry
from napari_unet_nuclei.core.progress import Advanced, Progress
from napari_unet_nuclei.core.settings import BatchSettings

Intention = Literal["segment", "skip", "fail"]


@dataclass(frozen=True)
class Prospect:
    """What a run would do with one image.

    Attributes
    ----------
    image : str
        Path.
    bytes : int
        Size of the file, or of the pixels where the image is a folder; 0 where unknown.
    axes : str
        How its axes are read: ``Z 20 · C 2 · Y 512 · X 512``; empty where it cannot be read.
    dtype : str
    pixel_size : str
        In µm, y × x; empty where unknown.
    planes : int
        How many would be segmented.
    images : int
        How many images the file holds, of which one is taken.
    labels : str
        Path that they would be written to.
    intention : {"segment", "skip", "fail"}
        Skipped is what is done with the same request already.
    message : str
        Why it would fail.
    record : FileRecord or None
        What came of it when it was done.
    """

    image: str
    bytes: int = 0
    axes: str = ""
    dtype: str = ""
    pixel_size: str = ""
    planes: int = 0
    images: int = 1
    labels: str = ""
    intention: Intention = "segment"
    message: str = ""
    record: FileRecord | None = None


def look_ahead(
    plan: RunPlan,
    template: RequestTemplate,
    batch: BatchSettings,
    progress: Progress,
    on_prospect: Callable[[Prospect], None] = lambda prospect: None,
) -> list[Prospect]:
    """Look at all images of a plan, for most formats without reading pixels; nothing is written.

    Raises
    ------
    NucleiError
        If the model does not exist or cannot be used.
    Cancelled
    """
    request_hash = hash_request(template)
    inputs = _inputs(template)
    prospects = [Prospect(path, intention="fail", message=" ".join(reason.split())) for path, reason in plan.unusable]
    for prospect in prospects:
        on_prospect(prospect)
    for number, file in enumerate(plan.files):
        progress.report(Advanced(number / len(plan.files), f"looking at {file.image.name}"))
        prospects.append(_look(Task(file, template, batch, request_hash), inputs))
        on_prospect(prospects[-1])
    progress.report(Advanced(1.0, "done"))
    return prospects


def axes_text(axes: str, shape: Sequence[int]) -> str:
    """Say which axis is how long.

    Examples
    --------
    >>> axes_text("ZYX", (20, 512, 640)), axes_text("QYXS", (2, 512, 512, 3))
    ('Z 20 · Y 512 · X 640', '? 2 · Y 512 · X 512 · colours 3')
    """
    names = {"Q": "?", "S": "colours"}
    return " · ".join(f"{names.get(letter, letter)} {length}" for letter, length in zip(axes, shape, strict=True))


def _look(task: Task, inputs: int) -> Prospect:
    """Look at one image."""
    file, template = task.planned, task.template
    seen = Prospect(str(file.image), labels=str(file.labels))
    try:
        header = read_header(file.image, template.series)
        axes = template.axes or header.axes
        source = ImageSource(header, axes)
        seen = _described(seen, header, axes)
        seen = replace(seen, planes=_count_planes(source, template))
        _check_channel(source, template, inputs)
        if takes_blocks(file.image, template):
            return _look_at_large(seen, replace(task, planned=planned_in_blocks(file)))
        # An image is read as a whole only where there is something that it could be the image of.
        if read_note(file) is None:
            check_ownership(task, "")
            return seen
        image_hash = _hash(file.image)
        done = finished(task, image_hash)
        if done is None:
            check_ownership(task, image_hash)
            return seen
    except NucleiError as error:
        return replace(seen, intention="fail", message=" ".join(str(error).split()))
    return replace(seen, intention="skip", record=done)


def _look_at_large(seen: Prospect, task: Task) -> Prospect:
    """Tell whether an image that is segmented block by block is done; the run finds out how far it has come."""
    seen = replace(seen, labels=str(task.planned.labels))
    if read_note(task.planned) is None:
        return seen
    done = finished(task, _hash(task.planned.image))
    return seen if done is None else replace(seen, intention="skip", record=done)


def _hash(path: Path) -> str:
    state = path.stat()
    if path.is_dir():  # whose date tells nothing of what is in it
        return hash_image(path)
    return _hash_once(path, state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=100_000)
def _hash_once(path: Path, size: int, modified: int) -> str:
    """Hash an image that is looked at again and again while settings change; the run itself trusts no date."""
    return hash_image(path)


def _count_planes(source: ImageSource, template: RequestTemplate) -> int:
    """Count the planes that would be segmented.

    Raises
    ------
    ImageShapeError
        If the image has no such plane, or cannot be projected so.
    """
    axis = projected_axis(source, template.projection)
    if axis is not None:
        header, axes = source.array, source.axes[:axis] + source.axes[axis + 1 :]
        source = ImageSource(replace(header, shape=header.shape[:axis] + header.shape[axis + 1 :]), axes)
    return sum(1 for _ in source.plane_indices(chosen_plane(source, template.plane)))


def _check_channel(source: ImageSource, template: RequestTemplate, inputs: int) -> None:
    """Refuse what the first look of a run would refuse.

    Raises
    ------
    ImageShapeError
    """
    settings = template.settings
    if not settings.channel_auto and settings.channel >= source.channels:
        raise ImageShapeError(
            f"There is no channel {settings.channel}: the image has {source.channels}, counted from 0."
        )
    if settings.channel_auto and source.channels > 1 and not source.is_colour and inputs == 1:
        raise ImageShapeError(f"The image has {source.channels} channels. Choose the one that shows the nuclei.")
    if settings.channel_auto and inputs > 1 and source.channels not in (1, inputs):
        raise ImageShapeError(f"The image has {source.channels} channels, and the model takes {inputs} at once.")


def _inputs(template: RequestTemplate) -> int:
    """Channels that the model takes at once; where it is automatic, the kind of image is told from one."""
    if template.model == AUTOMATIC:
        return 1
    return default_registry().find(template.model).card.architecture.in_channels


def _described(seen: Prospect, header: ImageHeader, axes: str) -> Prospect:
    size = header.pixel_size
    return replace(
        seen,
        bytes=header.path.stat().st_size if header.path.is_file() else math.prod(header.shape) * header.dtype.itemsize,
        axes=axes_text(axes, header.shape),
        dtype=str(header.dtype),
        images=header.images,
        pixel_size=f"{size.y:.4g} × {size.x:.4g}" if size.known else "",
    )
