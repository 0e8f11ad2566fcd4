"""Everything that is told before a run: image, model, nucleus size, device."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFormLayout, QLabel, QVBoxLayout, QWidget
from superqt import QCollapsible

from napari_unet_nuclei.core.errors import ImageShapeError, NucleiError, SettingsError
from napari_unet_nuclei.core.image.channels import named_channel
from napari_unet_nuclei.core.segment.request import SegmentRequest
from napari_unet_nuclei.core.segment.result import CACHED_PIXELS
from napari_unet_nuclei.core.settings import SegmentSettings
from napari_unet_nuclei.gui.models.picker import DevicePicker, ModelPicker
from napari_unet_nuclei.gui.segment.image_panel import ImageChoice, ImagePanel
from napari_unet_nuclei.gui.segment.store_panel import StorePanel, is_lazy
from napari_unet_nuclei.gui.segment.stored_labels import StoreOrder
from napari_unet_nuclei.gui.settings.remembered import PLANE, VIEW, SegmentChoices
from napari_unet_nuclei.gui.settings.settings_form import SettingsForm
from napari_unet_nuclei.gui.viewer.layers import LayerImage
from napari_unet_nuclei.gui.widgets.titled import titled

if TYPE_CHECKING:
    import napari

ADVANCED = ("flips", "tile")
"""Settings that are folded away."""


class SegmentForm(QWidget):
    """The controls of `SegmentRequest`, but for the thresholds, which follow the run.

    Parameters
    ----------
    viewer : napari.Viewer
    """

    changed = Signal()

    def __init__(self, viewer: napari.Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.image_panel = ImagePanel(viewer)
        self.store_panel = StorePanel()
        self.model_picker = ModelPicker()
        self.device_picker = DevicePicker()
        self.kind_form = SettingsForm(SegmentSettings, ["kind"])
        self.size_form = SettingsForm(SegmentSettings, ["diameter"])
        self.advanced_form = SettingsForm(SegmentSettings, ADVANCED)
        self.advanced_box = QCollapsible("More settings", expandedIcon="▾", collapsedIcon="▸")
        self.advanced_box.addWidget(self.advanced_form)
        folded = self.advanced_box.layout()
        assert folded is not None, "a collapsible has one"
        folded.setContentsMargins(0, 0, 0, 0)
        self.advanced_box.toggleButton().setToolTip("Settings that seldom need a change.")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(titled("Image", self.image_panel, self.kind_form, self.store_panel))
        layout.addWidget(titled("Model", self._pickers(), self.size_form, self.advanced_box))
        self.image_panel.changed.connect(self._show_store)
        for signal in (
            self.image_panel.changed,
            self.store_panel.changed,
            self.model_picker.valueChanged,
            self.device_picker.valueChanged,
            self.kind_form.valueChanged,
            self.size_form.valueChanged,
            self.advanced_form.valueChanged,
        ):
            signal.connect(self.changed)

    def _pickers(self) -> QWidget:
        widget = QWidget()
        rows = QFormLayout(widget)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        for text, picker in (("Model", self.model_picker), ("Device", self.device_picker)):
            label = QLabel(text)
            label.setToolTip(picker.box.toolTip())
            rows.addRow(label, picker)
        return widget

    def problem(self) -> str:
        """Say why nothing can be run now; empty where it can."""
        try:
            self.check(self.image_panel.image())
        except NucleiError as error:
            return str(error)
        if self.store_panel.is_on and self.model_picker.tells_classes:
            return "This model tells classes, which takes the whole image in memory: do not write its labels to disk."
        return self.store_panel.problem()

    def settings(self) -> SegmentSettings:
        """Return all settings but the thresholds, which are automatic here.

        Raises
        ------
        SettingsError
            If a value cannot be used.
        """
        size = self.size_form.value()
        settings = self.advanced_form.value().changed(
            diameter=size.diameter,
            diameter_auto=size.diameter_auto,
            diameter_unit=size.diameter_unit,
            kind=self.kind_form.value().kind,
            device=self.device_picker.value(),
        )
        return self.image_panel.changed_settings(settings)

    def check(self, image: LayerImage) -> None:
        """Refuse what cannot be run on an image.

        Raises
        ------
        SettingsError
            The message says what to change.
        """
        settings = self.settings()
        if not settings.diameter_auto and settings.diameter_unit == "µm" and not image.pixel_size.known:
            raise SettingsError("This image has no pixel size: give the diameter in px.")
        if not self.model_picker.has_models:
            raise SettingsError("No model is installed: install the package again, or import a model file.")

    def request(self, choice: ImageChoice, settings: SegmentSettings) -> SegmentRequest:
        """Return the request for what was chosen, with settings that hold the thresholds as well.

        Raises
        ------
        SettingsError
            As `check`.
        """
        image = choice.image
        self.check(image)
        model, source = self.model_picker.value(), image.source
        takes_one = self.model_picker.channels_at_once == 1
        if settings.channel_auto and takes_one and named_channel(source) is None and not source.rgb_channels:
            settings = settings.changed(channel="" if choice.channel is None else choice.channel)
        return SegmentRequest(image.source, settings, model, choice.plane, choice.region, image.pixel_size, image.file)

    def order(self, choice: ImageChoice) -> StoreOrder | None:
        """Return where on disk the labels go; None where they go into memory.

        Raises
        ------
        ImageShapeError
            If they hardly fit into memory, and nobody asked for more than what is on the screen.
        """
        order = self.store_panel.order(choice.image)
        y0, y1, x0, x1 = choice.region or (0, 0, 0, 0)
        if order is None and is_lazy(choice.image) and (y1 - y0) * (x1 - x0) > CACHED_PIXELS:
            raise ImageShapeError(
                f"The current view holds {(y1 - y0) * (x1 - x0) / 1e6:,.0f} megapixels: zoom in, or write to disk."
            )
        return order

    def _show_store(self) -> None:
        """Offer to write to disk what is larger than memory, or may be."""
        panel = self.image_panel
        try:
            image = panel.image()
        except NucleiError:
            self.store_panel.show_image(None, 0, is_whole=False)
            return
        planes = 1 if panel.scope == PLANE else math.prod(image.source.leading_shape)
        pixels = 0 if panel.scope == VIEW else planes * math.prod(image.source.plane_shape)
        self.store_panel.show_image(image, pixels, is_whole=panel.is_whole_file(image))

    def set_kind(self, kind: str) -> None:
        """Show a kind of image that was not chosen here."""
        self.kind_form.setValue(SegmentSettings().changed(kind=kind))

    def setValue(self, choices: SegmentChoices) -> None:
        """Show what was chosen before."""
        self.image_panel.setValue(choices.settings)
        self.image_panel.setScope(choices.run_on)
        self.kind_form.setValue(choices.settings)
        self.size_form.setValue(choices.settings)
        self.advanced_form.setValue(choices.settings)
        self.model_picker.setValue(choices.model)
        self.device_picker.setValue(choices.settings.device)
