"""The Tab key goes through a dock as the eye does, and only to what is seen."""

from __future__ import annotations

import pytest
from qtpy.QtCore import QPoint, QRect, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QWidget

from napari_unet_nuclei.gui.segment.result import ResultFoot
from napari_unet_nuclei.gui.viewer.dock import Dock
from napari_unet_nuclei.gui.widgets.forms import Folded
from tests.helpers.docks import DOCKS, filled_dock

SAME_ROW = 0.4
"""Share of the lower of two controls that lies beside the other."""

MOST_STOPS = 100


def opened(qtbot, name: str) -> Dock:
    dock = filled_dock(qtbot, name)
    dock.resize(420, 1100)
    dock.show()
    qtbot.waitExposed(dock)
    dock.activateWindow()
    qtbot.waitUntil(dock.isActiveWindow, timeout=5_000)
    return dock


def seen(widget: QWidget, dock: Dock) -> QRect:
    return QRect(widget.mapTo(dock, QPoint()), widget.size())


def follows(one: QRect, other: QRect) -> bool:
    """Tell whether the eye comes to a control after another."""
    beside = min(one.bottom(), other.bottom()) - max(one.top(), other.top())
    if beside > SAME_ROW * min(one.height(), other.height()):
        return other.left() > one.left()
    return other.top() > one.top()


@pytest.mark.parametrize("unfolded", [False, True])
@pytest.mark.parametrize("name", DOCKS)
def test_tab_goes_through_a_dock_as_the_eye_does(qtbot, name, unfolded):
    dock = opened(qtbot, name)
    if unfolded:
        for folded in dock.findChildren(Folded):
            folded.expand(animate=False)
        for foot in dock.findChildren(ResultFoot):  # as after a run
            foot.show()
    dock.setFocus()
    QTest.keyClick(dock, Qt.Key.Key_Tab)
    first = before = QApplication.focusWidget()
    assert first is not None, "nothing can be reached"
    for _ in range(MOST_STOPS):
        QTest.keyClick(before, Qt.Key.Key_Tab)
        now = QApplication.focusWidget()
        if now is first:
            break
        assert now.height() > 1, (now, now.toolTip())
        assert follows(seen(before, dock), seen(now, dock)), (before, before.toolTip(), now, now.toolTip())
        before = now
    assert now is first, "it comes round"
