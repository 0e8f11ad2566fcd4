"""Choose, save and delete templates of folder runs."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QInputDialog, QLabel, QPushButton, QWidget

from napari_unet_nuclei.gui.batch.templates import remove_template, template_names
from napari_unet_nuclei.gui.widgets.choice_box import choice_box, fill
from napari_unet_nuclei.gui.widgets.confirm import is_sure
from napari_unet_nuclei.gui.widgets.forms import fill as fill_layout

NONE = ""


class TemplateBar(QWidget):
    """A list of templates, with buttons to save the present settings as one, and to delete one."""

    chosen = Signal(str)
    """The user chose a template."""

    saved = Signal(str)
    """The user gave a name for the present settings."""

    def __init__(self) -> None:
        super().__init__()
        self.box = choice_box("Settings that were saved under a name: model, size, thresholds, what is written.")
        self.save_button = QPushButton("Save as…")
        self.save_button.setToolTip("Save the present settings under a name; images and results are no part of them.")
        self.remove_button = QPushButton("Delete…")
        self.remove_button.setToolTip("Delete the chosen template, after asking.")
        row = fill_layout(QHBoxLayout(self), QLabel("Template"), self.box, self.save_button, self.remove_button)
        row.setStretch(1, 1)
        # Emitted when the user chooses, but not when the list is filled again.
        self.box.activated.connect(self._choose)
        self.save_button.clicked.connect(self._save)
        self.remove_button.clicked.connect(self._remove)
        self.refresh()

    def refresh(self, name: str = NONE) -> None:
        """List the templates again, and show one."""
        fill(self.box, {NONE: "none", **{one: one for one in template_names()}}, name)
        self.remove_button.setEnabled(self.box.currentData() != NONE)

    def _choose(self) -> None:
        name = str(self.box.currentData())
        self.remove_button.setEnabled(name != NONE)
        if name != NONE:
            self.chosen.emit(name)

    def _save(self) -> None:
        name, accepted = QInputDialog.getText(self, "Save template", "Name:", text=str(self.box.currentData() or ""))
        if accepted and name.strip():
            self.saved.emit(name.strip())

    def _remove(self) -> None:
        name = str(self.box.currentData())
        question = f"Delete the template '{name}'?"
        if is_sure(self, "Delete template", question, "Results of runs with it stay as they are.", "Delete"):
            remove_template(name)
            self.refresh()
