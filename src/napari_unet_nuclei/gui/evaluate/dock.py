"""The dock *Evaluate labels*: labels against true ones, as figures, on the picture, and as a list to walk through."""

# No `from __future__ import annotations`: napari reads the annotation of the viewer parameter.

from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Labels
from napari.utils.colormaps import Colormap
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QTreeWidgetItem, QVBoxLayout

from napari_unet_nuclei.core.errors import NucleiError
from napari_unet_nuclei.core.labels.metrics.verdicts import Verdict
from napari_unet_nuclei.core.quantity import quantity
from napari_unet_nuclei.gui.evaluate.job import KINDS, Comparison, Judgement, check_sizes, compare_job
from napari_unet_nuclei.gui.jobs.job_panel import JobPanel
from napari_unet_nuclei.gui.viewer.dock import Dock
from napari_unet_nuclei.gui.viewer.frame import NucleusFrame, box_of
from napari_unet_nuclei.gui.viewer.labels_and_image import describe_labels
from napari_unet_nuclei.gui.viewer.layer_box import LayerBox, row_in
from napari_unet_nuclei.gui.viewer.layers import METADATA_KEY
from napari_unet_nuclei.gui.viewer.value_layer import CLEAR, ValueLayer
from napari_unet_nuclei.gui.viewer.view import go_to
from napari_unet_nuclei.gui.widgets.forms import Rows, fill
from napari_unet_nuclei.gui.widgets.row_list import RowList
from napari_unet_nuclei.gui.widgets.wrapped_label import Sentence

if TYPE_CHECKING:
    import napari

COLOURS: dict[Verdict, str] = {
    "found": "#2ca02c",
    "off": "#bcbd22",
    "split": "#17becf",
    "merged": "#9467bd",
    "missed": "#d62728",
    "invented": "#ff7f0e",
}
"""Of nuclei by what became of them."""

MEANINGS: dict[Verdict, str] = {
    "found": "a true nucleus that overlaps a found one by more than half (IoU above 0.5)",
    "off": "a true nucleus that was found with an outline too far off to count",
    "split": "a true nucleus that was found as several",
    "merged": "a true nucleus that was found as one with others",
    "missed": "a true nucleus of which less than half is covered",
    "invented": "a found nucleus of which less than half lies on true ones",
}

COLOURED = "Found and missed nuclei"
"""Name of the layer."""

NO_TRUTH = "none: open or draw true labels"
"""Entry while there is one labels layer alone."""

OUTLINE = 1
"""Width in pixels of the outlines of both layers, between which the verdicts are coloured."""

LISTED = 2000
"""Mistakes that the list has at most; the sentence counts them all."""


