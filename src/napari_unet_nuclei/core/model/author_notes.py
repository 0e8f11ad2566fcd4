"""The author's statements about a model that is to be trained."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, ValidationError

from napari_unet_nuclei.core.errors import SettingsError
from napari_unet_nuclei.core.model.card import CardKind, Credit
from napari_unet_nuclei.core.model.part import Part
from napari_unet_nuclei.core.settings_base import first_problem


class AuthorNotes(Part):
    """The author's statements about a model; everything else on its card is measured or follows from the data."""

    description: str = ""
    image_kind: CardKind | None = Field(
        None, description="Images the model is for; default: as in the model it starts from."
    )
    data_licence: str = Field("", description="Licence of the data sets that state none of their own.")
    credits: tuple[Credit, ...] = Field((), description="Data sets by name, each with licence and credit.")
    licence: str = ""
    limits: str = Field("", description="Where the model is known to fail.")


def read_author_notes(path: Path) -> AuthorNotes:
    """Read the author's statements from a JSON file.

    Raise SettingsError if the file cannot be read, or has unknown or invalid entries.
    """
    try:
        return AuthorNotes.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} cannot be read: {error}.") from error
    except ValidationError as error:
        raise SettingsError(
            f"{path} cannot be used ({first_problem(error)}). It may hold {', '.join(AuthorNotes.model_fields)}."
        ) from error
