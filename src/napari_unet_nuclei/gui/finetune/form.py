"""Which model learns, what the new one is called, and the few settings of it; the rest is folded away."""

from __future__ import annotations

import re
from pathlib import Path

from pydantic import ValidationError
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)
from superqt import QCollapsible

from napari_unet_nuclei.core.errors import SettingsError
from napari_unet_nuclei.core.model.card import ModelCard
from napari_unet_nuclei.core.model.registry import LONGEST_NAME, RESERVED_NAMES, default_registry
from napari_unet_nuclei.core.settings import FinetuneSettings
from napari_unet_nuclei.core.train.reading import InputForm
from napari_unet_nuclei.gui.finetune.base import BasePicker
from napari_unet_nuclei.gui.finetune.remembered import FinetuneChoices
from napari_unet_nuclei.gui.models.picker import DevicePicker
from napari_unet_nuclei.gui.settings.settings_form import SettingsForm

SHOWN = ("time", "strength")
"""Settings that are not folded away."""

FOLDED = ("learning_rate", "layers", "augmentation", "steps", "epochs", "epoch_steps", "rehearsal", "seed")

ENDING = " fine-tuned"
"""What the proposed name of a new model adds to the old one's."""


class FinetuneForm(QWidget):
    """The controls of a fine-tuning, but for what is learnt from."""

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._proposed = ""
        self._suggested = ""
        self._base_chosen = False
        self.base_picker = BasePicker()
        self.best_button = QPushButton("Best on these")
        self.best_button.setToolTip(
            "Try every installed model on the ticked nuclei, and start from the one that finds them best."
        )
        self.best_button.setEnabled(False)
        self.name_edit = QLineEdit()
        self.name_edit.setToolTip("What the new model is called in every list of models.")
        self.shown_form = SettingsForm(FinetuneSettings, SHOWN)
        self.device_picker = DevicePicker()
        self.reference_edit = QLineEdit()
        self.reference_edit.setPlaceholderText("none")
        self.reference_edit.setToolTip(
            "A folder with images/ and labels/ that neither teach nor choose. Both models are scored on it,\n"
            "which shows whether the new one is still good at what the old one is for."
        )
        self.reference_button = QPushButton("…")
        self.reference_button.setToolTip("Choose the folder of reference images.")
        self.folded_form = SettingsForm(FinetuneSettings, FOLDED)
        self.folded_box = QCollapsible("More settings", expandedIcon="▾", collapsedIcon="▸")
        self.folded_box.toggleButton().setToolTip("Settings that seldom need a change.")
        self._lay_out()
        self._connect()
        self._propose_name()

    def _lay_out(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        start = QWidget()
        beside_start = QHBoxLayout(start)
        beside_start.setContentsMargins(0, 0, 0, 0)
        beside_start.addWidget(self.base_picker, stretch=1)
        beside_start.addWidget(self.best_button, alignment=Qt.AlignmentFlag.AlignTop)
        start.setToolTip(self.base_picker.box.toolTip())
        layout.addWidget(_rows(("Start from", start), ("New model", self.name_edit)))
        layout.addWidget(self.shown_form)
        reference = QWidget()
        beside = QHBoxLayout(reference)
        beside.setContentsMargins(0, 0, 0, 0)
        beside.addWidget(self.reference_edit, stretch=1)
        beside.addWidget(self.reference_button)
        self.folded_box.addWidget(_rows(("Reference", reference), ("Device", self.device_picker)))
        self.folded_box.addWidget(self.folded_form)
        folded = self.folded_box.layout()
        assert folded is not None, "a collapsible has one"
        folded.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.folded_box)

    def _connect(self) -> None:
        self.base_picker.valueChanged.connect(self._propose_name)
        self.base_picker.box.activated.connect(self._note_choice)
        self.reference_button.clicked.connect(self._choose_reference)
        for signal in (
            self.base_picker.valueChanged,
            self.name_edit.textChanged,
            self.shown_form.valueChanged,
            self.device_picker.valueChanged,
            self.reference_edit.textChanged,
            self.folded_form.valueChanged,
        ):
            signal.connect(self.changed)

    @property
    def name(self) -> str:
        """Of the new model."""
        return self.name_edit.text().strip()

    @property
    def reference(self) -> Path | None:
        """Folder of reference images."""
        text = self.reference_edit.text().strip()
        return Path(text) if text else None

    @property
    def input_form(self) -> InputForm:
        """What the chosen model takes."""
        entry = self.base_picker.entry
        return InputForm.of_model(entry.card) if entry else InputForm()

    def settings(self) -> FinetuneSettings:
        """Return all settings.

        Raises
        ------
        SettingsError
            If a value cannot be used.
        """
        shown = self.shown_form.value()
        settings: FinetuneSettings = self.folded_form.value().changed(
            time=shown.time, strength=shown.strength, device=self.device_picker.value()
        )
        return settings

    def choices(self) -> FinetuneChoices:
        """Return what is to be remembered.

        Raises
        ------
        SettingsError
            As `settings`.
        """
        return FinetuneChoices(self.settings(), self.base_picker.value(), str(self.reference or ""))

    def setValue(self, choices: FinetuneChoices) -> None:
        """Show what was chosen before."""
        self.shown_form.setValue(choices.settings)
        self.folded_form.setValue(choices.settings)
        self.device_picker.setValue(choices.settings.device)
        self.reference_edit.setText(choices.reference)
        self.base_picker.choose(choices.base)
        self._propose_name()

    def suggest_base(self, name: str) -> None:
        """Start from the model that made the labels, unless the user has chosen another one."""
        if name and name != self._suggested and not self._base_chosen and self.base_picker.choose(name):
            self._suggested = name

    def show_best(self, name: str, sentence: str) -> None:
        """Start from the model that does best, and say how well it does."""
        if self.base_picker.choose(name):
            self._base_chosen = True
            self.base_picker.note.setText(sentence)

    def propose_name(self) -> None:
        """Propose a free name, unless the user has typed one that is still free."""
        if default_registry().holder(self.name) is not None:
            self._proposed = self.name
        self._propose_name()

    def problem(self) -> str:
        """Say why nothing can be run; empty where it can."""
        try:
            self.settings()
            self._check_name()
        except SettingsError as error:
            return str(error)
        if self.base_picker.entry is None:
            return "No model for nuclei is installed: install the package again, or import a model file."
        return ""

    def _check_name(self) -> None:
        """Refuse what cannot be a model's name, or is one already."""
        try:
            ModelCard(name=self.name)
        except ValidationError as error:
            raise SettingsError(
                f"'{self.name}' cannot be a model's name: begin with a letter or a digit, and go on with letters, "
                f"digits, blanks, '.', '_' and '-', {LONGEST_NAME} at most."
            ) from error
        if self.name.casefold() in RESERVED_NAMES or default_registry().holder(self.name) is not None:
            raise SettingsError(f"There is a model named '{self.name}' already: choose another name.")

    def _note_choice(self) -> None:
        self._base_chosen = True

    def _propose_name(self) -> None:
        """Follow the old model's name for as long as the user has not typed another one."""
        if self.name == self._proposed:
            stem = re.sub(rf"{ENDING}( \d+)?$", "", self.base_picker.value())[: LONGEST_NAME - len(ENDING)]
            self._proposed = default_registry().free_name(f"{stem}{ENDING}")
            self.name_edit.setText(self._proposed)
            self.name_edit.setCursorPosition(0)

    def _choose_reference(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Reference images", self.reference_edit.text())
        if folder:
            self.reference_edit.setText(folder)


def _rows(*rows: tuple[str, QWidget]) -> QWidget:
    """Return controls one below the other, each behind its name."""
    widget = QWidget()
    layout = QFormLayout(widget)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    for text, field in rows:
        label = QLabel(text)
        label.setToolTip(field.toolTip())
        layout.addRow(label, field)
    return widget
