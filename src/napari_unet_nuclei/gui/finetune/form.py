"""Which model learns, the name of the new one, and its settings, which last from one session to the next."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from pathlib import Path

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QFileDialog,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_unet_nuclei.core.errors import SettingsError
from napari_unet_nuclei.core.model.card import LONGEST_NAME, check_model_name
from napari_unet_nuclei.core.model.registry import RESERVED_NAMES, ModelEntry, default_registry
from napari_unet_nuclei.core.settings import FinetuneSettings
from napari_unet_nuclei.core.train.reading import InputForm
from napari_unet_nuclei.gui.models.picker import DevicePicker, NotedPicker
from napari_unet_nuclei.gui.models.watch import ModelWatch
from napari_unet_nuclei.gui.settings.remembered import Choices
from napari_unet_nuclei.gui.settings.settings_form import SettingsForm
from napari_unet_nuclei.gui.widgets.forms import Folded, Rows, fill
from napari_unet_nuclei.gui.widgets.path_edit import PathEdit

SHOWN = ("time", "strength")
"""Settings that are not folded away."""

FOLDED = ("learning_rate", "layers", "augmentation", "steps", "epochs", "epoch_steps", "rehearsal", "seed")

ENDING = " fine-tuned"
"""Suffix of the proposed name of a new model."""


@dataclass(frozen=True)
class FinetuneChoices(Choices):
    """Settings of the dock *Fine-tune*, the model to start from, and the folder of reference images."""

    dock = "finetune"

    settings: FinetuneSettings = field(default_factory=FinetuneSettings)
    base: str = ""
    reference: str = ""


class BasePicker(NotedPicker):
    """The installed models for nuclei; there is no automatic choice, as the new model is named after its base."""

    def __init__(self) -> None:
        super().__init__("The model to start from. It stays unchanged: the result is a new model.")
        self._entries: tuple[ModelEntry, ...] = ()
        self._watch = ModelWatch(self)
        self._watch.changed.connect(self.refresh)
        self.valueChanged.connect(self._describe)
        self.refresh()

    @property
    def entry(self) -> ModelEntry | None:
        """The chosen model; None where no model for nuclei is installed."""
        return next((entry for entry in self._entries if entry.name == self.value()), None)

    def choose(self, name: str) -> bool:
        """Choose a model if it is installed, and return whether it is."""
        known = any(entry.name == name for entry in self._entries)
        if known:
            self.setValue(name)
        return known

    def refresh(self) -> None:
        """List the models again; the chosen one stays chosen even if it was renamed."""
        before = self.entry
        listed = default_registry().list()
        self._entries = tuple(one for one in listed if one.card.task == "instances" and one.card.is_trainable)
        names = [entry.name for entry in self._entries]
        same = [entry.name for entry in self._entries if before and before.card.weights_hash == entry.card.weights_hash]
        kept = before.name if before and before.name in names else next(iter([*same, *names]), "")
        self._fill({name: name for name in names}, kept)
        self._describe()

    def _describe(self) -> None:
        entry = self.entry
        self.note.setText(entry.card.purpose if entry else "No model is installed.")


class FinetuneForm(QWidget):
    """All controls of fine-tuning except the choice of corrections."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._proposed = ""
        self._suggested = ""
        self._base_chosen = self._remembered = False
        self.base_picker = BasePicker()
        self.best_button = QPushButton("Best on these")
        self.best_button.setToolTip("Score every installed model on the ticked nuclei, and start from the best one.")
        self.best_button.setEnabled(False)
        self.name_edit = QLineEdit()
        self.name_edit.setToolTip("Name of the new model in every list of models.")
        self.shown_form = SettingsForm(FinetuneSettings, SHOWN)
        self.device_picker = DevicePicker()
        self.reference_edit = PathEdit(
            "none",
            "A folder with images/ and labels/ that are used neither to train nor to choose a model. Both models are\n"
            "scored on it, which shows whether the new one is still good at what the old one is for.",
        )
        self.reference_edit.add_button("…", "Choose the folder of reference images.", self._choose_reference)
        self.folded_form = SettingsForm(FinetuneSettings, FOLDED)
        self._lay_out()
        self._connect()
        self._propose_name()

    def _lay_out(self) -> None:
        self.base_picker.put_beside(self.best_button)
        self.base_picker.setToolTip(self.base_picker.box.toolTip())
        shown = Rows(("Start from", self.base_picker), ("New model", self.name_edit))
        rare = Rows(("Reference", self.reference_edit), ("Device", self.device_picker))
        self.folded_box = Folded("More settings", "Settings that rarely need a change.", rare, self.folded_form)
        fill(QVBoxLayout(self), shown, self.shown_form, self.folded_box)

    def _connect(self) -> None:
        self.base_picker.valueChanged.connect(self._propose_name)
        # The user's choice alone: `valueChanged` comes also where the dock suggests a model.
        self.base_picker.box.activated.connect(self._note_choice)
        for signal in (
            self.base_picker.valueChanged,
            self.name_edit.textChanged,
            self.shown_form.valueChanged,
            self.device_picker.valueChanged,
            self.reference_edit.changed,
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
        text = self.reference_edit.value()
        return Path(text) if text else None

    @property
    def input_form(self) -> InputForm:
        """Input of the chosen model."""
        entry = self.base_picker.entry
        return InputForm.of_model(entry.card) if entry else InputForm()

    def settings(self) -> FinetuneSettings:
        """Return all settings; raise `SettingsError` if a value cannot be used."""
        shown = self.shown_form.value()
        settings: FinetuneSettings = self.folded_form.value().changed(
            time=shown.time, strength=shown.strength, device=self.device_picker.value()
        )
        return settings

    def choices(self) -> FinetuneChoices:
        """Return the choices; raise as `settings`."""
        return FinetuneChoices(self.settings(), self.base_picker.value(), str(self.reference or ""))

    def to_remember(self) -> FinetuneChoices:
        """Return the choices without a model that was only proposed, so that the next one is proposed, too."""
        choices = self.choices()
        return choices if self._base_chosen or self._remembered else replace(choices, base="")

    def setValue(self, choices: FinetuneChoices) -> None:
        """Show choices."""
        self.shown_form.setValue(choices.settings)
        self.folded_form.setValue(choices.settings)
        self.device_picker.setValue(choices.settings.device)
        self.reference_edit.setValue(choices.reference)
        self._remembered = self.base_picker.choose(choices.base)
        self._propose_name()

    @property
    def bases(self) -> tuple[str, ...]:
        """Names of the models to start from."""
        box = self.base_picker.box
        return tuple(box.itemText(row) for row in range(box.count()))

    @property
    def awaits_proposal(self) -> bool:
        """True while there are several models to start from, and the user has chosen none, now or in an earlier run."""
        return not (self._base_chosen or self._remembered) and len(self.bases) > 1

    def suggest_base(self, name: str) -> None:
        """Start from the model that made the labels, unless the user chose another one."""
        if name and name != self._suggested and not self._base_chosen and self.base_picker.choose(name):
            self._suggested = name

    def show_best(self, name: str, sentence: str, *, wanted: bool) -> None:
        """Start from the best model, and show its score; ``wanted`` if the user asked for it."""
        self._base_chosen |= wanted
        if self.base_picker.choose(name):
            self.base_picker.note.setText(f"Best of your models on these nuclei. {sentence}")

    def propose_name(self) -> None:
        """Propose a free name, unless the user typed one that is still free."""
        if default_registry().holder(self.name) is not None:
            self._proposed = self.name
        self._propose_name()

    def problem(self) -> str:
        """Return why nothing can be run; empty where it can."""
        try:
            self.settings()
            self._check_name()
        except SettingsError as error:
            return str(error)
        if self.base_picker.entry is None:
            return "No model for nuclei is installed: install the package again, or import a model file."
        return ""

    def _check_name(self) -> None:
        """Raise if the name is invalid or taken."""
        check_model_name(self.name)
        if self.name.casefold() in RESERVED_NAMES or default_registry().holder(self.name) is not None:
            raise SettingsError(f"A model named '{self.name}' already exists: choose another name.")

    def _note_choice(self) -> None:
        self._base_chosen = True

    def _propose_name(self) -> None:
        """Derive the name from the base model's until the user types another one."""
        if self.name == self._proposed:
            stem = re.sub(rf"{ENDING}( \d+)?$", "", self.base_picker.value())[: LONGEST_NAME - len(ENDING)]
            self._proposed = default_registry().free_name(f"{stem}{ENDING}")
            self.name_edit.setText(self._proposed)
            # Or else a narrow field shows the end, which all proposals share.
            self.name_edit.setCursorPosition(0)

    def _choose_reference(self) -> list[str]:
        return [QFileDialog.getExistingDirectory(self, "Reference images", self.reference_edit.value())]
