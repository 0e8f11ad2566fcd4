"""Combo boxes that do not widen their dock, however long their entries are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qtpy.QtCore import QSignalBlocker
from qtpy.QtWidgets import QComboBox


def choice_box(tooltip: str, titles: Mapping[Any, str] | None = None) -> QComboBox:
    """Return a narrow combo box of values with titles; long entries are elided while it is closed."""
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
    """Keep a combo box from growing with its entries."""
    box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    box.setMinimumContentsLength(8)
