"""Layouts without margins, for the parts of a dock."""

from __future__ import annotations

from typing import TypeVar

from qtpy.QtWidgets import QBoxLayout, QFormLayout, QLayout, QWidget
from superqt import QCollapsible

SPACING = 4
"""Pixels between widgets: styles leave more, but docks are narrow and full."""

BoxType = TypeVar("BoxType", bound=QBoxLayout)


def fill(layout: BoxType, *parts: QWidget | QLayout) -> BoxType:
    """Add widgets and layouts one after the other, without margins."""
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(SPACING)
    for part in parts:
        if isinstance(part, QWidget):
            layout.addWidget(part)
        else:
            layout.addLayout(part)
    return layout


def fill_form(layout: QFormLayout, *rows: tuple[str, QWidget]) -> QFormLayout:
    """Add named controls that take the whole width, without margins."""
    layout.setContentsMargins(0, 0, 0, 0)
    # Without it that depends on the style: on macOS controls stay as small as they can.
    layout.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    for title, control in rows:
        layout.addRow(title, control)
    return layout


def folded(title: str, *widgets: QWidget) -> QCollapsible:
    """Return a box that shows widgets once its title is clicked."""
    box = QCollapsible(title, expandedIcon="▾", collapsedIcon="▸")
    for widget in widgets:
        box.addWidget(widget)
    layout = box.layout()
    assert layout is not None, "a collapsible has one"
    layout.setContentsMargins(0, 0, 0, 0)
    return box
