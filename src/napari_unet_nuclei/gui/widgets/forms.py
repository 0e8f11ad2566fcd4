"""Parts that the docks are built from: filled layouts, titled frames, rows with labels, and settings folded away."""

from __future__ import annotations

from typing import TypeVar

from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtGui import QIcon, QPixmap
from qtpy.QtWidgets import QBoxLayout, QFormLayout, QGroupBox, QLabel, QLayout, QSizePolicy, QVBoxLayout, QWidget
from superqt import QCollapsible

from napari_unet_nuclei.gui.widgets.ancestor import ancestor
from napari_unet_nuclei.gui.widgets.scroll_column import ScrollColumn

SPACING = 4
"""Pixels between widgets: styles leave more, but docks are narrow and full."""

QWIDGETSIZE_MAX = (1 << 24) - 1
"""Qt's own maximum of a widget that has none, which not every binding hands on."""

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


def fill_form(layout: QFormLayout, *rows: tuple[str, QWidget | QLayout]) -> QFormLayout:
    """Add controls one below the other; a label has its control's tooltip, and an empty label takes no room."""
    layout.setContentsMargins(0, 0, 0, 0)
    # Without it that depends on the style: on macOS controls stay as small as they can.
    layout.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    for text, control in rows:
        if not text:
            layout.addRow(control)
            continue
        label = QLabel(text)
        if isinstance(control, QWidget):
            label.setToolTip(control.toolTip())
        layout.addRow(label, control)
    return layout


class Rows(QWidget):
    """Controls with labels, of which some can be hidden."""

    def __init__(self, *controls: tuple[str, QWidget | QLayout]) -> None:
        super().__init__()
        self._layout = fill_form(QFormLayout(self), *controls)

    def set_visible(self, control: QWidget, visible: bool) -> None:
        """Show or hide a control with its label."""
        self._layout.setRowVisible(control, visible)


def titled(title: str, *widgets: QWidget) -> QGroupBox:
    """Return a frame with a title around widgets, one below the other."""
    group = QGroupBox(title)
    fill(QVBoxLayout(group), *widgets).setContentsMargins(8, 4, 8, 8)
    return group


class Folded(QCollapsible):
    """Widgets below a button that shows and hides them; they are hidden at first."""

    def __init__(self, title: str, tooltip: str, *widgets: QWidget) -> None:
        # The arrow is a part of the text, which has the colour of napari's theme; an icon would be black in all. A
        # collapsible takes no icon that is empty: with PySide6 such a one is false.
        unseen = QPixmap(1, 1)
        unseen.fill(Qt.GlobalColor.transparent)
        super().__init__(expandedIcon=QIcon(unseen), collapsedIcon=QIcon(unseen))
        self.toggleButton().setIconSize(unseen.size())
        self._title = title
        self.setDuration(0)  # what stands below would move under the mouse
        # A collapsible is never taller than one that is wide, where fewer rows are wrapped.
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Preferred)
        self.toggleButton().setToolTip(tooltip)
        for widget in widgets:
            self.addWidget(widget)
        layout = self.layout()
        assert layout is not None, "a collapsible has one"
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setAlignment(Qt.AlignmentFlag(0))  # one that is aligned does not grow with wrapped rows
        self.toggled.connect(self._show_whether_open)
        self._show_whether_open()

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Leave the height to the layout: a collapsible fixes it, which is too low where text or rows are wrapped."""
        return False

    def _show_whether_open(self, _open: object = None) -> None:
        # Folded, they have no height but would still be stops of the Tab key.
        self.content().setVisible(self.isExpanded())
        self.content().setMaximumHeight(QWIDGETSIZE_MAX if self.isExpanded() else 0)
        self.setText(f"{'▾' if self.isExpanded() else '▸'} {self._title}")
        column = ancestor(self, ScrollColumn)
        if column is not None and self.isExpanded():
            column.show_part(self)  # in a low window it opens out of sight
