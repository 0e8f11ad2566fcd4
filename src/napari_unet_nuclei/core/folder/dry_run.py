"""Dry run: list what a run would do with each image, without doing it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Literal

from napari_unet_nuclei.core.errors import ImageShapeError, NucleiError
from napari_unet_nuclei.core.folder.large_image import (
    BlockSettings,
    planned_in_blocks,
    planned_whole,
    takes_blocks,
    tells_classes,
)
from napari_unet_nuclei.core.folder.one_image import Task, check_ownership, finished, plan_tasks
from napari_unet_nuclei.core.folder.opened import hash_planned, planned_header
from napari_unet_nuclei.core.folder.plan import RunPlan, image_title, short_title
from napari_unet_nuclei.core.folder.record import FileRecord, read_note
from napari_unet_nuclei.core.image.axes import ImageSource
from napari_unet_nuclei.core.image.channels import chosen_channel, named_channel, open_channel_text
from napari_unet_nuclei.core.image.io.image_file import ImageHeader
from napari_unet_nuclei.core.image.io.ome_zarr import is_ome_zarr
from napari_unet_nuclei.core.image.io.tiff.ome import member_files
from napari_unet_nuclei.core.image.io.zarr_store import as_given
from napari_unet_nuclei.core.image.layouts.split_image import SplitImage
from napari_unet_nuclei.core.image.plates import PlateField
from napari_unet_nuclei.core.image.words import image_in_words
from napari_unet_nuclei.core.model.registry import default_registry
from napari_unet_nuclei.core.progress import Advanced, Notice, Progress
from napari_unet_nuclei.core.segment.fingerprint import hash_image
from napari_unet_nuclei.core.segment.planes import stack_reading
from napari_unet_nuclei.core.segment.projection import projected_axis
from napari_unet_nuclei.core.segment.template import RequestTemplate, chosen_plane
from napari_unet_nuclei.core.settings import BatchSettings

Intention = Literal["segment", "skip", "fail"]


@dataclass(frozen=True)
class Prospect:
    """What a run would do with one image.

    Attributes
    ----------
    bytes : int
        Size of the file, or of the pixels where the image is a folder; 0 where unknown.
    axes : str
        How its axes are read: ``Z 20 · C 2 · Y 512 · X 512``; empty where it cannot be read.
    words : str
        The image as it is understood: ``2 channels: DAPI, GFP · 20 planes of 2 µm · 0.325 µm · 512 × 512 px``.
    stored_axes, shape : str, tuple of int
        What the file itself says of its axes, one letter each, and their lengths.
    pixel_size : str
        In µm, y × x; empty where unknown.
    channel : str
        The channel that would be segmented, where there are several.
    kind : str
        Kind of image that was chosen, or was found out when it was done; ``auto`` where it is found out then.
    series : int
        Which of the images in the file.
    part : str
        What the image is called among those of its file or store; empty if it is the only one.
    listed, others : tuple of str
        All images of the file, in words, and those that the run leaves out.
    remarks : tuple of str
        What of the image was never taken or is lost, in words.
    intention : {"segment", "skip", "fail"}
        Skipped is what is done with the same request already; ``record`` is what came of it.
    message : str
        Why it would fail, or what is missing.
    split : SplitImage or None
        The files of an image that lies in several.
    place : PlateField or None
        Where on a plate the image was taken.
    """

    image: str
    bytes: int = 0
    axes: str = ""
    words: str = ""
    stored_axes: str = ""
    shape: tuple[int, ...] = ()
    dtype: str = ""
    pixel_size: str = ""
    planes: int = 0
    series: int = 0
    part: str = ""
    listed: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    labels: str = ""
    intention: Intention = "segment"
    message: str = ""
    record: FileRecord | None = None
    channel: str = ""
    kind: str = "auto"
    split: SplitImage | None = None
    place: PlateField | None = None

    @property
    def title(self) -> str:
        """The image's path, and which of the file's images it is."""
        return image_title(self.image, self.part)

    @property
    def short_title(self) -> str:
        """The same with the name of the file alone."""
        return short_title(self.image, self.part)


def look_ahead(
    plan: RunPlan,
    template: RequestTemplate,
    batch: BatchSettings,
    progress: Progress,
    on_prospect: Callable[[Prospect], None] = lambda prospect: None,
    *,
    blocks: BlockSettings = BlockSettings(),  # noqa: B008  # frozen
) -> list[Prospect]:
    """Look at all images of a plan, for most formats without reading pixels; nothing is written.

    ``blocks`` as `takes_blocks` takes it.
    """
    tasks = plan_tasks(plan, template, batch)
    inputs = _channels_at_once(template)
    prospects = [Prospect(path, intention="fail", message=" ".join(reason.split())) for path, reason in plan.unusable]
    for prospect in prospects:
        on_prospect(prospect)
    for remark in plan.remarks:
        progress.report(Notice(remark))
    for number, task in enumerate(tasks):
        progress.report(Advanced(number / len(tasks), f"looking at {task.planned.image.name}"))
        prospects.append(_look(task, inputs, blocks))
        on_prospect(prospects[-1])
    progress.report(Advanced(1.0, "done"))
    return prospects


def axes_text(axes: str, shape: Sequence[int]) -> str:
    """Format axes with their lengths.

    Examples
    --------
    >>> axes_text("ZYX", (20, 512, 640)), axes_text("QYXS", (2, 512, 512, 3))
    ('Z 20 · Y 512 · X 640', '? 2 · Y 512 · X 512 · colours 3')
    """
    names = {"Q": "?", "S": "colours"}
    return " · ".join(f"{names.get(letter, letter)} {length}" for letter, length in zip(axes, shape, strict=True))


def _look(task: Task, inputs: int, blocks: BlockSettings) -> Prospect:
    """Look at one image."""
    file, template = task.planned, task.template
    seen = Prospect(
        as_given(file.image),
        labels=str(file.labels),
        kind=template.settings.kind,
        series=file.series,
        part=file.part,
        listed=file.listed,
        others=file.others,
        split=file.split,
        place=file.place,
        message=" ".join(file.split.warnings) if file.split else "",
        remarks=file.remarks,
    )
    try:
        header = planned_header(file)
        axes = template.axes or header.axes
        source = header.source(axes)
        # Step by step: of an image that fails at one of these, what was found out before is shown.
        seen = _described(seen, header, axes)
        if header.guessed and axes == header.axes:
            seen = replace(seen, remarks=(*seen.remarks, header.guessed))
        seen = replace(seen, planes=_count_planes(source, template))
        seen = replace(seen, channel=_channel(source, template, inputs))
        large = takes_blocks(file, template, header, blocks=blocks)
        task = replace(task, planned=planned_in_blocks(file) if large else planned_whole(file))
        seen = replace(seen, labels=str(task.planned.labels))
        # Hashing reads the whole image: only where an earlier run has noted one that it could be.
        image_hash = "" if read_note(task.planned) is None else hash_planned(file, _hash)
        done = finished(task, image_hash) if image_hash else None
        if done is not None:
            return replace(seen, intention="skip", record=done, kind=done.kind or seen.kind)
        if not large:  # of a large image the run itself finds out how far an earlier one has come
            check_ownership(task, image_hash)
        return seen
    except NucleiError as error:
        return replace(seen, intention="fail", message=" ".join(str(error).split()))


def _hash(path: Path) -> str:
    if is_ome_zarr(path):  # whose date does not change with its contents
        return hash_image(path)
    states = [member.stat() for member in member_files(path)]
    return _hash_once(path, tuple((state.st_size, state.st_mtime_ns) for state in states))


@lru_cache(maxsize=100_000)
def _hash_once(path: Path, states: tuple[tuple[int, int], ...]) -> str:
    """Hash an image once for many dry runs while settings change; the run itself trusts no date."""
    return hash_image(path)


def _count_planes(source: ImageSource, template: RequestTemplate) -> int:
    """Count the planes that would be segmented; raise `ImageShapeError` and `SettingsError` as a run would."""
    axis = projected_axis(source, template.settings.planes)
    plane = () if axis is not None else chosen_plane(source, template.plane)
    stack_reading(source, plane, template.settings, classes=tells_classes(template.model))
    if axis is not None:
        # Only the header is here: the axis is taken from its shape, as `project` takes it from the pixels.
        header, axes = source.array, source.axes[:axis] + source.axes[axis + 1 :]
        source = replace(source, array=replace(header, shape=header.shape[:axis] + header.shape[axis + 1 :]), axes=axes)
    return sum(1 for _ in source.plane_indices(chosen_plane(source, template.plane)))


def _channel(source: ImageSource, template: RequestTemplate, inputs: int) -> str:
    """Name the channel that would be segmented, where there are several; raise `ImageShapeError` as a run would."""
    settings = template.settings
    if not settings.channel_auto:
        chosen = chosen_channel(source, settings.channel)
        return source.channel_name(chosen) if source.channels > 1 else ""
    if inputs > 1 and source.channels not in (1, inputs):
        raise ImageShapeError(f"The image has {source.channels} channels, and the model takes {inputs} at once.")
    if source.channels == 1 or source.is_colour or inputs > 1:
        return ""
    named = named_channel(source)
    if named is not None:
        return source.channel_name(named)
    if not source.rgb_channels:
        raise ImageShapeError(open_channel_text(source))
    return ""  # a colour picture, as far as can be told without its pixels


def _channels_at_once(template: RequestTemplate) -> int:
    """Channels that the model takes at once; 1 of a model that reads nuclear signals, which come from one."""
    inputs = default_registry().find(template.model).card.network_inputs
    return 1 if inputs.names else inputs.channels


def _described(seen: Prospect, header: ImageHeader, axes: str) -> Prospect:
    size = header.pixel_size
    return replace(
        seen,
        bytes=header.path.stat().st_size if header.path.is_file() else math.prod(header.shape) * header.dtype.itemsize,
        axes=axes_text(axes, header.shape),
        words=image_in_words(header.source(axes), size),
        stored_axes=header.axes,
        shape=header.shape,
        dtype=str(header.dtype),
        pixel_size=f"{size.y:.4g} × {size.x:.4g}" if size.known else "",
    )
