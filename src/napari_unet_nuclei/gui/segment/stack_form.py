"""What becomes of the planes of a stack, and how far they are apart; shown for stacks alone."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_unet_nuclei.core.settings import PROJECTIONS, SegmentSettings
from napari_unet_nuclei.gui.settings.settings_form import SettingsForm
from napari_unet_nuclei.gui.widgets.forms import fill

WITHOUT_SPACING = ("each", "joined", *PROJECTIONS)
"""Choices for which the distance of planes has no effect."""


class StackForm(QWidget):
    """Choices that apply to stacks; while hidden they are automatic, so that none of them acts unseen.

    ``spacing_form`` is to be placed below it, and is shown and hidden with it.
    """

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.planes_form = SettingsForm(SegmentSettings, ["planes"])
        self.spacing_form = SettingsForm(SegmentSettings, ["z_spacing"])
        # The spacing has no place within this widget: only directly in a group do rows that wrap get their height.
        fill(QVBoxLayout(self), self.planes_form)
        self.planes_form.valueChanged.connect(self._show_spacing)
        self.planes_form.valueChanged.connect(self.changed)
        self.spacing_form.valueChanged.connect(self.changed)
        self._show_spacing()

    @property
    def planes(self) -> str:
        """What is chosen; automatic while it is hidden."""
        return "auto" if self.isHidden() else str(self.planes_form.shown()["planes"])

    def show_for(self, *, stack: bool) -> None:
        """Show what applies to a stack, or hide it for any other image."""
        self.setVisible(stack)
        self._show_spacing()

    def changed_settings(self, settings: SegmentSettings) -> SegmentSettings:
        """Return settings with the choices that are shown."""
        shown = {} if self.isHidden() else self.planes_form.shown()
        shown |= {} if self.spacing_form.isHidden() else self.spacing_form.shown()
        changed: SegmentSettings = settings.changed(**{"planes": "auto", "z_spacing_auto": True, **shown})
        return changed

    def setValue(self, settings: SegmentSettings) -> None:
        """Show settings."""
        self.planes_form.setValue(settings)
        self.spacing_form.setValue(settings)

    def _show_spacing(self) -> None:
        has_spacing = self.planes_form.shown()["planes"] not in WITHOUT_SPACING
        self.spacing_form.setVisible(has_spacing and not self.isHidden())
