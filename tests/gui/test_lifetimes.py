"""What a dock leaves behind: nothing, by Python's garbage collector alone, before Qt has deleted anything."""

from __future__ import annotations

import ast
import gc
import weakref
from pathlib import Path

import pytest
from napari.components import ViewerModel
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QPushButton, QWidget

import napari_unet_nuclei.gui
from napari_unet_nuclei.gui.viewer.layer_box import LayerBox
from napari_unet_nuclei.gui.widgets.fixed_call import FixedCall
from napari_unet_nuclei.gui.widgets.rest_timer import call_soon
from tests.helpers.correcting import segmented
from tests.helpers.docks import DOCKS, dock_class

GUI = Path(napari_unet_nuclei.gui.__file__).parent


def is_held_in_qt(call: ast.Call) -> bool:
    """Tell whether Qt would keep a callback alive: a lambda, a ``partial``, or what a single shot is to call."""
    if not isinstance(call.func, ast.Attribute) or call.func.attr not in ("connect", "singleShot"):
        return False
    made = [ast.unparse(one.func) for one in call.args if isinstance(one, ast.Call)]
    is_strong = any(name.endswith("partial") for name in made) or any(isinstance(one, ast.Lambda) for one in call.args)
    return is_strong or call.func.attr == "singleShot"


def test_qt_is_given_no_callback_that_it_would_keep_alive():
    held = [
        f"{path.name}:{call.lineno}"
        for path in GUI.rglob("*.py")
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(call, ast.Call) and is_held_in_qt(call)
    ]
    assert not held, f"PySide6 keeps what these refer to; FixedCall and call_soon do not: {held}"


def is_collected(reference: weakref.ref[object]) -> bool:
    gc.collect()
    return reference() is None


@pytest.mark.parametrize("name", DOCKS)
def test_a_dock_and_the_layers_it_lists_are_collected(qtbot, name):
    kind = dock_class(name)
    viewer = ViewerModel()
    image, labels, metadata = segmented()
    viewer.add_image(image, name="DAPI")
    viewer.add_labels(labels, name="DAPI labels", metadata=metadata)
    dock = kind() if name == "models" else kind(viewer)
    dock.show()
    qtbot.wait(300)
    dock.hide()
    references = weakref.ref(dock), weakref.ref(viewer)
    del dock, viewer
    for reference in references:
        qtbot.waitUntil(lambda reference=reference: is_collected(reference), timeout=10_000)


def test_layers_that_a_list_offers_are_seen_by_the_garbage_collector(qtbot):
    class Layer:
        name = "one"

    layer = Layer()
    layer.box = LayerBox("which")
    layer.box.offer([layer], 0)
    assert layer.box.layer is layer
    reference = weakref.ref(layer)
    del layer
    assert is_collected(reference)


def test_a_fixed_call_gets_its_own_arguments_and_goes_with_its_widget(qtbot):
    class Panel(QWidget):
        def __init__(self) -> None:
            super().__init__()
            self.button = QPushButton(self)
            self.got: list[str] = []
            self.button.clicked.connect(FixedCall(self.button, self.got.append, "undo").call)
            self.button.clicked.connect(FixedCall(self.button, self.note, "redo").call)

        def note(self, text: str) -> None:
            self.got.append(text)

    panel = Panel()
    panel.button.click()
    assert panel.got == ["undo", "redo"]
    reference = weakref.ref(panel)
    del panel
    assert is_collected(reference)


def test_a_call_that_is_due_soon_does_not_outlive_its_owner(qtbot):
    called: list[str] = []

    class Owner(QWidget):
        def note(self, text: str) -> None:
            called.append(text)

    gone, alive = Owner(), Owner()
    for owner, text in ((gone, "gone"), (alive, "alive")):
        call_soon(owner, owner.note, text)
    reference = weakref.ref(gone)
    del gone, owner
    assert is_collected(reference)
    assert not called
    qtbot.waitUntil(lambda: bool(called))
    assert called == ["alive"]
    qtbot.waitUntil(lambda: not alive.findChildren(QTimer))


def test_a_list_of_layers_has_an_entry_for_none(qtbot):
    viewer = ViewerModel()
    first, second = (viewer.add_image(segmented()[0], name=name) for name in ("first", "second"))
    box = LayerBox("which")
    qtbot.addWidget(box)
    with qtbot.assertNotEmitted(box.currentIndexChanged):
        box.offer([first, second], 2, without="none")
    assert box.layer is None
    assert box.currentText() == "none"
    with qtbot.waitSignal(box.currentIndexChanged):
        box.choose(second)
    assert box.layer is second
    box.offer([], -1)
    assert box.layer is None
