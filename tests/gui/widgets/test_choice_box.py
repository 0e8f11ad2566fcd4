"""Combo boxes of a narrow dock."""

from __future__ import annotations

from napari_unet_nuclei.gui.widgets.choice_box import choice_box, told_on_hovering

LONG = "dark nuclei on bright (H&E, IHC), as a pathologist sees them"


def test_an_entry_that_is_cut_is_told_on_hovering(qtbot) -> None:
    box = choice_box("Kind of image.", {"auto": "automatic", "dark": LONG})
    qtbot.addWidget(box)
    box.resize(120, 24)
    assert told_on_hovering(box) == "Kind of image."
    box.setCurrentIndex(1)
    assert told_on_hovering(box) == f"{LONG}\nKind of image."
    box.resize(800, 24)
    assert told_on_hovering(box) == "Kind of image."
