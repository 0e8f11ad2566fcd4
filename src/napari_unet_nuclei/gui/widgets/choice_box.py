"""A list to choose from that does not widen its dock, whatever its entries are called."""

from __future__ import annotations

from qtpy.QtWidgets import QComboBox


def choice_box(tooltip: str) -> QComboBox:
    """Return a list with room for a short entry; longer ones are cut while it is closed."""
    box = QComboBox()
    box.setToolTip(tooltip)
    keep_narrow(box)
    return box


def keep_narrow(box: QComboBox) -> None:
    """Let no entry widen a list."""
    box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    box.setMinimumContentsLength(8)
