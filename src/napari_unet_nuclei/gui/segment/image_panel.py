"""Choose what to segment: a layer, its channel and level, and the whole image, a plane or the current view."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from napari.layers import Image
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_unet_nuclei.core.errors import ImageShapeError, NucleiError
from napari_unet_nuclei.core.image.axes import ImageSource
from napari_unet_nuclei.core.image.channels import find_channel, named_channel
from napari_unet_nuclei.core.image.io.image_file import named_source
from napari_unet_nuclei.core.image.words import axes_in_words, image_in_words, possible_axes
from napari_unet_nuclei.core.settings import SegmentSettings
from napari_unet_nuclei.core.types import Region
from napari_unet_nuclei.gui.jobs.latest_job import LatestJob
from napari_unet_nuclei.gui.viewer.layer_box import LayerBox, row_in
from napari_unet_nuclei.gui.viewer.layers import (
    PROJECTION_KEY,
    LayerImage,
    describe_layer,
    guess_layer_axes,
    pictures_in,
)
from napari_unet_nuclei.gui.viewer.source_file import SourceFile, read_source_file
from napari_unet_nuclei.gui.viewer.view import current_channel, current_plane, shows_planes, visible_region
from napari_unet_nuclei.gui.widgets.banner import ActionLine
from napari_unet_nuclei.gui.widgets.choice_box import choice_box, fill
from napari_unet_nuclei.gui.widgets.forms import Rows
from napari_unet_nuclei.gui.widgets.wrapped_label import Sentence

if TYPE_CHECKING:
    import napari
    from napari.layers import Layer

AUTOMATIC_CHANNEL = ""

WHOLE, PLANE, VIEW = "whole image", "current plane", "current view"
SCOPES = (WHOLE, PLANE, VIEW)
"""What part of an image is segmented."""


FLAT = 0.05
"""Share by which planes may lie closer, or farther apart, than the file says without a view in 3-D that looks wrong."""


@dataclass(frozen=True)
class ImageChoice:
    """Snapshot of what is to be segmented.

    Attributes
    ----------
    image : LayerImage
    plane : tuple of int or None
        One index per leading axis; empty for all planes.
    region : Region or None
        Rectangle of pixels; None for the whole plane.
    channel : int or None
        The visible channel; None if channels are not an axis of the layer.
    """

    image: LayerImage
    plane: tuple[int | None, ...] = ()
    region: Region | None = None
    channel: int | None = None


class ImagePanel(QWidget):
    """Picker of an image layer, with the choices that the layer offers."""

    changed = Signal()

    def __init__(self, viewer: napari.Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self.file = SourceFile()
        self._taken: Image | None = None
        self._wanted_scope = WHOLE
        self._wanted_channel = AUTOMATIC_CHANNEL
        self.layer_box = LayerBox("The image layer to segment.")
        self._axes = ""
        self.axes_box = choice_box("What the axes of the image are, if it was read wrongly: planes, time or channels.")
        self.level_box = choice_box("Resolution level; 0 is the finest.")
        self.channel_box = choice_box(SegmentSettings.model_fields["channel"].description or "")
        self.scope_box = choice_box("Segment all planes, the current plane, or only its visible part.")
        self.facts_label = Sentence()
        self.stretch_line = ActionLine(
            "Give all layers without a scale of their own the distance of the planes, so that the view in 3-D is right."
        )
        self._rows = Rows(
            ("Image", self.layer_box),
            ("Axes", self.axes_box),
            ("Level", self.level_box),
            ("Channel", self.channel_box),
            ("Run on", self.scope_box),
            ("", self.facts_label),
            ("", self.stretch_line),
        )
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._rows)
        self._looking = LatestJob()
        self._looking.succeeded.connect(self._take_file)
        self.layer_box.currentIndexChanged.connect(self._take_layer)
        self.axes_box.currentIndexChanged.connect(self._note_axes)
        self.level_box.currentIndexChanged.connect(self._refresh)
        for box in (self.channel_box, self.scope_box):
            box.currentIndexChanged.connect(self._note_wish)
        self.stretch_line.clicked.connect(self._stretch)
        viewer.layers.events.inserted.connect(self._follow_new_layer)
        self._take_layer()

    @property
    def layer(self) -> Image | None:
        """The chosen layer; None if there is no image."""
        return self.layer_box.layer

    @property
    def scope(self) -> str:
        """One of `SCOPES`."""
        return str(self.scope_box.currentData() or WHOLE)

    def choose(self, layer: Image) -> None:
        """Choose a layer."""
        self.reset_choices()
        self.layer_box.choose(layer)

    def reset_choices(self) -> None:
        """List the layers again."""
        images = pictures_in(self._viewer)
        self.layer_box.offer(images, max(row_in(images, self.layer), 0) if images else -1)
        if self.layer != self._taken:
            self._take_layer()

    def setScope(self, scope: str) -> None:
        """Choose what to run on, for images that offer it."""
        self._wanted_scope = scope
        self._refresh()

    def image(self) -> LayerImage:
        """Describe the chosen layer; raise an `ImageShapeError` that says what to do if it cannot be segmented."""
        if self.layer is None:
            raise ImageShapeError("Open an image first: drag a file into the window, or see File > Open Sample.")
        image = describe_layer(self.layer, self._axes, max(self.level_box.currentIndex(), 0))
        if self.file.readable and self.file.path == image.file:
            names, colours = self.file.channel_names, self.file.channel_colours
            image = replace(image, source=named_source(image.source.array, image.source.axes, names, colours))
        if not image.pixel_size.known and self.is_whole_file(image):
            image = replace(image, pixel_size=self.file.pixel_size)
        return image

    def choice(self) -> ImageChoice:
        """Return what is to be segmented; raises as `image`, and if the chosen plane or view is not visible."""
        image, layer, dims = self.image(), self.layer, self._viewer.dims
        assert layer is not None, "image() raises"
        channel = current_channel(dims, layer, image)
        if self.scope == WHOLE:
            return ImageChoice(image, channel=channel)
        plane = current_plane(dims, layer, image)
        if self.scope == PLANE:
            return ImageChoice(image, plane, channel=channel)
        if not shows_planes(dims, image):
            raise ImageShapeError("The current view does not show a plane of this image: switch to 2-D, along Y and X.")
        region = visible_region(layer, image)
        if region[0] >= region[1] or region[2] >= region[3]:
            raise ImageShapeError("This image is not in view: move it into view, or run on the whole image.")
        return ImageChoice(image, plane, region, channel)

    def is_whole_file(self, image: LayerImage) -> bool:
        """Return whether an image is the whole content of its file, at full resolution."""
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
        """Choose an image that was just opened, the first of several from one file."""
        self.reset_choices()
        opened = event.value
        if PROJECTION_KEY in opened.metadata:
            return  # made of the chosen one
        if opened in pictures_in(self._viewer) and (self.layer is None or opened.source != self.layer.source):
            self.layer_box.choose(opened)

    def setAxes(self, axes: str) -> None:
        """Say what the axes of the layer's array are, one letter each, and list what else they could be."""
        self._axes = axes
        shape = _finest_shape(self.layer) if self.layer is not None else ()
        readings = possible_axes(axes, shape) if len(shape) == len(axes) else (axes,)
        if self.layer is not None and self.layer.rgb:
            readings = (axes, axes[:-1] + "S") if axes.endswith("C") else possible_axes(axes, shape)
        fill(self.axes_box, {one: axes_in_words(one, shape) for one in readings}, axes)

    def _note_axes(self) -> None:
        """Take what the user says of the axes."""
        self._axes = self.axes_box.currentData()
        self._refresh()

    def _note_wish(self) -> None:
        """Keep the user's choice for the next images."""
        self._wanted_scope = self.scope
        if self.channel_box.count():
            self._wanted_channel = self.channel_box.currentData()
        self._refresh()

    def _take_layer(self) -> None:
        """Show the choices of another layer, and read its file's metadata."""
        self._taken = layer = self.layer
        path = "" if layer is None else str(layer.source.path or "")
        if path != self.file.path:
            self.file = SourceFile(path)
            if path:
                self._looking.submit(lambda _progress: read_source_file(path))
        if layer is not None:
            self.setAxes(guess_layer_axes(layer, self._file_axes(layer)))
            shapes = layer.level_shapes if layer.multiscale else []
            levels = {i: f"{i}: {'finest, ' * (i == 0)}{_sides(shape)}" for i, shape in enumerate(shapes)}
            fill(self.level_box, levels, self.level_box.currentData())
        self._refresh()

    def _take_file(self, file: SourceFile) -> None:
        """Use a file's metadata for what the layer does not know."""
        if file.path != self.file.path:
            return
        self.file = file
        if self.layer is not None:
            self.setAxes(guess_layer_axes(self.layer, self._file_axes(self.layer)))
        self._refresh()

    def _file_axes(self, layer: Image) -> str:
        return self.file.axes if self.file.shape == _finest_shape(layer) else ""

    def _refresh(self) -> None:
        """Show the choices that there are, and how the axes are treated."""
        try:
            image = self.image()
        except NucleiError:
            image = None
        source = image.source if image else None
        fill(self.channel_box, self._channels(source), self._wanted_value(source))
        leading = source is not None and bool(source.leading_axes)
        scopes = {scope: scope.capitalize() for scope in SCOPES if scope != PLANE or leading}
        fill(self.scope_box, scopes, self._wanted_scope)
        self._rows.set_visible(self.axes_box, self.layer is not None and self.axes_box.count() > 1)
        self._rows.set_visible(self.level_box, self.level_box.count() > 1)
        self._rows.set_visible(self.channel_box, self.channel_box.count() > 1)
        self.facts_label.setText(image_in_words(image.source, image.pixel_size) if image else "")
        self.facts_label.setVisible(image is not None)
        ratio = self._missing_scale(image)
        text = f"Shown with planes 1 pixel apart instead of {ratio:.3g}: the view in 3-D is out of proportion."
        self.stretch_line.say(text if ratio else "", "Show planes where they lie")
        self.changed.emit()

    def _missing_scale(self, image: LayerImage | None) -> float:
        """Return how many pixels apart the planes are, where the file says so and the layer has no scale; else 0."""
        if image is None or self.layer is None or not _is_unscaled(self.layer) or "Z" not in image.letters:
            return 0.0
        size = image.pixel_size
        ratio = size.z / size.x if size.known else 0.0
        return ratio if ratio and abs(ratio - 1) > FLAT else 0.0

    def _stretch(self) -> None:
        """Give all layers without a scale the distance of planes of the chosen one."""
        image, layer = self.image(), self.layer
        ratio = self._missing_scale(image)
        if not ratio or layer is None:
            return
        before_yx = layer.ndim - image.letters.index("Z")
        for one in self._viewer.layers:
            if one.ndim >= before_yx and _is_unscaled(one):
                one.scale = [ratio if axis == one.ndim - before_yx else 1.0 for axis in range(one.ndim)]
        self._refresh()

    def _channels(self, source: ImageSource | None) -> dict[str, str]:
        """Return the channels to choose from: their names in settings, and their titles."""
        if source is None or source.channels < 2:
            return {}
        titles = [source.channel_name(channel) for channel in range(source.channels)]
        named = named_channel(source)
        # No slider goes through stains that napari shows as colours.
        has_slider = self.layer is not None and not self.layer.rgb and not source.rgb_channels
        found = titles[named] if named is not None else "on screen" if has_slider else ""
        return {
            AUTOMATIC_CHANNEL: f"automatic: {found}" if found and not source.is_colour else "automatic",
            **{_called(source, channel): title for channel, title in enumerate(titles)},
        }

    def _wanted_value(self, source: ImageSource | None) -> str:
        """Return the wanted channel's name in an image; the automatic choice if there is no such channel."""
        if source is None or self._wanted_channel == AUTOMATIC_CHANNEL:
            return AUTOMATIC_CHANNEL
        try:
            return _called(source, find_channel(source, self._wanted_channel))
        except ImageShapeError:
            return AUTOMATIC_CHANNEL


def _called(source: ImageSource, channel: int) -> str:
    """Return a channel's name in settings: its own if unique, which also fits other images, else its number."""
    names = source.channel_names
    return names[channel] if names.count(names[channel] if names else "") == 1 else str(channel)


def _is_unscaled(layer: Layer) -> bool:
    """Tell whether a layer lies in pixels, as napari opens what it knows no scale of."""
    return bool((layer.scale == 1).all()) and all(str(unit) == "pixel" for unit in layer.units)


def _finest_shape(layer: Image) -> tuple[int, ...]:
    """Shape of a layer's array, of a pyramid that of its finest level."""
    return tuple((layer.data[0] if layer.multiscale else layer.data).shape)


def _sides(shape: Sequence[int]) -> str:
    """Return height and width as text."""
    return f"{shape[-2]} × {shape[-1]}"
