"""What is measured: labels, images, cells and rings around the nuclei, regions and spots."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from napari.layers import Image, Labels, Points, Shapes
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QDoubleSpinBox,
    QFileDialog,
    QHBoxLayout,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_unet_nuclei.core.errors import ImageShapeError, NucleiError
from napari_unet_nuclei.core.image.io.drawn_file import read_areas
from napari_unet_nuclei.core.labels.measure.surroundings import spacing_in
from napari_unet_nuclei.core.segment.table import StoredIds
from napari_unet_nuclei.core.settings import CellSettings
from napari_unet_nuclei.gui.settings.settings_form import SettingsForm
from napari_unet_nuclei.gui.viewer.image_line import ImageLine
from napari_unet_nuclei.gui.viewer.labels_and_image import describe_labels
from napari_unet_nuclei.gui.viewer.layer_box import LayerBox, row_in
from napari_unet_nuclei.gui.viewer.layers import pictures_in
from napari_unet_nuclei.gui.viewer.measure_request import MeasureRequest, add_areas, areas_of, ask, spots_of
from napari_unet_nuclei.gui.viewer.pairing import choose_image, image_of, images_of_size
from napari_unet_nuclei.gui.widgets.choice_box import choice_box, fill
from napari_unet_nuclei.gui.widgets.forms import Folded, Rows
from napari_unet_nuclei.gui.widgets.row_list import TICK_BOX

if TYPE_CHECKING:
    from napari import Viewer

GROWN, NONE = "grown from the nuclei", "none"
"""Entries of the boxes that stand for no layer."""

SPOT = 3.0
"""Diameter of a spot in px that the box starts with."""

LISTED = 5
"""Image layers that are seen at once; the others are scrolled to."""


class MeasureForm(QWidget):
    """The controls of a `MeasureRequest`; they follow the layer list."""

    changed = Signal()

    failed = Signal(object)
    """A file of regions could not be opened: a `NucleiError`."""

    def __init__(self, viewer: Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self.labels_picker = LayerBox(
            "Labels layer with the nuclei: segmented here, corrected by hand, or opened from a file."
        )
        self.image_line = ImageLine(
            "Image that the labels belong to. It is measured, with all channels from the same file; tick others below."
        )
        self.images = LayerChecklist()
        self.images.setToolTip("Image layers in which intensities are measured; sizes and shapes are always measured.")
        self.around = SettingsForm(CellSettings)
        self.cells_box = LayerBox(
            "Cells grown from the nuclei by the distance below, or labels of cells made elsewhere."
        )
        self.regions_box = LayerBox("Shapes layer with regions: nuclei and their density are counted in each.")
        self.open_regions = QPushButton("Open…")
        self.open_regions.setToolTip("Open regions from GeoJSON, as QuPath saves annotations.")
        self.spots_box = LayerBox("Points layer with spots, which are counted in each nucleus and cell.")
        self.find_box = choice_box("Channel in which bright spots are found and counted.")
        self.spot_size = QDoubleSpinBox()
        self.spot_size.setRange(1, 200)
        self.spot_size.setDecimals(1)
        self.spot_size.setValue(SPOT)
        self.spot_size.setSuffix(" px")
        self.spot_size.setToolTip("Diameter of a spot.")
        self._lay_out()
        self._connect()

    def _lay_out(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self._pair = Rows(("Labels", self.labels_picker), ("Image", self.image_line), ("Measure in", self.images))
        layout.addWidget(self._pair)
        cells = Rows(("Cells", self.cells_box))
        layout.addWidget(Folded("Cells and rings", "What lies around each nucleus.", cells, self.around))
        regions, found = QHBoxLayout(), QHBoxLayout()
        regions.addWidget(self.regions_box, stretch=1)
        regions.addWidget(self.open_regions)
        found.addWidget(self.find_box, stretch=1)
        found.addWidget(self.spot_size)
        rows = Rows(("Regions", regions), ("Spots", self.spots_box), ("Find spots in", found))
        layout.addWidget(Folded("Regions and spots", "Counted per region, per nucleus and per cell.", rows))

    def _connect(self) -> None:
        events = self._viewer.layers.events
        for event in (events.inserted, events.removed, events.reordered, events.renamed):
            event.connect(self.list_layers)
        self.labels_picker.currentIndexChanged.connect(self._choose_labels)
        self.image_line.chosen.connect(self._choose_image)
        self.images.ticks_changed.connect(self._list_channels)
        self.around.valueChanged.connect(self.changed)
        self.open_regions.clicked.connect(self._ask_regions)
        for box in (self.cells_box, self.regions_box, self.spots_box, self.find_box):
            box.currentIndexChanged.connect(self.changed)
        self.spot_size.valueChanged.connect(self.changed)

    def list_layers(self) -> None:
        """List the layers, the latest labels first; the choices stay."""
        chosen = self.labels_picker.layer
        layers = [layer for layer in reversed(self._viewer.layers) if isinstance(layer, Labels)]
        kept = row_in(layers, chosen)
        self.labels_picker.offer(layers, max(kept, 0) if layers else -1)
        if kept < 0:
            self.images.forget_ticks()
        others = [layer for layer in layers if layer is not self.labels_picker.layer]
        kinds = ((self.cells_box, others, GROWN), (self.regions_box, Shapes, NONE), (self.spots_box, Points, NONE))
        for box, wanted, without in kinds:
            offered = (
                wanted
                if isinstance(wanted, list)
                else [layer for layer in reversed(self._viewer.layers) if isinstance(layer, wanted)]
            )
            row = row_in(offered, box.layer)
            box.offer(offered, row if row >= 0 else len(offered), without)
        self._list_images()

    def _choose_labels(self) -> None:
        self.images.forget_ticks()
        self.list_layers()

    def _choose_image(self) -> None:
        labels, image = self.labels_picker.layer, self.image_line.image
        if labels is not None and image is not None:
            choose_image(labels, image)
            self.images.forget_ticks()
            self._list_images()

    def _list_images(self) -> None:
        """Find the image of the labels, and tick it with the other channels of its file; where one has to ask, all."""
        images = pictures_in(self._viewer)[::-1]
        labels = self.labels_picker.layer
        fitting = [] if labels is None else images_of_size(self._viewer, labels)
        image = None if labels is None else image_of(self._viewer, labels)
        self.image_line.show_pair(labels, image, fitting, asks=image is None and len(fitting) > 1)
        self._pair.set_visible(self.image_line, bool(fitting))
        likely = [one for one in images if image is None or _same_picture(one, image)]
        problems = [(one, "" if labels is None else _problem(labels, one)) for one in images]
        self.images.set_layers(problems, likely)
        self._list_channels()

    def _list_channels(self) -> None:
        labels = self.labels_picker.layer
        try:
            channels = ask(labels, self.images.ticked()).channels if labels is not None else {}
        except NucleiError:
            channels = {}
        fill(self.find_box, {"": NONE, **{name: name for name in channels}}, self.find_box.currentData())
        self.changed.emit()

    def request(self) -> MeasureRequest:
        """Describe what is to be measured, without reading a pixel of an image.

        Raises
        ------
        NucleiError
            If there are no labels, or something does not fit them; the message says what.
        """
        layer = self.labels_picker.layer
        if layer is None:
            raise ImageShapeError("Segment an image, or open labels: there is no labels layer yet.")
        request = ask(layer, self.images.ticked())
        around, labels, size = self.around.value(), request.labels, request.pixel_size
        if self.cells_box.layer is not None:
            around = around.changed(cell=0.0)
        if around.wanted:
            spacing_in(around.distance_unit, (size.y, size.x))
        regions, spots = self.regions_box.layer, self.spots_box.layer
        return replace(
            request,
            around=around,
            cells=self._cells(labels.shape),
            areas=tuple(areas_of(self._viewer, regions, labels)) if regions is not None else (),
            spots={spots.name: spots_of(self._viewer, spots, labels)} if spots is not None else {},
            spots_in=str(self.find_box.currentData() or ""),
            spot_diameter=self.spot_size.value(),
        )

    def request_with_copies(self) -> MeasureRequest:
        """Return the same for a job: cells are copied, as the user may go on painting. Raises as `request`."""
        self.image_line.show_doubt()
        request, layer = self.request(), self.cells_box.layer
        return request if layer is None else replace(request, cells=describe_labels(layer).copied())

    def _cells(self, shape: tuple[int, ...]) -> StoredIds | None:
        """Describe the chosen cells."""
        layer = self.cells_box.layer
        if layer is None:
            return None
        cells = describe_labels(layer)
        if cells.shape != shape:
            raise ImageShapeError(f"'{layer.name}' and the nuclei differ in size: choose cells of the same image.")
        return StoredIds(cells.source)

    def _ask_regions(self) -> None:
        chosen, _ = QFileDialog.getOpenFileName(self, "Regions", "", "GeoJSON (*.geojson *.json)")
        if chosen:
            try:
                self.show_regions(Path(chosen))
            except NucleiError as error:
                self.failed.emit(error)

    def show_regions(self, path: Path) -> None:
        """Show the regions of a file as a shapes layer, and choose it.

        Raises
        ------
        NucleiError
            If the file cannot be read or there are no labels that it belongs to.
        """
        layer = self.labels_picker.layer
        if layer is None:
            raise ImageShapeError("Segment an image, or open labels first: regions are placed over them.")
        shapes = add_areas(self._viewer, describe_labels(layer), read_areas(path), path.stem)
        self.regions_box.choose(shapes)


def _same_picture(one: Image, image: Image) -> bool:
    """Return whether a layer is an image or, as far as is known, another channel of it."""
    if one is image or one.source.path is not None or image.source.path is not None:
        return one is image or one.source.path == image.source.path
    # Without files there is only what is seen: images that were shown before are hidden.
    return bool(one.visible)


def _problem(labels: Labels, image: Image) -> str:
    """Return why the labels cannot be measured in an image; empty if they can."""
    try:
        ask(labels, [image])
    except NucleiError as error:
        return str(error)
    return ""


class LayerChecklist(QListWidget):
    """Image layers with tick boxes; they are kept in Python for the reason given in `LayerBox`."""

    ticks_changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._layers: list[Image] = []
        self._decided: list[tuple[Image, Qt.CheckState]] = []
        self.itemChanged.connect(self._note_tick)
        self.setStyleSheet(TICK_BOX)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)

    def forget_ticks(self) -> None:
        """Let `set_layers` decide on every layer again."""
        self._decided = []

    def set_layers(self, layers: list[tuple[Image, str]], likely: Collection[Image]) -> None:
        """List layers, each with the reason why it cannot be measured.

        Likely ones without a reason are ticked; if every layer has one, all are ticked, which shows the reason. Layers
        that the user ticked or unticked stay so.
        """
        hopeless = all(problem for _, problem in layers)
        self.blockSignals(True)
        self.clear()
        self._layers = [layer for layer, _ in layers]
        for layer, problem in layers:
            item = QListWidgetItem(f"{layer.name}  (other size)" if problem else layer.name, self)
            item.setToolTip(problem or f"Measure the nuclei in '{layer.name}', in all its channels.")
            item.setFlags(Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsUserCheckable)
            ticked = hopeless or (not problem and layer in likely)
            at_first = Qt.CheckState.Checked if ticked else Qt.CheckState.Unchecked
            item.setCheckState(next((state for known, state in self._decided if known == layer), at_first))
        self.blockSignals(False)
        self.setFixedHeight(self._height())

    def ticked(self) -> list[Image]:
        """Return the ticked layers."""
        listed = zip(self._layers, self._all(), strict=True)
        return [layer for layer, item in listed if item.checkState() == Qt.CheckState.Checked]

    def _note_tick(self, item: QListWidgetItem) -> None:
        layer = self._layers[self.row(item)]
        self._decided = [(known, state) for known, state in self._decided if known != layer]
        self._decided.append((layer, item.checkState()))
        self.ticks_changed.emit()

    def _all(self) -> list[QListWidgetItem]:
        items = (self.item(row) for row in range(self.count()))
        return [item for item in items if item is not None]

    def _height(self) -> int:
        rows = min(max(self.count(), 1), LISTED)
        return rows * max(self.sizeHintForRow(0), self.fontMetrics().height() + 6) + 2 * self.frameWidth() + 4
