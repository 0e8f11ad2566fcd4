"""What a package says beyond the card of its model."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from napari_unet_nuclei.core.model.part import Part

Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^/\\]+$")]


class PackageNotes(Part):
    """The makers' statements in a BioImage.IO package.

    Attributes
    ----------
    authors : tuple of str
        Who made the model; needed but for the bundled one.
    licence : str
        Identifier (SPDX), such as CC-BY-4.0; by default the one on the model's card.
    """

    authors: tuple[Name, ...] = ()
    licence: str = ""