class EvaluateDock(Dock):
    """Compares two labels layers of one image.

    Parameters
    ----------
    napari_viewer : napari.viewer.Viewer
    """

    tab_title = "Evaluate"
    page = "measure"

    def __init__(self, napari_viewer: "napari.viewer.Viewer") -> None:
        super().__init__()
        self._viewer = napari_viewer
        self._compared: Comparison | None = None
        self._judged: Labels | None = None
        self.labels_box = LayerBox("Labels to be judged.")
        self.truth_box = LayerBox("True labels of the same image: drawn or corrected by a person.")
        self.outcome, self.figures = Sentence(selectable=True), Sentence(selectable=True)
        self.key = QLabel(" ".join(f'<span style="color:{COLOURS[kind]}">■</span>&nbsp;{kind}' for kind in KINDS))
        self.key.setWordWrap(True)
        self.key.setToolTip("\n".join(f"{kind}: {MEANINGS[kind]}" for kind in KINDS))
        self.mistakes = RowList(("Mistake", "Nucleus", "Plane"))
        self.mistakes.setToolTip("Click a row, or walk with the arrow keys, to see the place.")
        self.back, self.forward = QPushButton("◂ Previous"), QPushButton("Next ▸")
        self.panel = JobPanel("Compare", "Judge the labels by the true ones, nucleus by nucleus.")
        self.frame = NucleusFrame(napari_viewer, self)
        self.colours = ValueLayer(napari_viewer, self)
        self._lay_out()
        self._connect()
        self._list_layers()
        self._show(None)

    def _lay_out(self) -> None:
        layout = QVBoxLayout(self)
        layout.addWidget(Rows(("Labels", self.labels_box), ("True labels", self.truth_box)))
        for widget in (self.outcome, self.key, self.figures):
            layout.addWidget(widget)
        layout.addWidget(self.mistakes, stretch=1)
        layout.addLayout(fill(QHBoxLayout(), self.back, self.forward))
        layout.addWidget(self.panel)

    def _connect(self) -> None:
        events = self._viewer.layers.events
        for event in (events.inserted, events.removed, events.reordered, events.renamed):
            event.connect(self._list_layers)
        self.labels_box.currentIndexChanged.connect(self._choose_labels)
        self.truth_box.currentIndexChanged.connect(self._check)
        self.panel.run_clicked.connect(self._compare)
        self.mistakes.currentItemChanged.connect(self._go_to_current)
        self.back.clicked.connect(self._step_back)
        self.forward.clicked.connect(self._step_forward)

    def _list_layers(self) -> None:
        """List the labels, the latest first: to be judged is what was segmented here, true is what came from elsewhere.

        What the user chose stays, and no layer is judged by itself.
        """
        layers = [layer for layer in reversed(self._viewer.layers) if isinstance(layer, Labels)]
        made_here = [layer for layer in layers if METADATA_KEY in layer.metadata]
        chosen, truth = self.labels_box.layer, self.truth_box.layer
        if chosen not in layers:
            others = [layer for layer in layers if layer is not truth]
            chosen = next(iter([*(one for one in made_here if one is not truth), *others, *layers]), None)
        self.labels_box.offer(layers, row_in(layers, chosen))
        offered = [layer for layer in layers if layer is not chosen]
        elsewhere = [layer for layer in offered if layer not in made_here]
        row = row_in(offered, truth if truth in offered else next(iter([*elsewhere, *offered]), None))
        self.truth_box.offer(offered, max(row, 0), "" if offered else NO_TRUTH)
        self._judged = chosen
        if self._compared is not None and not self._is_shown:
            self._show(None)
        self._check()

    def _choose_labels(self) -> None:
        """Judge another layer; where it was the true one, the two change places."""
        before, chosen = self._judged, self.labels_box.layer
        swapped = chosen is not None and chosen is self.truth_box.layer
        self._list_layers()
        if swapped and before is not None and before in self._viewer.layers:
            self.truth_box.choose(before)

    def _check(self) -> None:
        """Enable Compare or show why not."""
        labels, truth = self.labels_box.layer, self.truth_box.layer
        if labels is None or truth is None:
            self.panel.set_problem("Open two labels layers of one image: those to be judged, and true ones.")
            return
        try:
            check_sizes(describe_labels(labels), describe_labels(truth))
        except NucleiError as error:
            self.panel.set_problem(str(error))
            return
        self.panel.set_problem("")

    def _compare(self) -> None:
        labels, truth = self.labels_box.layer, self.truth_box.layer
        assert labels is not None, "Compare is disabled without two layers"
        assert truth is not None, "Compare is disabled without two layers"
        try:
            job = compare_job(describe_labels(labels), describe_labels(truth))
        except NucleiError as error:  # a layer was exchanged meanwhile
            self.panel.set_problem(str(error))
            return
        self.panel.run_job(job, self._show, title=f"Comparing {labels.name}")

    @property
    def _is_shown(self) -> bool:
        """True if both compared layers are still in the viewer."""
        if self._compared is None:
            return False
        return all(one.place.layer in self._viewer.layers for one in (self._compared.labels, self._compared.truth))

    def _show(self, compared: Comparison | None) -> None:
        """Show an outcome, or none."""
        self._compared = compared
        self.frame.clear()
        self.colours.clear()
        self.mistakes.clear()
        for widget in (self.outcome, self.figures, self.key, self.mistakes, self.back, self.forward):
            widget.setVisible(compared is not None)
        if compared is None:
            return
        self.outcome.setText(_outcome(compared))
        self.figures.setText(_figures(compared))
        blocked = self.mistakes.blockSignals(True)
        several = len(compared.truth.shape) > 2
        for one in compared.mistakes[:LISTED]:
            plane = ", ".join(map(str, one.index)) if several else ""
            item = QTreeWidgetItem([one.verdict, str(one.label), plane])
            item.setToolTip(0, MEANINGS[one.verdict])
            item.setTextAlignment(1, Qt.AlignmentFlag.AlignRight)
            self.mistakes.addTopLevelItem(item)
        self.mistakes.blockSignals(blocked)
        self.mistakes.setColumnHidden(2, not several)
        self.panel.show_status(
            f"The first {LISTED:,} of {len(compared.mistakes):,} mistakes are listed."
            if len(compared.mistakes) > LISTED
            else "Walk through the mistakes with Next, or click a row."
        )
        colours = Colormap([COLOURS[kind] for kind in KINDS], name="verdicts", nan_color=CLEAR)
        if self._is_shown:
            both = (compared.truth, compared.labels)
            for shown in both:  # whose own colours would mix with those of the verdicts
                shown.place.layer.contour = shown.place.layer.contour or OUTLINE
            top = max(both, key=lambda shown: self._viewer.layers.index(shown.place.layer))
            self.colours.show(top, compared.values, COLOURED, colours, (0.0, len(KINDS) - 1.0))

    def _go_to_current(self) -> None:
        """Show the place of the current row."""
        row = self.mistakes.indexOfTopLevelItem(self.mistakes.currentItem())
        if self._compared is not None and row >= 0 and self._is_shown:
            self._go_to(self._compared.mistakes[row])

    def _go_to(self, one: Judgement) -> None:
        assert self._compared is not None, "rows come with an outcome"
        labels = self._compared.truth if one.in_truth else self._compared.labels
        place = labels.place
        position = np.array([*one.index, *one.centre], float) + np.array(place.origin)
        go_to(self._viewer, place.layer, place.world(position), place.pixel_length * one.diameter)
        self.frame.show(labels, one.index, box_of(labels, one.index, one.label, one.centre, 2 * one.diameter + 1))

    def _step_back(self) -> None:
        self._step(-1)

    def _step_forward(self) -> None:
        self._step(1)

    def _step(self, by: int) -> None:
        """Go to the mistake before or after the current one."""
        count = self.mistakes.topLevelItemCount()
        if count:
            row = self.mistakes.indexOfTopLevelItem(self.mistakes.currentItem())
            self.mistakes.setCurrentItem(self.mistakes.topLevelItem((row + by) % count if row >= 0 else 0))


def _outcome(compared: Comparison) -> str:
    """Return what matters in words."""
    counts = compared.counts
    true = sum(number for verdict, number in counts.items() if verdict != "invented")
    others = [f"{counts[kind]:,} {kind}" for kind in ("missed", "merged", "split", "invented") if counts[kind]]
    off = [f"{counts['off']:,} with the outline too far off"] if counts["off"] else []
    mistakes = ", ".join([*others, *off]) or "no mistakes"
    return f"{counts['found']:,} of {quantity(true, 'nucleus', 'nuclei')} found; {mistakes}."


def _figures(compared: Comparison) -> str:
    scores = compared.scores
    return (
        f"AP at IoU 0.5: {scores.average_precision[0]:.3f}, mean over 0.5 to 0.95: "
        f"{scores.mean_average_precision:.3f} · F1 {scores.f1[0]:.3f} · PQ {scores.panoptic_quality:.3f} · "
        f"count error {scores.count_error:.1%}"
    ).replace("%", " %")
