"""Parts that the forms of the docks are built from: titled frames, rows with labels, and settings folded away."""

from __future__ import annotations

from qtpy.QtWidgets import QFormLayout, QGroupBox, QLabel, QLayout, QVBoxLayout, QWidget
from superqt import QCollapsible


def titled(title: str, *widgets: QWidget) -> QGroupBox:
    """Return a frame with a title around widgets, one below the other."""
    group = QGroupBox(title)
    layout = QVBoxLayout(group)
    layout.setContentsMargins(8, 4, 8, 8)
    layout.setSpacing(4)
    for widget in widgets:
        layout.addWidget(widget)
    return group


class Rows(QWidget):
    """Controls one below the other; a label has its control's tooltip, and an empty label takes no room."""

    def __init__(self, *controls: tuple[str, QWidget | QLayout]) -> None:
        super().__init__()
        self._layout = QFormLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        for text, control in controls:
            if not text:
                self._layout.addRow(control)
                continue
            label = QLabel(text)
            if isinstance(control, QWidget):
                label.setToolTip(control.toolTip())
            self._layout.addRow(label, control)

    def set_visible(self, control: QWidget, visible: bool) -> None:
        """Show or hide a control with its label."""
        self._layout.setRowVisible(control, visible)


def folded(tooltip: str, *widgets: QWidget) -> QCollapsible:
    """Return widgets below a button *More settings* that shows and hides them."""
    box = QCollapsible("More settings", expandedIcon="▾", collapsedIcon="▸")
    box.toggleButton().setToolTip(tooltip)
    for widget in widgets:
        box.addWidget(widget)
    layout = box.layout()
    assert layout is not None, "a collapsible has one"
    layout.setContentsMargins(0, 0, 0, 0)
    return box
