"""Combo boxes that do not widen their dock, however long their entries are."""

from __future__ import annotations

from qtpy.QtWidgets import QComboBox


def choice_box(tooltip: str) -> QComboBox:
    """Return a narrow combo box; long entries are elided while it is closed."""
    box = QComboBox()
    box.setToolTip(tooltip)
    keep_narrow(box)
    return box


def keep_narrow(box: QComboBox) -> None:
    """Keep a combo box from growing with its entries."""
    box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    box.setMinimumContentsLength(8)
