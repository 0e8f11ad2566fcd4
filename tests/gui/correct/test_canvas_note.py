from __future__ import annotations

import pytest
from napari.components import ViewerModel
from qtpy.QtCore import QObject

from napari_unet_nuclei.gui.correct.overlay import CanvasNote

HINT = "Point at a nucleus with the mouse, or press N for the next doubtful one."


@pytest.fixture
def parent(qtbot):
    return QObject()


def test_long_texts_are_broken_into_lines_that_a_narrow_canvas_shows(parent):
    viewer = ViewerModel()
    CanvasNote(viewer, parent).say(HINT)
    lines = viewer.canvas.overlays.text.text.splitlines()
    assert max(map(len, lines)) <= 40
    assert " ".join(lines) == HINT


def test_lines_are_broken_anew_where_the_canvas_becomes_narrow_or_wide(parent):
    viewer = ViewerModel()
    CanvasNote(viewer, parent).say(HINT)
    for width, longest in ((306, 29), (20, 12), (900, 40)):
        viewer.canvas.size = (600, width)
        lines = viewer.canvas.overlays.text.text.splitlines()
        assert longest - 8 < max(map(len, lines)) <= longest
        assert " ".join(lines) == HINT


def test_a_warning_goes_by_itself_and_what_a_tool_waits_for_comes_back(qtbot, parent, monkeypatch):
    monkeypatch.setattr("napari_unet_nuclei.gui.correct.overlay.NOTE_TIME", 20)
    viewer = ViewerModel()
    overlay, note = viewer.canvas.overlays.text, CanvasNote(viewer, parent)
    overlay.text = "mine"
    note.say("Click a nucleus.")
    note.warn("Nothing there.")
    assert overlay.text == "⚠ Nothing there."
    qtbot.waitUntil(lambda: overlay.text == "Click a nucleus.")
    note.warn("Nothing there.")
    note.say("")
    assert (overlay.text, overlay.visible) == ("mine", False)
