"""The dock *Batch segment folder*: segment many image files with the same choices, and show each result."""

# No `from __future__ import annotations`: napari reads the annotation of the viewer parameter.

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QUrl
from qtpy.QtGui import QDesktopServices, QShowEvent
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QTabWidget, QVBoxLayout, QWidget

from napari_unet_nuclei.core.errors import NucleiError
from napari_unet_nuclei.core.folder.dry_run import Intention
from napari_unet_nuclei.core.folder.plan import REPORT
from napari_unet_nuclei.core.folder.record import FileRecord
from napari_unet_nuclei.core.folder.summary import BatchReport
from napari_unet_nuclei.core.quantity import quantity
from napari_unet_nuclei.core.segment.remedy import in_words
from napari_unet_nuclei.core.settings import CellSettings, SegmentSettings
from napari_unet_nuclei.gui.batch.choices import BatchChoices, TemplateBar, read_template, save_template
from napari_unet_nuclei.gui.batch.form import BatchForm
from napari_unet_nuclei.gui.batch.job import Outlook, RunSignals, dry_run_job, open_job, preview_job, run_job
from napari_unet_nuclei.gui.batch.layers import ShownFile, image_arguments, image_array, labels_arguments
from napari_unet_nuclei.gui.batch.rows import FileRow
from napari_unet_nuclei.gui.batch.table import BatchTable
from napari_unet_nuclei.gui.jobs.job_panel import JobPanel
from napari_unet_nuclei.gui.jobs.latest_job import LatestJob
from napari_unet_nuclei.gui.settings.remembered import recall, remember
from napari_unet_nuclei.gui.viewer.display import display_labels, first_display, outline_width
from napari_unet_nuclei.gui.viewer.dock import Dock
from napari_unet_nuclei.gui.viewer.pairing import choose_image
from napari_unet_nuclei.gui.widgets.rest_timer import rest_timer
from napari_unet_nuclei.gui.widgets.scroll_column import ScrollColumn
from napari_unet_nuclei.gui.widgets.wrapped_label import Sentence

if TYPE_CHECKING:
    import napari

SETTINGS, IMAGES = range(2)
"""Tabs, from the left."""

SETTLING = 300
"""Milliseconds without a change before the images are examined again."""

CANCELLED = "Stopped. Finished images are kept: Segment all continues from there."


