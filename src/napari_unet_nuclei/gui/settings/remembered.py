"""Remember what the docks were told, in napari's own plugin settings, which have a page in its Preferences."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, TypeVar

from napari_unet_nuclei.core.errors import NucleiError, SettingsError
from napari_unet_nuclei.core.model.registry import AUTOMATIC, default_registry
from napari_unet_nuclei.core.settings_base import Settings, validated
from napari_unet_nuclei.gui import PLUGIN


@dataclass(frozen=True)
class Choices:
    """Base of what the docks remember; every field is a `Settings` object or a plain value, and has a default."""

    dock: ClassVar[str]
    """Name of the dock's configuration in the manifest."""


ChoicesType = TypeVar("ChoicesType", bound=Choices)


def recall(kind: type[ChoicesType]) -> ChoicesType:
    """Return the remembered choices of a dock, or the defaults if there are none or they are invalid.

    A model that has been removed is replaced by the automatic choice.
    """
    found = _plugin_settings()
    if found is None:
        return kind()
    defaults = kind()
    former = _pop_former(found.config_file_settings.get(kind.dock, {}), defaults)
    values = {**getattr(found, kind.dock).model_dump(), **former}
    if "model" in values and not _is_installed(values["model"]):
        values["model"] = AUTOMATIC
    try:
        choices = choices_of(kind, values)
    except SettingsError:
        return defaults
    if former:
        remember(choices)
    return choices


def remember(choices: Choices) -> None:
    """Remember the choices of a dock; napari writes them to disk."""
    found = _plugin_settings()
    if found is None:
        return
    getattr(found, choices.dock).update(values_of(choices))


def values_of(choices: Choices) -> dict[str, Any]:
    """Return choices as plain values by name; those in `Settings` objects stand beside the others."""
    values: dict[str, Any] = {}
    for name, value in vars(choices).items():
        values |= value.model_dump() if isinstance(value, Settings) else {name: value}
    return values


def choices_of(kind: type[ChoicesType], values: Mapping[str, Any]) -> ChoicesType:
    """Return the choices that plain values stand for: the inverse of `values_of`.

    Raises
    ------
    SettingsError
        If a value is out of bounds.
    """
    defaults = kind()
    return kind(**{one.name: _part(getattr(defaults, one.name), one.name, values) for one in fields(kind)})


def _part(default: object, name: str, values: Mapping[str, Any]) -> object:
    """Return one field of the choices; the settings in it are stored side by side with everything else."""
    if not isinstance(default, Settings):
        return values[name]
    names = (*type(default).model_fields, *default.former)
    return validated(type(default), {name: values[name] for name in names if name in values})


def _pop_former(section: dict[str, Any], defaults: Choices) -> dict[str, Any]:
    """Take out of napari's file the settings of earlier versions that are still understood.

    napari ignores names that the manifest no longer has, and drops them when it next saves; until then they are only
    in the file's raw content, which napari keeps for as long as it runs. They are removed from it, so that they do not
    come back once the user has chosen something else.
    """
    settings = (value for value in vars(defaults).values() if isinstance(value, Settings))
    names = [name for one in settings for name, former in one.former.items() if not former.remedy]
    return {name: section.pop(name) for name in names if name in section}


def _is_installed(model: str) -> bool:
    if model == AUTOMATIC:
        return True
    try:
        default_registry().find(model)
    except NucleiError:
        return False
    return True


def _plugin_settings() -> Any:
    """Return napari's settings of this plugin; None if napari does not know it, e.g. because it is disabled."""
    from napari.settings import get_plugin_settings

    try:
        return get_plugin_settings(PLUGIN)
    except KeyError:
        return None
