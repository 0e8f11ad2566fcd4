"""A form for any settings class, built from the text, bounds and units that the core declares."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Generic, TypeVar, cast

from annotated_types import Ge, Le
from magicgui.widgets import FloatSpinBox, create_widget
from magicgui.widgets.bases import ValueWidget
from pydantic.fields import FieldInfo
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFormLayout, QHBoxLayout, QLabel, QWidget

from napari_unet_nuclei.core.settings_base import Settings, validated
from napari_unet_nuclei.gui.widgets.choice_box import keep_narrow

SettingsType = TypeVar("SettingsType", bound=Settings)

AUTOMATIC_SUFFIX = "_auto"
UNIT_SUFFIX = "_unit"
FEWEST_DECIMALS = 2

MINUTE = 60
"""Seconds."""


class SettingsForm(QWidget, Generic[SettingsType]):
    """Controls for the fields of a settings class, one row each.

    A field ``<name>`` shares its row with its unit ``<name>_unit`` and its switch ``<name>_auto``, which disables it
    while on. Fields without a row keep the value that `setValue` gave them.

    Parameters
    ----------
    kind : type
        The settings class.
    fields : sequence of str, optional
        Names of the fields to show, in this order; all by default. Switches and units follow their fields.
    choices : mapping, optional
        Allowed values of text fields, by name.
    """

    valueChanged = Signal()
    """The user or `setValue` changed a value."""

    def __init__(
        self,
        kind: type[SettingsType],
        fields: Sequence[str] = (),
        choices: Mapping[str, Sequence[str]] | None = None,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._kind = kind
        self._base = kind()
        self._controls: dict[str, ValueWidget[Any]] = {}
        layout = QFormLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        layout.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapLongRows)
        for name in _leading(fields or tuple(kind.model_fields)):
            self._add_row(layout, name, choices or {})
        self._follow_switches()

    def value(self) -> SettingsType:
        """Return the settings.

        Raises
        ------
        SettingsError
            If a text is invalid.
        """
        return validated(self._kind, {**self._base.model_dump(), **self.shown()})

    def shown(self) -> dict[str, Any]:
        """Return the values of the fields that have a row, with their switches and units."""
        return {
            name: float(control.value * MINUTE) if self._is_in_minutes(name) else control.value
            for name, control in self._controls.items()
        }

    def _is_in_minutes(self, name: str) -> bool:
        return _in_minutes(self._kind.model_fields[name])

    def setValue(self, settings: SettingsType) -> None:
        """Show settings."""
        self._base = settings
        for name, control in self._controls.items():
            with control.changed.blocked():
                value = getattr(settings, name)
                control.value = _minutes(value) if self._is_in_minutes(name) else value
        self._changed()

    def control(self, name: str) -> ValueWidget[Any]:
        """Return the control of a field."""
        return self._controls[name]

    def _add_row(self, layout: QFormLayout, name: str, choices: Mapping[str, Sequence[str]]) -> None:
        """Add one field with its switch and its unit."""
        members = [f"{name}{AUTOMATIC_SUFFIX}", name, f"{name}{UNIT_SUFFIX}"]
        row = QHBoxLayout()
        for member in (member for member in members if member in self._kind.model_fields):
            control = _create_control(self._kind.model_fields[member], member, choices.get(member, ()))
            control.changed.connect(self._changed)
            self._controls[member] = control
            row.addWidget(control.native, stretch=int(member == name))
        label = QLabel(field_title(self._kind, name))
        label.setToolTip(self._controls[name].tooltip)
        layout.addRow(label, row)

    def _changed(self, _value: object = None) -> None:
        self._follow_switches()
        self.valueChanged.emit()

    def _follow_switches(self) -> None:
        """Disable fields whose switch is on."""
        for name, control in self._controls.items():
            if name.endswith(AUTOMATIC_SUFFIX):
                field = name.removesuffix(AUTOMATIC_SUFFIX)
                for member in (field, f"{field}{UNIT_SUFFIX}"):
                    if member in self._controls:
                        self._controls[member].enabled = not control.value


def _leading(fields: Sequence[str]) -> list[str]:
    """Return the fields that get a row: all except switches and units."""
    followers = {f"{name}{suffix}" for name in fields for suffix in (AUTOMATIC_SUFFIX, UNIT_SUFFIX)}
    return [name for name in fields if name not in followers]


def _create_control(field: FieldInfo, name: str, choices: Sequence[str]) -> ValueWidget[Any]:
    """Return the control of a field, with bounds, step and tooltip."""
    extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
    options: dict[str, Any] = {"tooltip": _tooltip(field)}
    low, high = _bounds(field)
    if low is not None and high is not None and _in_minutes(field):
        return _minutes_box(field, name, {**options, "min": _minutes(low), "max": int(high / MINUTE)})
    if low is not None and high is not None:
        options |= {"min": low, "max": high, "step": extra.get("step")}
    titles = extra.get("values")
    if isinstance(titles, dict):
        options["choices"] = [(str(title), value) for value, title in titles.items()]
    elif choices:
        options["choices"] = list(choices)
    if name.endswith(AUTOMATIC_SUFFIX):
        options["text"] = "automatic"
    elif field.annotation is bool:
        options["text"] = "on"
    control = create_widget(
        value=field.default,
        annotation=field.annotation,
        name=name,
        widget_type="ComboBox" if "choices" in options else None,
        options=options,
    )
    if isinstance(control, FloatSpinBox) and low is not None:
        control.native.setDecimals(_decimals(options["min"], float(options["step"] or 1)))
        control.min, control.value = options["min"], field.default  # set again: both were rounded to fewer decimals
    if isinstance(titles, dict):
        keep_narrow(control.native)
    assert isinstance(control, ValueWidget), f"the field {name} needs a control with one value"
    return control


def _minutes_box(field: FieldInfo, name: str, options: dict[str, Any]) -> ValueWidget[Any]:
    """Return a control of whole minutes, with the unit in it."""
    # Not a box of integers: magicgui's has no room for a unit.
    control: Any = create_widget(
        value=float(_minutes(field.default)), annotation=float, name=name, options={**options, "step": 1}
    )
    control.native.setDecimals(0)
    control.native.setSuffix(" min")
    return cast("ValueWidget[Any]", control)


def _bounds(field: FieldInfo) -> tuple[float | None, float | None]:
    """Return minimum and maximum; None for fields that are not numbers."""
    low = next((bound.ge for bound in field.metadata if isinstance(bound, Ge)), None)
    high = next((bound.le for bound in field.metadata if isinstance(bound, Le)), None)
    return low, high  # type: ignore[return-value]  # the bounds of our numbers are numbers


def _decimals(low: float, step: float) -> int:
    """Return the number of decimals that shows the minimum and a step exactly."""
    finest = min(number for number in (abs(low), step, 1.0) if number > 0)
    return max(math.ceil(-math.log10(finest)), FEWEST_DECIMALS)


def field_tooltip(kind: type[Settings], name: str) -> str:
    """Return the description of a setting with its range and unit."""
    return _tooltip(kind.model_fields[name])


def _tooltip(field: FieldInfo) -> str:
    low, high = _bounds(field)
    text = field.description or ""
    if low is None or high is None:
        return text
    if _in_minutes(field):
        return f"{text}\n{_minutes(low)} to {high / MINUTE:g} min"
    return f"{text}\n{low:g} to {high:g} {_unit(field)}".rstrip()


def field_title(kind: type[Settings], name: str) -> str:
    """Return the label of a row, with the unit unless the name or another control in the row has it."""
    title = kind.model_fields[name].title or name.replace("_", " ").capitalize()
    unit = "" if _in_minutes(kind.model_fields[name]) else _unit(kind.model_fields[name])  # stands in its control
    has_unit = unit in name.split("_") or f"{name}{UNIT_SUFFIX}" in kind.model_fields
    return f"{title} ({unit})" if unit and not has_unit else title


def _in_minutes(field: FieldInfo) -> bool:
    """Return whether a number of seconds is shown in minutes."""
    extra = field.json_schema_extra
    return isinstance(extra, dict) and bool(extra.get("in_minutes"))


def _minutes(seconds: float) -> int:
    """Return whole minutes, at least one."""
    return max(round(seconds / MINUTE), 1)


def _unit(field: FieldInfo) -> str:
    extra = field.json_schema_extra
    return str(extra.get("unit", "")) if isinstance(extra, dict) else ""
