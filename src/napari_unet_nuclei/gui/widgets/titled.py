"""A frame with a title around widgets."""

from __future__ import annotations

from qtpy.QtWidgets import QGroupBox, QVBoxLayout, QWidget


def titled(title: str, *widgets: QWidget) -> QGroupBox:
    """Return a frame with a title around widgets, one below the other."""
    group = QGroupBox(title)
    layout = QVBoxLayout(group)
    layout.setContentsMargins(8, 4, 8, 8)
    layout.setSpacing(4)
    for widget in widgets:
        layout.addWidget(widget)
    return group