class BatchDock(Dock):
    """Segments files and folders; lists beforehand what a run will do, and shows any result in the viewer."""

    tab_title = "Batch"
    page = "batch"

    def __init__(self, napari_viewer: "napari.viewer.Viewer") -> None:
        super().__init__()
        self._viewer = napari_viewer
        self._shown: BatchChoices | None = None
        self._is_run = False
        self.templates, self.form = TemplateBar(), BatchForm()
        self.table = BatchTable()
        self.taken_label = Sentence()
        self.outcome_label = Sentence("Choose images first.", selectable=True)
        self.detail_label = Sentence(selectable=True)
        self.folder_button = QPushButton("Open folder")
        self.report_button = QPushButton("Open report")
        self.tabs = QTabWidget()
        self.job_panel = JobPanel("Segment all", "Segment all images and write the results to the folder.")
        self.job_panel.cancel_button.setToolTip(
            "Stop. Finished images are kept, and the next run continues from there."
        )
        self._signals = RunSignals()
        self._looking = LatestJob()
        self._opening = LatestJob()
        self._settling = rest_timer(self, self._look, SETTLING)
        self._lay_out()
        self._connect()
        self._say_taken("")
        self.form.setValue(recall(BatchChoices))
        self._note_change()

    def _lay_out(self) -> None:
        self.folder_button.setToolTip("Show the folder with the results.")
        self.report_button.setToolTip("Open the report of the run in the browser.")
        buttons = QHBoxLayout()
        buttons.addWidget(self.folder_button)
        buttons.addWidget(self.report_button)
        page = QWidget()
        column = QVBoxLayout(page)
        column.setContentsMargins(4, 8, 4, 4)
        column.addWidget(self.outcome_label)
        column.addWidget(self.table, stretch=1)
        column.addWidget(self.detail_label)
        column.addLayout(buttons)
        self.tabs.addTab(ScrollColumn(self.templates, self.taken_label, self.form), "Settings")
        self.tabs.addTab(page, "Images")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 4, 4, 4)
        layout.addWidget(self.tabs, stretch=1)
        layout.addWidget(self.job_panel)

    def _connect(self) -> None:
        self.form.changed.connect(self._note_change)
        self.templates.chosen.connect(self._take_template)
        self.templates.saved.connect(self._save_template)
        self._looking.succeeded.connect(self._show_outlook)
        self._looking.failed.connect(self._show_look_error)
        self._signals.record.connect(self._show_record)
        self.job_panel.run_clicked.connect(self.run)
        self.job_panel.running_changed.connect(self._show_running)
        self.table.wanted.connect(self._show_file)
        self.table.chosen.connect(self._show_detail)
        self._opening.succeeded.connect(self._add_layers)
        self._opening.failed.connect(self.job_panel.show_error)
        self.folder_button.clicked.connect(self._open_folder)
        self.report_button.clicked.connect(self._open_report)

    def showEvent(self, event: QShowEvent | None) -> None:
        """Examine files and models again: they may have changed while the dock was hidden."""
        self.form.model_picker.refresh()
        self._note_change()
        super().showEvent(event)

    def _take_template(self, name: str) -> None:
        try:
            self.form.setValue(read_template(name, self.form.choices()))
        except NucleiError as error:
            self.job_panel.show_error(error)

    def _save_template(self, name: str) -> None:
        try:
            save_template(name, self.form.choices())
        except NucleiError as error:
            self.job_panel.show_error(error)
            return
        self.templates.refresh(name)
        self.job_panel.show_status(f"Saved as the template '{name}'.")

    def take_settings(self, settings: SegmentSettings, model: str) -> None:
        """Segment files in the same way as an image was; images and results stay as they are."""
        self.form.take_settings(settings, model)
        self._say_taken("The settings are those of the image that was segmented.")

    def take_measured(
        self, around: CellSettings, gate: str, classes: Path | None = None, left: Sequence[str] = ()
    ) -> None:
        """Measure files as an image was measured; ``left`` names what belongs to that image alone."""
        self.form.take_measured(around, gate, classes)
        without = f" Not taken over, as they belong to that image: {', '.join(left)}." if left else ""
        self._say_taken(f"Nuclei are segmented and measured as in that image.{without}")

    def _say_taken(self, text: str) -> None:
        self.taken_label.setText(text)
        self.taken_label.setVisible(bool(text))
        self.tabs.setCurrentIndex(SETTINGS)

    def run(self) -> None:
        """Segment the chosen images."""
        try:
            choices = self.form.choices()
        except NucleiError as error:
            self.job_panel.show_error(error)
            return
        # Redoing everything is for this run only, and a series for these files.
        remember(replace(choices, batch=choices.batch.changed(overwrite=False, series="")))
        self._settling.stop()
        self._looking.cancel()
        self._shown = choices
        self._is_run = True
        self._say_taken("")
        self.tabs.setCurrentIndex(IMAGES)
        self.outcome_label.setText("Segmenting…")
        title = f"Segmenting {Path(choices.given[0]).name}"
        self.job_panel.run_job(run_job(choices, self._signals), self._show_report, title=title, cancelled=CANCELLED)

    def _note_change(self) -> None:
        """Examine the images again once the user pauses."""
        self._refresh()
        if not self.job_panel.is_running:
            self._settling.start()

    def _look(self) -> None:
        """Find out what a run would do."""
        if self.form.problem():
            self._looking.cancel()
            self._show_outlook(Outlook())
            return
        self._shown = self.form.choices()
        self.form.facts_label.setText("Examining the images…")
        self._looking.submit(dry_run_job(self._shown))

    def _show_outlook(self, outlook: Outlook) -> None:
        """Show what a run would do."""
        self._is_run = False
        prospects = outlook.prospects
        self.table.show_prospects(prospects)
        stack = max(prospects, key=lambda prospect: len(prospect.shape), default=None)
        if stack is not None:
            self.form.show_axes(stack.stored_axes, stack.shape)
        self.form.show_series(max((prospect.listed for prospect in prospects), key=len, default=()))
        self.form.show_zarr(there=outlook.has_zarr)
        self.detail_label.clear()
        counts = Counter(prospect.intention for prospect in prospects)
        told: dict[Intention, str] = {"segment": "to segment", "skip": "done before", "fail": "cannot be used"}
        parts = [f"{counts[intention]:,} {text}" for intention, text in told.items() if counts[intention]]
        summary = f"{quantity(len(prospects), 'image')}: {', '.join(parts)}." if prospects else ""
        remarks = [in_words(remark) for remark in outlook.remarks]
        grouped = any(prospect.split or prospect.place for prospect in prospects)
        why = " See the tab Images." if counts["fail"] or grouped else ""
        mark = "⚠ " if counts["fail"] else ""
        self.form.facts_label.setText("\n".join((f"{mark}{summary}{why}", *remarks)).strip())
        self.outcome_label.setText("\n".join((summary or "Choose images first.", *remarks)))
        self._refresh()

    def _show_look_error(self, error: Exception) -> None:
        """Show why the images could not be examined; mostly there are none."""
        self._show_outlook(Outlook())
        if isinstance(error, NucleiError):
            self.form.facts_label.setText(f"⚠ {error}")
            self.outcome_label.setText(f"⚠ {error}")
        else:
            self.job_panel.show_error(error)

    def _show_record(self, record: FileRecord) -> None:
        self.table.show_record(record)
        self.outcome_label.setText(self._outcome())
        self.folder_button.setEnabled(True)

    def _outcome(self) -> str:
        """Return the state of a run as text."""
        records = [row.record for row in self.table.images.rows if row.record is not None]
        failed = sum(bool(record.error) for record in records)
        nuclei = sum(record.nuclei for record in records)
        doubtful = sum(record.urgency == 1 for record in records)
        parts = [f"{quantity(len(records) - failed, 'image')} done", quantity(nuclei, "nucleus", "nuclei")]
        parts += [f"{failed:,} failed"] if failed else []
        parts += [f"{doubtful:,} to check (⚠)"] if doubtful else []
        return ", ".join(parts) + "."

    def _show_report(self, report: BatchReport) -> None:
        """Show the outcome of a run."""
        failed = f" {len(report.failed)} of {len(report.records)} failed: the list says why." if report.failed else ""
        for record in report.doubtful:  # some are found only by comparison with all others
            self.table.show_record(record)
        self.outcome_label.setText(self._outcome())
        self.table.images.put_worst_first()
        devices = sorted({record.device for record in report.succeeded if not record.skipped})
        if devices:
            self.form.device_picker.show_used(devices[0])
        self.job_panel.show_status(f"Done.{failed} Results are in {report.out}.")

    def _show_running(self, running: bool) -> None:
        self.table.images.set_running(running)
        self._refresh()

    def _show_detail(self, row: FileRow) -> None:
        self.detail_label.setText(row.tooltip)

    def _show_file(self, row: FileRow) -> None:
        """Show an image with its labels from the run, or else with a preview."""
        choices = self._shown
        if choices is None:
            return
        if row.result is not None:
            self._opening.submit(open_job(choices, row.prospect, row.result))  # possible during a run
        else:
            title = f"Segmenting {row.prospect.short_title}"
            self.job_panel.run_job(preview_job(choices, row.prospect), self._add_layers, title=title)

    def _add_layers(self, shown: ShownFile) -> None:
        """Add an image and its labels to the viewer, and hide all others: they are of other images."""
        assert self._shown is not None, "a row was clicked"
        for layer in self._viewer.layers:
            layer.visible = False
        arrays: tuple[Any, Any] = (image_array(shown.file, self._shown.template), shown.labels)
        if shown.levels:
            arrays = (_levels(shown.images), _levels(shown.levels))
        image = self._viewer.add_image(arrays[0], **image_arguments(shown.file, self._shown.template))
        labels = self._viewer.add_labels(arrays[1], **labels_arguments(shown))
        images = image if isinstance(image, list) else [image]
        read = [one for one in images if one.name.endswith(f" {shown.provenance.get('channel')}")]
        choose_image(labels, next(iter(read or images)))
        self._viewer.layers.selection = {labels}
        self._viewer.reset_view()
        width = outline_width(self._viewer.scene.camera.zoom, labels, shown.provenance.get("diameter", 0.0))
        display_labels(labels, first_display(labels), width)
        if not self.job_panel.is_running:
            self.job_panel.show_status(f"{shown.file.path.name} and its labels are shown.")

    def _open_folder(self) -> None:
        if self._shown is not None:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(self._shown.folder)))

    def _open_report(self) -> None:
        if self._shown is not None:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(self._shown.folder / REPORT)))

    def _refresh(self) -> None:
        """Enable what can be done now, and explain what cannot."""
        running = self.job_panel.is_running
        self.job_panel.set_problem(self.form.problem())
        rows = self.table.images.rows
        self.tabs.setTabText(IMAGES, f"Images ({len(rows):,})" if rows else "Images")
        to_do = sum(row.prospect.intention == "segment" for row in rows) if not self._is_run else 0
        self.job_panel.run_button.setText(f"Segment {quantity(to_do, 'image')}" if to_do else "Segment all")
        self.form.setEnabled(not running)
        folder = self._shown.folder if self._shown is not None else None
        self.folder_button.setEnabled(folder is not None and folder.is_dir())
        self.report_button.setEnabled(folder is not None and (folder / REPORT).is_file())


def _levels(levels: tuple[Any, ...]) -> Any:
    """Return a pyramid as napari expects it, or the only level."""
    return list(levels) if len(levels) > 1 else levels[0]
