"""How docks ask which part of a plane was reviewed."""

from __future__ import annotations

from qtpy.QtWidgets import QCheckBox, QPushButton


def reviewed_controls(how_to_draw: str) -> tuple[QCheckBox, QPushButton]:
    """Return a box to tick for the whole plane, and a button to draw regions."""
    whole_box, draw_button = QCheckBox("Whole plane"), QPushButton("Draw regions")
    whole_box.setToolTip("Every nucleus of this plane is right, and none is missing.")
    draw_button.setToolTip(
        f"Draw around what you reviewed, in the layer 'Reviewed': {how_to_draw}.\n"
        "The model never learns from what lies outside."
    )
    return whole_box, draw_button
