"""A Qt binding that is known to end Python is named before it does."""

from __future__ import annotations

import pytest

from napari_unet_nuclei.gui.viewer.dock import Dock
from napari_unet_nuclei.gui.widgets import binding


@pytest.mark.parametrize(
    ("name", "number", "python"),
    [
        ("pyqt6", "6.12.0", (3, 11)),
        ("pyside6", "6.11.3", (3, 11)),
        ("pyside6", "6.12.1", (3, 11)),
        ("pyside6", "6.12.0", (3, 12)),
        ("pyside6", "6.12.0", (3, 13)),
    ],
)
def test_nothing_is_said_against_what_lasts(name, number, python):
    assert binding.binding_problem(name, number, python) == ""


def test_a_dock_warns_once_of_what_does_not(qtbot, monkeypatch):
    said: list[str] = []
    monkeypatch.setattr(binding.qtpy, "API", "pyside6")
    monkeypatch.setattr(binding.qtpy, "PYSIDE_VERSION", "6.12.0")
    monkeypatch.setattr(binding, "IMMORTAL_NONE", (99,))
    monkeypatch.setattr(binding, "show_warning", said.append)
    binding.warn_of_binding.cache_clear()
    for _ in range(2):
        dock = Dock()
        qtbot.addWidget(dock)
        dock.show()
    binding.warn_of_binding.cache_clear()
    [text] = said
    assert "napari will crash" in text
    assert 'pip install "pyside6!=6.12.0"' in text
