"""The dock *Measure nuclei*: a table of any labels in any images, linked to the nuclei in the viewer."""

# No `from __future__ import annotations`: napari reads the annotation of the viewer parameter.

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Labels
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QFileDialog, QFormLayout, QListWidget, QListWidgetItem, QPushButton, QVBoxLayout

from napari_unet_nuclei.core.errors import NucleiError
from napari_unet_nuclei.core.image.io.write import write_table
from napari_unet_nuclei.core.progress import Progress
from napari_unet_nuclei.gui.jobs.job_panel import JobPanel
from napari_unet_nuclei.gui.viewer.dock import Dock
from napari_unet_nuclei.gui.viewer.layer_box import LayerBox, row_in
from napari_unet_nuclei.gui.viewer.layers import table_features
from napari_unet_nuclei.gui.viewer.measure_request import MeasuredTable, MeasureRequest, ask, measure_layers
from napari_unet_nuclei.gui.viewer.view import go_to, label_under, on_click, world_point
from napari_unet_nuclei.gui.widgets.row_list import TICK_BOX
from napari_unet_nuclei.gui.widgets.table_view import TableView
from napari_unet_nuclei.gui.widgets.wrapped_label import Sentence

if TYPE_CHECKING:
    import napari


LISTED = 5
"""Maximum number of visible layers."""


