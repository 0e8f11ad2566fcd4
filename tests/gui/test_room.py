"""Whatever a dock shows has room in a low window: nothing is squeezed, and nothing lies over its neighbour."""

from __future__ import annotations

from itertools import combinations

import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QAbstractButton, QAbstractSpinBox, QComboBox, QLabel, QLineEdit, QWidget

from napari_unet_nuclei.gui.viewer.dock import Dock
from napari_unet_nuclei.gui.widgets.forms import Folded
from tests.helpers.docks import DOCKS, filled_dock

NARROW, LOW = 300, 500
"""Pixels of a dock in a small window; one that needs more gets it."""

CONTROLS = (QAbstractButton, QAbstractSpinBox, QComboBox, QLabel, QLineEdit)


def shown(dock: Dock) -> list[QWidget]:
    """List the controls that are seen, or would be once the dock is scrolled."""
    found = [one for one in dock.findChildren(QWidget) if isinstance(one, CONTROLS) and one.isVisible()]
    return [one for one in found if not isinstance(one.parentWidget(), CONTROLS)]


def needed(widget: QWidget) -> int:
    """Return the height that a control needs at its width."""
    if isinstance(widget, QLabel) and widget.wordWrap():
        return widget.heightForWidth(widget.width()) if widget.text() else 0
    return widget.minimumHeight() or widget.minimumSizeHint().height()


def squeezed(dock: Dock) -> list[str]:
    low = [one for one in shown(dock) if one.height() < needed(one)]
    return [f"{one.toolTip()[:60]}: {one.height()} of {needed(one)} px" for one in low]


def covered(dock: Dock) -> list[str]:
    """List neighbours that lie over each other."""
    parents = {id(one.parentWidget()): one.parentWidget() for one in shown(dock)}.values()
    families = [
        [one for one in parent.children() if isinstance(one, CONTROLS) and one.isVisible()] for parent in parents
    ]
    pairs = [pair for family in families for pair in combinations(family, 2)]
    over = [(one, other) for one, other in pairs if one.geometry().intersects(other.geometry())]
    return [f"{one.toolTip()[:60]} | {other.toolTip()[:60]}" for one, other in over]


def open_all(qtbot, dock: Dock) -> None:
    for folded in dock.findChildren(Folded):
        if folded.isVisible() and not folded.isExpanded():
            qtbot.mouseClick(folded.toggleButton(), Qt.MouseButton.LeftButton)


def opened(qtbot, name: str) -> Dock:
    dock = filled_dock(qtbot, name)
    dock.resize(NARROW, LOW)
    dock.show()
    qtbot.waitExposed(dock)
    open_all(qtbot, dock)
    return dock


def wait_for_room(qtbot, dock: Dock) -> None:
    def fits() -> None:
        assert squeezed(dock) == []
        assert covered(dock) == []

    qtbot.waitUntil(fits, timeout=3_000)


@pytest.mark.parametrize("name", DOCKS)
def test_everything_in_a_dock_has_room_once_it_is_unfolded(qtbot, name) -> None:
    wait_for_room(qtbot, opened(qtbot, name))


def test_settings_that_a_tick_brings_have_room(qtbot) -> None:
    dock = opened(qtbot, "batch")
    dock.form.switches["follow"].click()
    open_all(qtbot, dock)
    assert dock.form.tracks_form.isVisible()
    wait_for_room(qtbot, dock)


@pytest.mark.parametrize("name", ["batch", "measure"])
def test_what_is_unfolded_in_a_low_window_comes_into_sight(qtbot, name) -> None:
    dock = filled_dock(qtbot, name)
    dock.resize(NARROW, LOW)
    dock.show()
    qtbot.waitExposed(dock)
    for folded in dock.findChildren(Folded):
        if folded.isVisible() and not folded.isExpanded():
            qtbot.mouseClick(folded.toggleButton(), Qt.MouseButton.LeftButton)
            content = folded.content()
            qtbot.waitUntil(lambda one=content: one.visibleRegion().boundingRect().height() > 0.9 * one.height() > 40)
            qtbot.mouseClick(folded.toggleButton(), Qt.MouseButton.LeftButton)
