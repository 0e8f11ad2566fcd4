"""Warnings about doubtful results, with what to try: shown beside the result, and applied by a button."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from napari_unet_nuclei.core.image.plane import ImageKind

KIND_NAMES: dict[str, str] = {
    "fluorescence": "bright nuclei on dark",
    "brightfield": "dark nuclei on bright",
}
"""Kinds of image as a person at a microscope would say it."""


@dataclass(frozen=True)
class Remedy:
    """A warning, and the settings that may fix its cause.

    Attributes
    ----------
    problem : str
        What is doubtful, as a sentence.
    action : str
        What to try, as on a button: "Try dark nuclei on bright".
    settings : mapping of str to object
        Values of `SegmentSettings` to run again with.
    none_found : bool
        The problem is that there are no nuclei, which other thresholds may solve as well.
    """

    problem: str
    action: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    none_found: bool = False

    @property
    def text(self) -> str:
        """Problem and remedy, for a terminal or a table; options are spelt as on the command line."""
        options = " ".join(f"--{name.replace('_', '-')} {value}" for name, value in self.settings.items())
        return f"{self.problem} {self.action}: {options}." if options else f"{self.problem} {self.action}."


def in_words(text: str) -> str:
    """Remove command-line options from a message, for windows.

    Examples
    --------
    >>> in_words("0 nuclei. Try dark nuclei on bright: --kind brightfield.")
    '0 nuclei. Try dark nuclei on bright.'
    >>> in_words("Choose the one that shows the nuclei (--channel NAME).")
    'Choose the one that shows the nuclei.'
    """
    return re.sub(r" \(--[a-z-]+[^()]*\)", "", re.sub(r":( --[a-z-]+ [^ ]+?)+\.", ".", text))


def remedies(count: int, kind: ImageKind, sure: bool, chosen: bool) -> tuple[Remedy, ...]:
    """List what is doubtful about a result of ``count`` nuclei; ``sure`` of its kind, unless the user has chosen it."""
    other: ImageKind = "brightfield" if kind == "fluorescence" else "fluorescence"
    action = f"Try {KIND_NAMES[other]}"
    if count == 0:
        return (Remedy("0 nuclei.", action, {"kind": other}, none_found=True),)
    if not sure and not chosen:
        return (Remedy(f"Read as {KIND_NAMES[kind]}, with little evidence.", action, {"kind": other}),)
    return ()


def odd_one_out(kind: ImageKind) -> Remedy:
    """Return the warning for an image that was read as another kind than nearly all images of its run."""
    other: ImageKind = "brightfield" if kind == "fluorescence" else "fluorescence"
    problem = f"Read as {KIND_NAMES[kind]}, unlike most images of this run."
    return Remedy(problem, f"Try {KIND_NAMES[other]}", {"kind": other})
