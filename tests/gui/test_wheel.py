"""The wheel scrolls docks: it never changes a control that has not the focus."""

from __future__ import annotations

from typing import Any

import pytest
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QEnterEvent, QWheelEvent
from qtpy.QtWidgets import QAbstractSpinBox, QApplication, QComboBox, QSlider, QWidget

from napari_unet_nuclei.gui.viewer.dock import Dock
from tests.helpers.docks import DOCKS, filled_dock


def opened(qtbot, name: str) -> Dock:
    dock = filled_dock(qtbot, name)
    dock.show()
    qtbot.waitExposed(dock)
    return dock


def controls(dock: QWidget) -> list[QWidget]:
    return [one for kind in (QAbstractSpinBox, QComboBox, QSlider) for one in dock.findChildren(kind)]


def shown(control: Any) -> Any:
    return control.currentIndex() if isinstance(control, QComboBox) else control.value()


def turn(control: QWidget, steps: int) -> None:
    middle = QPointF(control.rect().center())
    event = QWheelEvent(
        middle,
        QPointF(control.mapToGlobal(control.rect().center())),
        QPoint(),
        QPoint(0, 120 * steps),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(control, event)


@pytest.mark.parametrize("name", DOCKS)
def test_the_wheel_changes_no_control_without_the_focus(qtbot, name):
    dock = opened(qtbot, name)
    found = controls(dock)
    assert found or name == "models"
    for control in found:
        control.setEnabled(True)
        control.clearFocus()
        before = shown(control)
        for steps in (1, -1, -1):
            turn(control, steps)
            assert shown(control) == before, (name, control.toolTip())
        assert not control.hasFocus(), "the wheel alone gives no focus, or its next turn would change the value"


def test_the_wheel_still_turns_the_control_that_was_clicked(qtbot):
    dock = opened(qtbot, "segment")
    box = dock.form.kind_form.control("kind").native
    dock.activateWindow()
    box.setFocus()
    qtbot.waitUntil(box.hasFocus, timeout=5_000)
    turn(box, -1)
    assert box.currentIndex() == 1


def test_controls_added_later_are_guarded_once_the_mouse_comes(qtbot):
    dock = opened(qtbot, "segment")
    late = QComboBox(dock)
    late.addItems(["one", "two"])
    late.show()
    qtbot.mouseMove(dock, QPoint(3, 3))
    QApplication.sendEvent(dock, _enter(dock))
    turn(late, -1)
    assert late.currentIndex() == 0


def _enter(widget: QWidget) -> Any:
    middle = QPointF(widget.rect().center())
    return QEnterEvent(middle, middle, QPointF(widget.mapToGlobal(widget.rect().center())))
