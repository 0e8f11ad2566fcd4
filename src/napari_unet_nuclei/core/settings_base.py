"""What settings are made of: fields with bounds and units, validation in the user's words, files.

A number that can be automatic is two fields, a switch ``<name>_auto`` and the number ``<name>``: forms and
option parsers then need no special case, and giving the number on the command line turns the switch off.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from napari_unet_nuclei.core.arguments import checked
from napari_unet_nuclei.core.errors import SettingsError
from napari_unet_nuclei.core.files.text import read_json

Unit = Literal["", "px", "px²", "µm", "s", "steps", "epochs"]


def number(
    default: float,
    text: str,
    unit: Unit = "",
    *,
    ge: float,
    le: float,
    step: float = 0,
    title: str = "",
    in_minutes: bool = False,
) -> Any:
    """Field of a bounded number with a unit.

    ``step`` is the increment of a spin box, ``title`` is what forms show; ``in_minutes`` lets them show seconds so.
    """
    extra: Any = {"unit": unit, "step": step, **({"in_minutes": True} if in_minutes else {})}
    return Field(default, title=title or None, description=text, ge=ge, le=le, json_schema_extra=extra)


def choice(default: object, text: str, title: str = "", values: Mapping[str, str] | None = None) -> Any:
    """Field of a switch, a choice or a name; forms show ``title`` and the texts that ``values`` gives for values."""
    extra: Any = {"values": dict(values)} if values else None
    return Field(default, title=title or None, description=text, json_schema_extra=extra)


class Former(NamedTuple):
    """A setting of earlier versions.

    Attributes
    ----------
    values : tuple of str
        Values that are still understood.
    remedy : str
        What to do instead, if its numbers have lost their meaning.
    """

    values: tuple[str, ...] = ()
    remedy: str = ""


class Settings(BaseModel):
    """Base of all settings: frozen, validated, and closed to unknown names."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    former: ClassVar[Mapping[str, Former]] = {}
    """Settings of earlier versions, by name."""

    @classmethod
    def in_present_words(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        """Translate settings of earlier versions into present ones.

        Raises
        ------
        ValueError
            If that is impossible, or contradicts other values.
        """
        return dict(values)

    @model_validator(mode="before")
    @classmethod
    def _understand(cls, values: Any) -> Any:
        """Drop former settings that were automatic; reject those that were set and have lost their meaning."""
        if not isinstance(values, dict):
            return values
        gone = {name: one.remedy for name, one in cls.former.items() if one.remedy}
        for name, remedy in gone.items():
            if name in values and not values.get(f"{name}_auto", False):
                raise SettingsError(remedy)
        passed = {one for name in gone for one in (name, f"{name}_auto")}
        return cls.in_present_words({name: value for name, value in values.items() if name not in passed})

    @classmethod
    def of_file(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        """Complete settings from a file with what they meant when it was written."""
        return dict(values)

    def changed(self, **values: object) -> Any:
        """Return a copy with some values replaced; giving a number turns its ``_auto`` switch off.

        Raises
        ------
        SettingsError
            If a name is unknown, a value is out of bounds, or a unit comes without its number.
        """
        try:
            values = self.in_present_words(values)
        except ValueError as error:
            raise SettingsError(f"A setting cannot be used: {error}.") from error
        for unit in (name for name in values if name.endswith("_unit")):
            number = unit.removesuffix("_unit")
            is_auto = values.get(f"{number}_auto", getattr(self, f"{number}_auto", False))
            if is_auto and number not in values and f"{number}_auto" not in values:
                raise SettingsError(f"'{unit}' has no effect while '{number}' is automatic: give '{number}' as well.")
        switches = {
            f"{name}_auto": False
            for name in values
            if f"{name}_auto" in type(self).model_fields and f"{name}_auto" not in values
        }
        return validated(type(self), {**self.model_dump(), **switches, **values})


SettingsType = TypeVar("SettingsType", bound=Settings)


def validated(kind: type[SettingsType], values: dict[str, object]) -> SettingsType:
    """Build settings from plain values; errors are in the user's words.

    Raises
    ------
    SettingsError
        If a name is unknown or a value is out of bounds.
    """
    try:
        return kind(**values)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, item['loc'])) or 'settings'}: {_message(item)} (got {item['input']!r})"
            for item in error.errors()
        )
        raise SettingsError(f"A setting cannot be used: {problems}.") from error


def titles_of(kind: type[Settings], name: str) -> dict[str, str]:
    """Return the titles that forms show for the values of a setting, by value.

    Examples
    --------
    >>> from napari_unet_nuclei.core.settings import BatchSettings
    >>> titles_of(BatchSettings, "labels")["ome.tif"]
    'OME-TIFF'
    """
    extra = kind.model_fields[name].json_schema_extra
    titles = extra.get("values") if isinstance(extra, dict) else None
    return {value: str(title) for value, title in titles.items()} if isinstance(titles, dict) else {}


def first_problem(error: ValidationError) -> str:
    """Return where the first problem of a file lies, and what it is."""
    problem = error.errors()[0]
    return f"{'.'.join(map(str, problem['loc'])) or 'file'}: {problem['msg']}"


def _message(problem: ErrorDetails) -> str:
    if problem["type"] == "extra_forbidden":
        return "there is no setting of this name"
    return problem["msg"].removeprefix("Value error, ")


@checked
def read_settings(path: Path | str, kind: type[SettingsType]) -> SettingsType:
    """Read settings from a JSON file: one that a dock saved, or the ``run.json`` of a folder of results.

    Parameters
    ----------
    path : Path or str
    kind : type
        `SegmentSettings`, `BatchSettings`, `TrainSettings` or `FinetuneSettings`.

    Raises
    ------
    SettingsError
        If the file is unreadable or not JSON, or has invalid values.
    """
    try:
        values = read_json(Path(path))
    except (OSError, ValueError) as error:
        raise SettingsError(f"The settings file {path} cannot be read as JSON: {error}.") from error
    if isinstance(values, dict) and isinstance(values.get("settings"), dict):  # as nested in run.json
        # Runs of earlier versions projected stacks beside their settings.
        beside = {name: values[name] for name in kind.former if name in values}
        values = {**beside, **values["settings"]}
    if not isinstance(values, dict):
        raise SettingsError(f"The settings file {path} must hold one JSON object with setting names and values.")
    return validated(kind, kind.of_file(values))
