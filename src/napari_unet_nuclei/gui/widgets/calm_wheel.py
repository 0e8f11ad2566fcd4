"""Let the mouse wheel scroll a dock instead of changing the control that happens to lie under it."""

from __future__ import annotations

from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtWidgets import QAbstractSpinBox, QComboBox, QSlider, QWidget

CONTROLS = (QAbstractSpinBox, QComboBox, QSlider)
"""Controls whose value the wheel changes; scroll bars are not among them."""

_CALM = "wheel_is_calm"
"""Qt property of a control that is guarded already."""


class CalmWheel(QObject):
    """Hand the wheel on to whatever scrolls, except over a control that has the focus."""

    def calm(self, widget: QWidget) -> None:
        """Guard all controls in a widget that are not guarded yet."""
        for kind in CONTROLS:
            for control in widget.findChildren(kind):
                if not control.property(_CALM):
                    control.setProperty(_CALM, True)
                    # By default the wheel gives the focus, and with it the next turn to the control.
                    if control.focusPolicy() == Qt.FocusPolicy.WheelFocus:
                        control.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
                    control.installEventFilter(self)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Refuse the wheel, which Qt then offers to the parent."""
        if event is None or event.type() != QEvent.Type.Wheel or not isinstance(watched, QWidget):
            return False
        if watched.hasFocus():
            return False
        event.ignore()
        return True
