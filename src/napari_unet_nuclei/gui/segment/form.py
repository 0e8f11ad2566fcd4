"""The choices before a run: image, kind, model, nucleus size, device, and where the labels go."""

from __future__ import annotations

import math
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import QCheckBox, QFileDialog, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from napari_unet_nuclei.core.errors import ImageShapeError, NucleiError, SettingsError
from napari_unet_nuclei.core.image.channels import named_channel
from napari_unet_nuclei.core.model.registry import AUTOMATIC
from napari_unet_nuclei.core.segment.planes import LARGEST_STACK
from napari_unet_nuclei.core.segment.remedy import KIND_NAMES
from napari_unet_nuclei.core.segment.request import SegmentRequest
from napari_unet_nuclei.core.segment.result import CACHED_PIXELS
from napari_unet_nuclei.core.settings import PROJECTIONS, SegmentSettings
from napari_unet_nuclei.gui.models.picker import DevicePicker, ModelPicker
from napari_unet_nuclei.gui.segment.image_panel import PLANE, VIEW, WHOLE, ImageChoice, ImagePanel
from napari_unet_nuclei.gui.segment.stored_labels import StoreOrder
from napari_unet_nuclei.gui.settings.remembered import Choices
from napari_unet_nuclei.gui.settings.settings_form import SettingsForm
from napari_unet_nuclei.gui.settings.threshold_panel import TITLES
from napari_unet_nuclei.gui.viewer.layers import LayerImage
from napari_unet_nuclei.gui.widgets.forms import Folded, Rows, fill, titled
from napari_unet_nuclei.gui.widgets.path_edit import PathEdit

if TYPE_CHECKING:
    import napari

ADVANCED = ("flips", "tile")
"""Settings below *More settings*."""

STORE_ENDING = "_labels.ome.zarr"

WITHOUT_SPACING = ("each", "joined", *PROJECTIONS)
"""Choices for which the distance of planes has no effect."""


@dataclass(frozen=True)
class SegmentChoices(Choices):
    """What the dock remembers.

    Attributes
    ----------
    settings : SegmentSettings
    model : str
    run_on : str
        One of `SCOPES`.
    """

    dock = "segment"

    settings: SegmentSettings = field(default_factory=SegmentSettings)
    model: str = AUTOMATIC
    run_on: str = WHOLE


