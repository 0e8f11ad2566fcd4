"""Open the image of a planned file, which may lie in several files."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from napari_unet_nuclei.core.errors import NucleiError
from napari_unet_nuclei.core.folder.plan import PlannedFile
from napari_unet_nuclei.core.image.io.image_file import ImageFile, ImageHeader
from napari_unet_nuclei.core.image.io.read import read_header, read_image
from napari_unet_nuclei.core.image.layouts.split_image import read_split, split_header
from napari_unet_nuclei.core.segment.fingerprint import hash_image
from napari_unet_nuclei.core.segment.planes import is_stack
from napari_unet_nuclei.core.segment.template import RequestTemplate, chosen_plane


def open_planned(planned: PlannedFile) -> ImageFile:
    """Read the image; raise ImageFileError as `read_image` does."""
    return read_split(planned.split) if planned.split else read_image(planned.image, planned.series)


def planned_header(planned: PlannedFile) -> ImageHeader:
    """Read what is said of the image; raise ImageFileError as `read_header` does."""
    return split_header(planned.split) if planned.split else read_header(planned.image, planned.series)


def holds_stack(planned: PlannedFile, template: RequestTemplate) -> bool | None:
    """Tell whether an image is a stack; None of one that cannot be read, or not as the template says."""
    try:
        source = planned_header(planned).source(template.axes)
        return is_stack(source, chosen_plane(source, template.plane))
    except NucleiError:
        return None


def hash_planned(planned: PlannedFile, hash_file: Callable[[Path], str] = hash_image) -> str:
    """SHA-256 over all files of the image, and what each of them holds; raise ImageFileError as `hash_image`."""
    if planned.split is None:
        return hash_file(planned.image)
    digest = hashlib.sha256()
    for one in planned.split.members:
        digest.update(
            f"{one.channel}\n{one.plane}\n{one.time}\n{hash_file(one.path)}\n".encode(errors="surrogateescape")
        )
    return digest.hexdigest()


def asked_of(planned: PlannedFile, template: RequestTemplate) -> RequestTemplate:
    """Return the template for one image: of files with one channel each, a number is the one in their names.

    Where the names have no such number, it counts the channels of all images of the kind, since a file may be missing.
    """
    settings, split = template.settings, planned.split
    if split is None or settings.channel_auto or not settings.channel.isdecimal():
        return template
    number, names = int(settings.channel), split.known_channels
    called = [name for name in names if _last_number(name) == number]
    counted = names[number : number + 1]
    meant = called if len(called) == 1 else counted
    if settings.channel in names or not all(meant) or not meant:
        return template
    return replace(template, settings=settings.changed(channel=meant[0]))


def _last_number(name: str) -> int | None:
    """The number that a name ends with: 2 of w2."""
    found = re.search(r"\d+$", name)
    return int(found[0]) if found else None
