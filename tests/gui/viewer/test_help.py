"""Help from inside a dock: the button in its title, and the key that lists keys."""

from __future__ import annotations

import pytest
from napari.utils.notifications import notification_manager
from qtpy.QtCore import Qt, QUrl
from qtpy.QtGui import QDesktopServices
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QDockWidget, QLabel, QMainWindow, QPushButton

from napari_unet_nuclei.gui.viewer.dock import BUTTON, CORRECT, MEASURE, PAGES, KeyCard, open_dock
from napari_unet_nuclei.gui.widgets.ancestor import ancestor


@pytest.fixture
def viewer(make_napari_viewer_proxy):
    return make_napari_viewer_proxy(show=True)


def frame_of(dock) -> QDockWidget:
    return ancestor(dock, QDockWidget)


def title_button(dock) -> QPushButton | None:
    return frame_of(dock).titleBarWidget().findChild(QPushButton, BUTTON)


@pytest.mark.parametrize(("name", "page"), [(MEASURE, "measure"), (CORRECT, "correct")])
def test_the_button_in_the_title_opens_the_page_of_the_dock(qtbot, viewer, monkeypatch, name, page):
    opened: list[QUrl] = []
    monkeypatch.setattr(QDesktopServices, "openUrl", lambda url: opened.append(url) or page == "measure")
    dock = open_dock(viewer, name)
    qtbot.waitUntil(lambda: title_button(dock) is not None)
    qtbot.mouseClick(title_button(dock), Qt.MouseButton.LeftButton)
    address = f"{PAGES}{page}.html"
    assert [url.toString() for url in opened] == [address]
    said = notification_manager.records[-1].message
    assert said == (
        f"Opened in the browser: {address}"
        if page == "measure"
        else f"No browser could be opened. The page of this dock is {address}"
    )


def test_the_question_mark_shows_the_keys_of_the_dock(qtbot, viewer):
    dock = open_dock(viewer, CORRECT)
    window = dock.window()
    window.activateWindow()
    dock.setFocus()
    qtbot.waitUntil(window.isActiveWindow)
    QTest.keyClick(window, Qt.Key.Key_Question)
    qtbot.waitUntil(lambda: dock.findChild(KeyCard) is not None)
    card = dock.findChild(KeyCard)
    texts = {label.text() for label in card.findChildren(QLabel)}
    assert {key for key, _ in dock.keys_told()} <= texts
    assert f"{PAGES}correct.html" in texts
    card.close()


def test_the_question_mark_is_answered_with_two_docks_side_by_side(qtbot, viewer):
    docks = [open_dock(viewer, name) for name in (MEASURE, CORRECT)]
    ancestor(docks[0], QMainWindow).addDockWidget(Qt.DockWidgetArea.LeftDockWidgetArea, frame_of(docks[1]))
    window = docks[0].window()
    window.activateWindow()
    qtbot.waitUntil(lambda: window.isActiveWindow() and all(dock.isVisible() for dock in docks))
    QTest.keyClick(window, Qt.Key.Key_Question)
    qtbot.waitUntil(lambda: any(dock.findChild(KeyCard) is not None for dock in docks))
