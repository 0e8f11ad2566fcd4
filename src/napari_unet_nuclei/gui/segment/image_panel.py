"""Chooses what to segment: a layer, and of it a channel, a level, a plane or the current view."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from magicgui.widgets import create_widget
from qtpy.QtCore import QSignalBlocker, Signal
from qtpy.QtWidgets import QComboBox, QFormLayout, QLabel, QLineEdit, QWidget

from napari_unet_nuclei.core.errors import ImageShapeError, NucleiError
from napari_unet_nuclei.core.image.axes import ImageSource
from napari_unet_nuclei.core.image.channels import find_channel, named_channel
from napari_unet_nuclei.core.image.io.image_file import named_source
from napari_unet_nuclei.core.settings import SegmentSettings
from napari_unet_nuclei.core.types import Region
from napari_unet_nuclei.gui.jobs.latest_job import LatestJob
from napari_unet_nuclei.gui.settings.remembered import PLANE, SCOPES, WHOLE
from napari_unet_nuclei.gui.viewer.image_facts import image_facts, sides
from napari_unet_nuclei.gui.viewer.layers import LayerImage, describe_layer, guess_layer_axes
from napari_unet_nuclei.gui.viewer.shown import shows_planes, viewed_channel, viewed_plane, viewed_region
from napari_unet_nuclei.gui.viewer.source_file import SourceFile, read_source_file
from napari_unet_nuclei.gui.widgets.choice_box import choice_box, keep_narrow
from napari_unet_nuclei.gui.widgets.wrapped_label import Sentence

if TYPE_CHECKING:
    import napari
    from napari.layers import Image

AUTOMATIC_CHANNEL = ""


@dataclass(frozen=True)
class ImageChoice:
    """What is to be segmented, taken down when it was asked for.

    Attributes
    ----------
    image : LayerImage
    plane : tuple of int or None
        One index per leading axis; empty for all planes.
    region : Region or None
        Rectangle of pixels; None for the whole plane.
    channel : int or None
        The channel on the screen; None where channels are no axis of the layer.
    """

    image: LayerImage
    plane: tuple[int | None, ...] = ()
    region: Region | None = None
    channel: int | None = None


class ImagePanel(QWidget):
    """Picker of an image layer that follows the layer list, with what the layer leaves to choose.

    Parameters
    ----------
    viewer : napari.Viewer
    """

    changed = Signal()

    def __init__(self, viewer: napari.Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self.file = SourceFile()
        self._taken: Image | None = None
        self._wanted_scope = WHOLE
        self._wanted_channel = AUTOMATIC_CHANNEL
        options = {"tooltip": "The image layer to segment."}
        self.layer_box = cast("Any", create_widget(annotation="napari.layers.Image", options=options))
        keep_narrow(self.layer_box.native)
        self.axes_edit = QLineEdit()
        self.axes_edit.setToolTip(
            "What the axes are, one letter each: T time, Z depth, C channel, Y rows, X columns, Q unknown.\n"
            "Every plane of T, Z and Q is segmented by itself."
        )
        self.level_box = choice_box("Resolution level; 0 is the finest.")
        self.channel_box = choice_box(SegmentSettings.model_fields["channel"].description or "")
        self.scope_box = choice_box(
            "Segment all planes, the plane that is shown, or only the part of it that is on the screen."
        )
        self.facts_label = Sentence()
        self._layout = QFormLayout(self)
        self._lay_out()
        self._looking = LatestJob()
        self._looking.succeeded.connect(self._take_file)
        self.layer_box.changed.connect(self._take_layer)
        self.axes_edit.editingFinished.connect(self._refresh)
        self.level_box.currentIndexChanged.connect(self._refresh)
        for box in (self.channel_box, self.scope_box):
            box.currentIndexChanged.connect(self._note_wish)
        viewer.layers.events.inserted.connect(self._follow_new_layer)
        self._take_layer()

    def _lay_out(self) -> None:
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        rows: list[tuple[str, QWidget]] = [
            ("Image", self.layer_box.native),
            ("Axes", self.axes_edit),
            ("Level", self.level_box),
            ("Channel", self.channel_box),
            ("Run on", self.scope_box),
        ]
        for text, widget in rows:
            label = QLabel(text)
            label.setToolTip(widget.toolTip())
            self._layout.addRow(label, widget)
        self._layout.addRow(self.facts_label)

    @property
    def layer(self) -> Image | None:
        """The chosen layer; None where there is no image."""
        layer: Image | None = self.layer_box.value
        return layer

    @property
    def scope(self) -> str:
        """One of `SCOPES`."""
        return str(self.scope_box.currentData() or WHOLE)

    def choose(self, layer: Image) -> None:
        """Choose a layer."""
        self.reset_choices()
        self.layer_box.value = layer

    def reset_choices(self) -> None:
        """Look again which layers there are."""
        self.layer_box.reset_choices()
        if self.layer is not self._taken:  # the list does not tell when it has become empty
            self._take_layer()

    def setScope(self, scope: str) -> None:
        """Choose what to run on, for images that have that choice."""
        self._wanted_scope = scope
        self._refresh()

    def image(self) -> LayerImage:
        """Take down the chosen layer.

        Raises
        ------
        ImageShapeError
            If there is none, or if it cannot be segmented; the message says what to do.
        """
        if self.layer is None:
            raise ImageShapeError("Open an image first: drag a file into the window, or see File > Open Sample.")
        image = describe_layer(self.layer, self.axes_edit.text().strip().upper(), max(self.level_box.currentIndex(), 0))
        if self.file.readable and self.file.path == image.file:
            names, colours = self.file.channel_names, self.file.channel_colours
            image = replace(image, source=named_source(image.source.array, image.source.axes, names, colours))
        if not image.pixel_size.known and self.is_whole_file(image):
            image = replace(image, pixel_size=self.file.pixel_size)
        return image

    def choice(self) -> ImageChoice:
        """Take down what is to be segmented now.

        Raises
        ------
        ImageShapeError
            As `image`, or if the plane or view that was asked for is not on the screen.
        """
        image, layer, dims = self.image(), self.layer, self._viewer.dims
        assert layer is not None, "image() says so in words"
        channel = viewed_channel(dims, layer, image)
        if self.scope == WHOLE:
            return ImageChoice(image, channel=channel)
        plane = viewed_plane(dims, layer, image)
        if self.scope == PLANE:
            return ImageChoice(image, plane, channel=channel)
        if not shows_planes(dims, image):
            raise ImageShapeError("The current view shows no plane of this image: switch to 2-D with Y and X.")
        region = viewed_region(layer, image)
        if region[0] >= region[1] or region[2] >= region[3]:
            raise ImageShapeError("Nothing of this image is in view: move it onto the screen, or run on all of it.")
        return ImageChoice(image, plane, region, channel)

    def is_whole_file(self, image: LayerImage) -> bool:
        """Tell whether an image is what its file holds, and not a part of it or another resolution."""
        return (
            self.file.readable and self.file.path == image.file and self.file.shape == tuple(image.source.array.shape)
        )

    def changed_settings(self, settings: SegmentSettings) -> SegmentSettings:
        """Return settings with the chosen channel."""
        changed: SegmentSettings = settings.changed(channel=self.channel_box.currentData() or AUTOMATIC_CHANNEL)
        return changed

    def setValue(self, settings: SegmentSettings) -> None:
        """Choose the channel of settings, for images that have it."""
        self._wanted_channel = AUTOMATIC_CHANNEL if settings.channel_auto else settings.channel
        self._refresh()

    def _follow_new_layer(self, event: Any) -> None:
        """Choose an image that was just opened; of several from one file the first."""
        self.reset_choices()
        opened = event.value
        if opened in self.layer_box.choices and (self.layer is None or opened.source != self.layer.source):
            self.layer_box.value = opened

    def _note_wish(self) -> None:
        """Keep what the user chose, for images to come."""
        self._wanted_scope = self.scope
        if self.channel_box.count():
            self._wanted_channel = self.channel_box.currentData()
        self._refresh()

    def _take_layer(self) -> None:
        """Show what another layer leaves to choose, and look into its file."""
        self._taken = layer = self.layer
        path = "" if layer is None else str(layer.source.path or "")
        if path != self.file.path:
            self.file = SourceFile(path)
            if path:
                self._looking.submit(lambda _progress: read_source_file(path))
        if layer is not None:
            self.axes_edit.setText(guess_layer_axes(layer, self._file_axes(layer)))
            shapes = layer.level_shapes if layer.multiscale else []
            levels = {i: f"{i}: {'finest, ' * (i == 0)}{sides(shape)}" for i, shape in enumerate(shapes)}
            _fill(self.level_box, levels, self.level_box.currentData())
        self._refresh()

    def _take_file(self, file: SourceFile) -> None:
        """Believe a file about what the layer does not tell."""
        if file.path != self.file.path:
            return
        self.file = file
        if self.layer is not None:
            self.axes_edit.setText(guess_layer_axes(self.layer, self._file_axes(self.layer)))
        self._refresh()

    def _file_axes(self, layer: Image) -> str:
        finest = layer.data[0] if layer.multiscale else layer.data
        return self.file.axes if self.file.shape == tuple(finest.shape) else ""

    def _refresh(self) -> None:
        """Show only what there is to choose, and say what will happen to the axes."""
        try:
            image = self.image()
        except NucleiError:
            image = None
        source = image.source if image else None
        stack = self.layer is not None and len(self.axes_edit.text().replace("S", "")) > 2
        _fill(self.channel_box, self._channels(source), self._wanted_value(source))
        leading = source is not None and bool(source.leading_axes)
        scopes = {scope: scope.capitalize() for scope in SCOPES if scope != PLANE or leading}
        _fill(self.scope_box, scopes, self._wanted_scope)
        self._layout.setRowVisible(self.axes_edit, stack)
        self._layout.setRowVisible(self.level_box, self.level_box.count() > 1)
        self._layout.setRowVisible(self.channel_box, self.channel_box.count() > 1)
        self.facts_label.setText(image_facts(image) if image else "")
        self.facts_label.setVisible(image is not None)
        self.changed.emit()

    def _channels(self, source: ImageSource | None) -> dict[str, str]:
        """Return the channels to choose from: what a setting calls them, and their titles."""
        if source is None or source.channels < 2:
            return {}
        titles = [source.channel_name(channel) for channel in range(source.channels)]
        named = named_channel(source)
        found = titles[named] if named is not None else "" if source.rgb_channels else "on screen"
        return {
            AUTOMATIC_CHANNEL: f"automatic: {found}" if found and not source.is_colour else "automatic",
            **{_called(source, channel): title for channel, title in enumerate(titles)},
        }

    def _wanted_value(self, source: ImageSource | None) -> str:
        """Return what the wanted channel is called in an image; the automatic choice where it has no such channel."""
        if source is None or self._wanted_channel == AUTOMATIC_CHANNEL:
            return AUTOMATIC_CHANNEL
        try:
            return _called(source, find_channel(source, self._wanted_channel))
        except ImageShapeError:
            return AUTOMATIC_CHANNEL


def _called(source: ImageSource, channel: int) -> str:
    """Return what a setting calls a channel: by its name, which holds in other images too, or else by its number."""
    names = source.channel_names
    return names[channel] if names.count(names[channel] if names else "") == 1 else str(channel)


def _fill(box: QComboBox, titles: dict[Any, str], wanted: object) -> None:
    """Offer values with their titles and choose one of them, the first where there is no such; nobody is told."""
    blocker = QSignalBlocker(box)
    if [(box.itemData(i), box.itemText(i)) for i in range(box.count())] != list(titles.items()):
        box.clear()
        for value, title in titles.items():
            box.addItem(title, value)
    box.setCurrentIndex(max(box.findData(wanted), 0) if titles else -1)
    blocker.unblock()
