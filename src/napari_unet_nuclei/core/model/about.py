"""What a person says of a model that is to be trained."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, ValidationError

from napari_unet_nuclei.core.errors import SettingsError
from napari_unet_nuclei.core.model.card import CardKind, Credit, Part


class About(Part):
    """What a person says of a model that is to be trained; the rest of its card is measured or follows."""

    description: str = ""
    image_kind: CardKind | None = Field(
        None, description="Images the model is for; as in the model it is started from where not given."
    )
    data_licence: str = Field("", description="Of the data sets whose licence is said nowhere else.")
    credits: tuple[Credit, ...] = Field((), description="Data sets by their names, each with its licence and credit.")
    licence: str = ""
    limits: str = Field("", description="Where the model is known to fail.")


def read_about(path: Path) -> About:
    """Read what a person says of a model from a JSON file.

    Raises
    ------
    SettingsError
        If the file cannot be read, or says what no card has.
    """
    try:
        return About.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} cannot be read: {error}.") from error
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(map(str, problem["loc"])) or "file"
        raise SettingsError(
            f"{path} cannot be used ({where}: {problem['msg']}). It may hold {', '.join(About.model_fields)}."
        ) from error
