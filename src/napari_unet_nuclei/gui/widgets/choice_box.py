"""Combo boxes that do not widen their dock, however long their entries are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qtpy.QtCore import QEvent, QObject, QSignalBlocker
from qtpy.QtGui import QHelpEvent
from qtpy.QtWidgets import QComboBox, QStyle, QStyleOptionComboBox, QToolTip


def choice_box(tooltip: str, titles: Mapping[Any, str] | None = None) -> QComboBox:
    """Return a narrow combo box of values with titles; long entries are cut while closed, and told on hovering."""
    box = QComboBox()
    box.setToolTip(tooltip)
    keep_narrow(box)
    fill(box, titles or {})
    return box


def fill(box: QComboBox, titles: Mapping[Any, str], wanted: object = None) -> None:
    """Replace the values and choose one, or else the first, without emitting a signal."""
    blocker = QSignalBlocker(box)
    if [(box.itemData(i), box.itemText(i)) for i in range(box.count())] != list(titles.items()):
        box.clear()
        for value, title in titles.items():
            box.addItem(title, value)
    box.setCurrentIndex(max(box.findData(wanted), 0) if titles else -1)
    blocker.unblock()


def keep_narrow(box: QComboBox) -> None:
    """Keep a combo box from growing with its entries; one that is cut is told on hovering."""
    box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    box.setMinimumContentsLength(8)
    box.installEventFilter(_CutEntry(box))


class _CutEntry(QObject):
    """Tells the entry of a combo box above its tooltip where the box has no room for it: napari's style cuts it."""

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        if isinstance(watched, QComboBox) and isinstance(event, QHelpEvent) and event.type() == QEvent.Type.ToolTip:
            text = told_on_hovering(watched)
            QToolTip.showText(event.globalPos(), text, watched)
            return True
        return False


def told_on_hovering(box: QComboBox) -> str:
    """Return the tooltip of a combo box, below the chosen entry if that is cut."""
    option, style, entry = QStyleOptionComboBox(), box.style(), box.currentText()
    box.initStyleOption(option)
    assert style is not None, "every widget has one"
    field = style.subControlRect(QStyle.ComplexControl.CC_ComboBox, option, QStyle.SubControl.SC_ComboBoxEditField, box)
    is_cut = box.fontMetrics().horizontalAdvance(entry) > field.width()
    return "\n".join([entry, box.toolTip()] if is_cut else [box.toolTip()]).strip()