class MeasureDock(Dock):
    """Measures the chosen labels in the chosen images, and shows the table.

    Parameters
    ----------
    napari_viewer : napari.viewer.Viewer
    """

    tab_title = "Measure"

    def __init__(self, napari_viewer: "napari.viewer.Viewer") -> None:
        super().__init__()
        self._viewer = napari_viewer
        self._measured: MeasuredTable | None = None
        self.labels_picker = LayerBox(
            "Labels layer with the nuclei: segmented here, corrected by hand, or opened from a file."
        )
        self.images = LayerChecklist()
        self.images.setToolTip("Image layers in which intensities are measured; sizes and shapes are always measured.")
        self.hint = Sentence()
        self.panel = JobPanel(
            "Measure", "Create a table with a row per nucleus; the labels layer keeps it as features."
        )
        self.table_view = TableView()
        self.table_view.setToolTip("Click a row to show its nucleus, a heading to sort, or a nucleus to find its row.")
        self.save_button = QPushButton("Save table…")
        self.save_button.setToolTip("Write the table to a CSV file.")
        self._lay_out()
        self._connect()
        self._list_layers()
        self._show_table(None)

    def _lay_out(self) -> None:
        form = QFormLayout()
        form.setContentsMargins(0, 0, 0, 0)
        form.addRow("Labels", self.labels_picker)
        form.addRow("Measure in", self.images)
        layout = QVBoxLayout(self)
        layout.addLayout(form)
        layout.addWidget(self.hint)
        layout.addWidget(self.table_view, stretch=1)
        empty_place = self.table_view.sizePolicy()
        empty_place.setRetainSizeWhenHidden(True)  # otherwise the form is stretched until there is a table
        self.table_view.setSizePolicy(empty_place)
        layout.addWidget(self.save_button)
        layout.addWidget(self.panel)

    def _connect(self) -> None:
        events = self._viewer.layers.events
        for event in (events.inserted, events.removed, events.reordered, events.renamed):
            event.connect(self._list_layers)
        self.labels_picker.currentIndexChanged.connect(self._choose_labels)
        self.images.ticks_changed.connect(self._check)
        self.panel.run_clicked.connect(self._measure)
        self.table_view.row_selected.connect(self._go_to_selected)
        self.save_button.clicked.connect(self._choose_file)
        on_click(self._viewer, self._select_clicked)

    def take_labels(self, layer: Labels) -> None:
        """Measure a layer of the viewer from now on."""
        self.labels_picker.choose(layer)

    def _list_layers(self) -> None:
        """List the layers, the latest labels first; the choice stays."""
        chosen = self.labels_picker.layer
        layers = [layer for layer in reversed(self._viewer.layers) if isinstance(layer, Labels)]
        kept = row_in(layers, chosen)
        self.labels_picker.offer(layers, max(kept, 0) if layers else -1)
        if kept < 0:
            self.images.forget_ticks()
        self._list_images()

    def _choose_labels(self) -> None:
        self.images.forget_ticks()
        self._list_images()

    def _list_images(self) -> None:
        images = [layer for layer in reversed(self._viewer.layers) if isinstance(layer, Image)]
        without_labels = self.labels_picker.count() == 0
        self.images.set_layers([(image, "" if without_labels else self._problem_of([image])) for image in images])
        self._check()

    def _problem_of(self, images: list[Image]) -> str:
        """Return why the labels cannot be measured in these images; empty if they can."""
        labels = self.labels_picker.layer
        if labels is None:
            return "Segment an image, or open labels: there is no labels layer yet."
        try:
            ask(labels, images)
        except NucleiError as error:
            return str(error)
        return ""

    def _check(self) -> None:
        """Enable Measure or show why not, and what the table will lack."""
        ticked = self.images.ticked()
        problem = self._problem_of(ticked)
        self.panel.set_problem(problem)
        self.hint.setText("" if problem else _hints(ask(self.labels_picker.layer, ticked)))
        self.hint.setVisible(bool(self.hint.text()))

    def _measure(self) -> None:
        layer = self.labels_picker.layer
        assert layer is not None, "Measure is disabled without labels"
        try:
            request = ask(layer, self.images.ticked())  # again: an image may have been replaced meanwhile
        except NucleiError as error:
            self.panel.set_problem(str(error))
            return
        job = partial(measure_layers, request, request.labels.copied(), layer.features.copy())
        self.panel.run_job(job, self._show_result, title=f"Measuring {layer.name}")

    def _show_result(self, measured: MeasuredTable) -> None:
        layer = measured.labels.place.layer
        self._show_table(measured)
        rows, nuclei = len(measured.table), measured.table["label"].nunique()
        self.panel.show_status(f"{nuclei} nuclei measured." if rows == nuclei else f"{nuclei} nuclei in {rows} rows.")
        if layer in self._viewer.layers:
            layer.features = table_features(measured.table)

    def _show_table(self, measured: MeasuredTable | None) -> None:
        """Show a table, and watch its labels for changes."""
        if self._measured is not None:
            for event in _edit_events(self._measured):
                event.disconnect(self._mark_outdated)
        self._measured = measured
        if measured is not None:
            self.table_view.set_table(measured.table)
            for event in _edit_events(measured):
                event.connect(self._mark_outdated)
        self.table_view.setVisible(measured is not None)
        self.save_button.setVisible(measured is not None)

    def _mark_outdated(self) -> None:
        self.panel.show_status("⚠ The labels have changed since they were measured: press Measure again.")

    def _go_to_selected(self, label: int) -> None:
        """Show the nucleus of the selected row."""
        assert self._measured is not None, "rows come with a table"
        place, row = self._measured.labels.place, self.table_view.selected_row
        if place.layer not in self._viewer.layers:
            self.panel.show_status("⚠ The measured labels layer is no longer in the viewer.")
            return
        step = float(np.linalg.norm(place.matrix[:-1, -2]))
        diameter = step * float(self._measured.table["diameter_px"].iloc[row])
        go_to(self._viewer, place.layer, place.world(self._measured.position(row)), diameter)
        place.layer.selected_label = label

    def _select_clicked(self, event: Any) -> None:
        """Select the row of the nucleus under the mouse."""
        if self._measured is None or self._measured.labels.place.layer not in self._viewer.layers:
            return
        place = self._measured.labels.place
        label = label_under(self._viewer, place.layer, event)
        row = self._measured.row_at(label, place.position(world_point(self._viewer, place.layer, event)))
        if row >= 0:
            self.table_view.select_row(row)

    def _choose_file(self) -> None:
        assert self._measured is not None, "the button comes with a table"
        proposal = f"{self._measured.labels.place.layer.name}.csv"
        chosen, _ = QFileDialog.getSaveFileName(self, "Save table", proposal, "Tables (*.csv)")
        if chosen:
            self.save_table(Path(chosen))

    def save_table(self, path: Path) -> None:
        """Write the table in its original order; .csv is appended to a name without a suffix."""
        table, target = self.table_view.table, path if path.suffix else path.with_suffix(".csv")

        def write(progress: Progress) -> Path:
            write_table(target, table)
            return target

        self.panel.run_job(write, self._show_saved, title=f"Saving {target.name}")

    def _show_saved(self, path: Path) -> None:
        self.panel.show_status(f"Saved to {path}.")


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

    def set_layers(self, layers: list[tuple[Image, str]]) -> None:
        """List layers, each with the reason why it cannot be measured.

        Layers without a reason are ticked; if every layer has one, all are ticked, which shows the reason. Layers that
        the user ticked or unticked stay so.
        """
        hopeless = all(problem for _, problem in layers)
        self.blockSignals(True)
        self.clear()
        self._layers = [layer for layer, _ in layers]
        for layer, problem in layers:
            item = QListWidgetItem(f"{layer.name}  (other size)" if problem else layer.name, self)
            item.setToolTip(problem or f"Measure the nuclei in '{layer.name}', in all its channels.")
            item.setFlags(Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsUserCheckable)
            at_first = Qt.CheckState.Checked if hopeless or not problem else Qt.CheckState.Unchecked
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


def _edit_events(measured: MeasuredTable) -> tuple[Any, ...]:
    """Return the events of a labels layer that mean changed labels; napari's undo has none of its own."""
    events = measured.labels.place.layer.events
    return events.paint, events.data


def _hints(request: MeasureRequest) -> str:
    """Return what the user should know before measuring."""
    size = request.pixel_size
    hints = [
        f"Pixel size {size.y:.4g} × {size.x:.4g} µm." if size.known else "No pixel size: columns in µm stay empty."
    ]
    if not request.channels:
        hints.append("No image is ticked: only sizes and shapes are measured.")
    hints += [
        f"⚠ '{name}' and the labels are in different places in the viewer; they are matched pixel by pixel."
        for name in request.displaced
    ]
    return "\n".join(hints)
