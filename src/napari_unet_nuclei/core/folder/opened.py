"""Open the image of a planned file, which may lie in several files."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from napari_unet_nuclei.core.folder.plan import PlannedFile
from napari_unet_nuclei.core.image.io.image_file import ImageFile, ImageHeader
from napari_unet_nuclei.core.image.io.read import read_header, read_image
from napari_unet_nuclei.core.image.layouts.split_image import read_split, split_header
from napari_unet_nuclei.core.segment.fingerprint import hash_image
from napari_unet_nuclei.core.segment.template import RequestTemplate


def open_planned(planned: PlannedFile) -> ImageFile:
    """Read the image; raise ImageFileError as `read_image` does."""
    return read_split(planned.split) if planned.split else read_image(planned.image, planned.series)


def planned_header(planned: PlannedFile) -> ImageHeader:
    """Read what is said of the image; raise ImageFileError as `read_header` does."""
    return split_header(planned.split) if planned.split else read_header(planned.image, planned.series)


def hash_planned(planned: PlannedFile, hash_file: Callable[[Path], str] = hash_image) -> str:
    """SHA-256 over all files of the image, and what each of them holds; raise ImageFileError as `hash_image`."""
    if planned.split is None:
        return hash_file(planned.image)
    digest = hashlib.sha256()
    for one in planned.split.members:
        digest.update(f"{one.channel}\n{one.plane}\n{one.time}\n{hash_file(one.path)}\n".encode())
    return digest.hexdigest()


def asked_of(planned: PlannedFile, template: RequestTemplate) -> RequestTemplate:
    """Return the template for one image: a number of a channel counts those of all images of its kind.

    Where the files of one channel are missing, the same number would stand for another channel.
    """
    settings, split = template.settings, planned.split
    if split is None or settings.channel_auto or len(split.channels) == len(split.known_channels):
        return template
    number = settings.channel
    if number in split.known_channels or not number.isdecimal() or int(number) >= len(split.known_channels):
        return template
    return replace(template, settings=settings.changed(channel=split.known_channels[int(number)]))
