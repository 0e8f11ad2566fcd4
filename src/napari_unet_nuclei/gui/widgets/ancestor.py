"""The widget around a widget."""

from __future__ import annotations

from typing import TypeVar

from qtpy.QtWidgets import QWidget

WidgetType = TypeVar("WidgetType", bound=QWidget)


def ancestor(widget: QWidget, kind: type[WidgetType]) -> WidgetType | None:
    """Return the closest enclosing widget of a type, which also works in floating docks; None if there is none."""
    parent: QWidget | None = widget.parentWidget()
    while parent is not None and not isinstance(parent, kind):
        parent = parent.parentWidget()
    return parent