class SegmentForm(QWidget):
    """The controls of a `SegmentRequest` except the thresholds, which are adjusted after the run."""

    changed = Signal()

    def __init__(self, viewer: napari.Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.image_panel = ImagePanel(viewer)
        self.store_panel = StorePanel()
        self.model_picker = ModelPicker()
        self.device_picker = DevicePicker()
        self.kind_form = SettingsForm(SegmentSettings, ["kind"])
        self.stack_form = StackForm()
        self.size_form = SettingsForm(SegmentSettings, ["diameter"])
        self.advanced_form = SettingsForm(SegmentSettings, ADVANCED)
        device = Rows(("Device", self.device_picker))
        self.advanced_box = Folded("More settings", "Settings that rarely need a change.", device, self.advanced_form)
        self.models_button = QPushButton("…")
        self.models_button.setToolTip("Import, export, rename or remove models, in the dock Models.")
        self.models_button.setStyleSheet("min-width: 20px; max-width: 20px")
        beside = fill(QHBoxLayout(), self.model_picker, self.models_button)
        beside.setStretch(0, 1)
        beside.setAlignment(self.models_button, Qt.AlignmentFlag.AlignTop)
        model = Rows(("Model", beside))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(
            titled("Image", self.image_panel, self.stack_form, self.stack_form.spacing_form, self.store_panel)
        )
        layout.addWidget(titled("Nuclei", self.kind_form, model, self.size_form, self.advanced_box))
        self.image_panel.changed.connect(self._show_store)
        self.image_panel.changed.connect(self._show_stack)
        for signal in (
            self.stack_form.changed,
            self.image_panel.changed,
            self.store_panel.changed,
            self.model_picker.valueChanged,
            self.device_picker.valueChanged,
            self.kind_form.valueChanged,
            self.size_form.valueChanged,
            self.advanced_form.valueChanged,
        ):
            signal.connect(self.changed)

    def problem(self) -> str:
        """Return why nothing can be run; empty if it can."""
        try:
            self.check(self.image_panel.image())
        except NucleiError as error:
            return str(error)
        if self.store_panel.is_on and self.model_picker.tells_classes:
            return "This model assigns classes, which requires the whole image in memory: do not write labels to disk."
        if self.store_panel.is_on and self.stack_form.planes == "joined":
            return "Planes are joined in memory: choose 3-D nuclei or each by itself, or do not write labels to disk."
        if self.store_panel.is_on and self.stack_form.planes in PROJECTIONS:
            return "A projection along z is made in memory: do not write its labels to disk."
        return self.store_panel.problem()

    def settings(self) -> SegmentSettings:
        """Return all settings; the thresholds are automatic here.

        Raises
        ------
        SettingsError
            If a value is invalid.
        """
        settings = self.advanced_form.value().changed(
            **self.kind_form.shown(), **self.size_form.shown(), device=self.device_picker.value()
        )
        settings = self.stack_form.changed_settings(settings)
        return self.image_panel.changed_settings(settings)

    def check(self, image: LayerImage) -> None:
        """Raise a `SettingsError` that says what to change if an image cannot be segmented."""
        settings = self.settings()
        if not settings.diameter_auto and settings.diameter_unit == "µm" and not image.pixel_size.known:
            raise SettingsError("This image has no pixel size: give the diameter in px.")
        if not settings.z_spacing_auto and settings.z_spacing_unit == "µm" and not image.pixel_size.known:
            raise SettingsError("This image has no pixel size: give the spacing of planes in px.")
        if not self.model_picker.has_models:
            raise SettingsError("No model is installed: install the package again, or import a model file.")

    def request(self, choice: ImageChoice, settings: SegmentSettings) -> SegmentRequest:
        """Return the request for a choice, with settings that include the thresholds; raises as `check`."""
        image = choice.image
        self.check(image)
        model, source = self.model_picker.value(), image.source
        takes_one = self.model_picker.channels_at_once == 1
        if settings.channel_auto and takes_one and named_channel(source) is None and not source.rgb_channels:
            settings = settings.changed(channel="" if choice.channel is None else choice.channel)
        return SegmentRequest(image.source, settings, model, choice.plane, choice.region, image.pixel_size, image.file)

    def order(self, choice: ImageChoice) -> StoreOrder | None:
        """Return where on disk the labels go, or None for memory; raise if the current view is too large for that."""
        order = self.store_panel.order(choice.image)
        y0, y1, x0, x1 = choice.region or (0, 0, 0, 0)
        if order is None and is_lazy(choice.image) and (y1 - y0) * (x1 - x0) > CACHED_PIXELS:
            raise ImageShapeError(
                f"The current view holds {(y1 - y0) * (x1 - x0) / 1e6:,.0f} megapixels: zoom in, or write to disk."
            )
        return order

    def _show_stack(self) -> None:
        """Offer what to do with planes where the image has some above each other, and all of them are segmented."""
        try:
            source = self.image_panel.image().source
        except NucleiError:
            self.stack_form.show_for(stack=False)
            return
        axes = dict(zip(source.leading_axes, source.leading_shape, strict=True))
        self.stack_form.show_for(stack=self.image_panel.scope == WHOLE and axes.get("Z", 1) > 1)

    def _show_store(self) -> None:
        """Offer to write labels to disk if the image is lazy."""
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
        """Show a kind of image."""
        self.kind_form.setValue(SegmentSettings().changed(kind=kind))

    def setValue(self, choices: SegmentChoices) -> None:
        """Show remembered choices."""
        self.image_panel.setValue(choices.settings)
        self.image_panel.setScope(choices.run_on)
        self.kind_form.setValue(choices.settings)
        self.size_form.setValue(choices.settings)
        self.stack_form.setValue(choices.settings)
        self.advanced_form.setValue(choices.settings)
        self.model_picker.setValue(choices.model)
        self.device_picker.setValue(choices.settings.device)


OFFERED = 2**24
"""Voxels of a stack in memory for which labels on disk are offered: small nuclei make many cubes of them."""


class StorePanel(QWidget):
    """Chooses between labels in memory and on disk for lazy images and large stacks; hidden for all others."""

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._image: tuple[object, ...] = ()
        self._offered = False
        self._pixels = -1
        self._proposed = ""
        self.box = QCheckBox("Write labels to disk, block by block")
        self.box.setToolTip(
            "Memory use then depends on the block, not on the image, and an interrupted run can be continued.\n"
            "Changing thresholds requires a new run. Labels in memory take about ten bytes per pixel."
        )
        self.path_edit = PathEdit(
            "name ending in .ome.zarr", "OME-Zarr folder that the labels are written to, with a table beside it."
        )
        self.path_edit.add_button("…", "Choose a folder and a name.", self._ask)
        self.overwrite_box = QCheckBox("Replace existing labels")
        self.overwrite_box.setToolTip(
            "Replace the labels of another run in this place once the new ones are done.\n"
            "The same run is not repeated: it is shown, or continued where it stopped."
        )
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for widget in (self.box, self.path_edit, self.overwrite_box):
            layout.addWidget(widget)
        self.box.toggled.connect(self._refresh)
        self.path_edit.changed.connect(self.changed)
        self.setVisible(False)
        self._refresh()

    def show_image(self, image: LayerImage | None, pixels: int, *, is_whole: bool) -> None:
        """Propose where the labels of an image go; the user's choice for the same image is kept.

        Parameters
        ----------
        image : LayerImage or None
        pixels : int
            Number of pixels to segment over all planes; 0 for the current view.
        is_whole : bool
            Whether the image is the whole content of its file.
        """
        self._offered = image is not None and (is_lazy(image) or (_is_stack(image) and pixels > OFFERED))
        self.setVisible(self._offered)
        if image is None:
            return
        same = (image.name, image.file, tuple(image.source.array.shape))
        is_other = same != self._image
        if is_other or pixels != self._pixels:
            blocker = QSignalBlocker(self.box)
            # What lies in memory is segmented there as far as that goes.
            largest = CACHED_PIXELS if is_lazy(image) else LARGEST_STACK
            self.box.setChecked(self._offered and pixels > largest)
            blocker.unblock()
        self._image, self._pixels = same, pixels
        proposed = str(proposed_store(image, is_whole=is_whole))
        if (is_other or self.path_edit.value() == self._proposed) and proposed != self.path_edit.value():
            self._proposed = proposed  # before the signal of the next line
            self.path_edit.setValue(proposed)
        if is_other:
            self.overwrite_box.setChecked(False)
        self._show_place()

    @property
    def is_on(self) -> bool:
        """True if the labels of the image go to disk."""
        return not self.isHidden() and self.box.isChecked()

    def order(self, image: LayerImage) -> StoreOrder | None:
        """Return where on disk the labels of the image shown go; None for memory."""
        if not self._offered or not self.box.isChecked():
            return None
        return StoreOrder(Path(self.path_edit.value()).expanduser(), self.overwrite_box.isChecked())

    def problem(self) -> str:
        """Return why nothing can be written there; empty if it can."""
        if not self.is_on or self.path_edit.value().lower().endswith(".zarr"):
            return ""
        return "Choose where to write the labels: a name ending in .ome.zarr."

    def _refresh(self) -> None:
        self._show_place()
        self.changed.emit()

    def _show_place(self) -> None:
        for widget in (self.path_edit, self.overwrite_box):
            widget.setVisible(self.box.isChecked())

    def _ask(self) -> list[str]:
        title = "Labels on disk"
        path, _ = QFileDialog.getSaveFileName(self, title, self.path_edit.value(), "OME-Zarr (*.ome.zarr)")
        return [path if not path or path.lower().endswith(".zarr") else f"{path}.ome.zarr"]


def _is_stack(image: LayerImage) -> bool:
    """Tell whether an image has planes above each other, whose nuclei take much more memory than its pixels."""
    source = image.source
    return dict(zip(source.leading_axes, source.leading_shape, strict=True)).get("Z", 1) > 1


def is_lazy(image: LayerImage) -> bool:
    """Return whether the pixels of an image are read on demand, so that they need not fit into memory."""
    array = image.source.array
    return not isinstance(array, np.ndarray) or isinstance(array, np.memmap)


def proposed_store(image: LayerImage, *, is_whole: bool) -> Path:
    """Return the default store for the labels of an image: beside its file, or in the home folder.

    The name includes the layer's unless the image is the whole content of its file.
    """
    name = re.sub(r"[^\w.-]+", "_", image.name).strip("_.") or "image"
    if not image.file or "://" in image.file:
        return Path.home() / f"{name}{STORE_ENDING}"
    file = Path(image.file)
    file = next((folder for folder in reversed(file.parents) if folder.suffix.lower() == ".zarr"), file)
    stem = file.stem.removesuffix(".ome")
    named = stem if is_whole or name in (stem, file.stem) else f"{stem}_{name}"
    folder = file.parent if os.access(file.parent, os.W_OK) else Path.home()
    return folder / f"{named}{STORE_ENDING}"


def not_automatic(settings: SegmentSettings, model: str) -> str:
    """Return which of kind, model and thresholds are not automatic, as a sentence; empty if all are.

    Examples
    --------
    >>> not_automatic(SegmentSettings().changed(kind="brightfield", foreground=0.62), "automatic")
    'Not automatic: dark nuclei on bright, edge 0.62.'
    """
    parts = [KIND_NAMES[settings.kind]] if settings.kind != "auto" else []
    parts += [f"model {model}"] if model != AUTOMATIC else []
    parts += [
        f"{title.split(' (')[0].lower()} {getattr(settings, name):g}"
        for name, title in TITLES.items()
        if not getattr(settings, f"{name}_auto")
    ]
    return f"Not automatic: {', '.join(parts)}." if parts else ""


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
