"""Find the channel that shows the nuclei by its name, and name channels for people."""

from __future__ import annotations

import re

from napari_unet_nuclei.core.errors import ImageShapeError
from napari_unet_nuclei.core.files.text import comparable
from napari_unet_nuclei.core.image.axes import ImageSource

NUCLEAR_NAMES = re.compile(
    r"dapi|hoechst|draq|nucblue|nucspot|ha?ematoxylin|propidium|sir-?dna|to-?pro"
    r"|(?<![a-z])(?:syto|h2b|nuc(?!leol))|(?<![a-z])dna(?![a-z])|(?<![a-z0-9])(?:pi|h)(?![a-z0-9])",
    re.IGNORECASE,
)
"""Names of channels that show nuclei: nuclear dyes and proteins. Names that also occur within other words count only at
the start of a word; a digit or underscore before it, as in "w1_nuc", does not belong to the word."""


def named_channel(source: ImageSource) -> int | None:
    """Return the channel whose name says that it shows nuclei; None unless there is exactly one."""
    if source.channels == 1 or source.is_colour:
        return None
    found = [channel for channel, name in enumerate(source.channel_names) if NUCLEAR_NAMES.search(name)]
    return found[0] if len(found) == 1 else None


def find_channel(source: ImageSource, said: str) -> int:
    """Find a channel by its name in upper or lower case, its number from 0, or a unique part of its name.

    Raise ImageShapeError if there is no such channel, or more than one; the message lists the channels.

    Examples
    --------
    >>> import numpy as np
    >>> image = ImageSource(np.zeros((3, 8, 8)), "CYX", ("DAPI", "GFP-488", "RFP-561"))
    >>> find_channel(image, "dapi"), find_channel(image, "488"), find_channel(image, "2")
    (0, 1, 2)
    """
    wanted = comparable(said)
    names = [comparable(source.channel_name(channel)) for channel in range(source.channels)]
    # Names first, for a channel may be called 2 or 488.
    if wanted in names:
        return names.index(wanted)
    if wanted.isdecimal() and int(wanted) < source.channels:
        return int(wanted)
    found = [channel for channel, name in enumerate(names) if wanted and wanted in name]
    if len(found) == 1:
        return found[0]
    meant = said if said.isdecimal() else f"'{said}'"
    if source.channels == 1:
        raise ImageShapeError(f"There is no channel {meant} to choose: the image has {channels_text(source)}.")
    many = "More than one channel is called" if found else "There is no channel"
    raise ImageShapeError(f"{many} {meant}: the image has {channels_text(source)}.")


def chosen_channel(source: ImageSource, said: str) -> int:
    """Find the channel that a user chose, like `find_channel`; raise ImageShapeError too where there is no choice.

    Naming the only channel by its own name is right, and harmless in a run over images of which some have more.
    """
    channel = find_channel(source, said)
    if source.channels == 1 and comparable(said) != comparable(source.channel_name(0)):
        raise ImageShapeError(f"The image has only one channel, so choosing {said} has no effect: leave that out.")
    return channel


def channels_text(source: ImageSource) -> str:
    """List the channels: "2 channels, DAPI (0) and GFP (1)"."""
    if source.channels == 1:
        return "only one channel"
    if not any(source.channel_names) and not source.is_colour:
        return f"{source.channels} channels, counted from 0"
    named = [f"{source.channel_name(channel)} ({channel})" for channel in range(source.channels)]
    return f"{source.channels} channels, {', '.join(named[:-1])} and {named[-1]}"


def open_channel_text(source: ImageSource) -> str:
    """Ask for a channel, and say how to choose it."""
    names = source.channel_names
    how = "--channel NAME" if any(names) and len(set(names)) == len(names) else "--channel NUMBER"
    return f"The image has {channels_text(source)}. Choose the one that shows the nuclei ({how})."
